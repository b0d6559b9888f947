//! `/alerts/ID/silence`, the form that silences what is like an alert, and `/silences/ID`, what came of it.
//!
//! Who has nothing but the link of a message silences what is like its alert, and narrower; for
//! anything wider an operator is asked.

use std::time::Duration;

use axum::{
    Extension,
    extract::{Form, Path, Query, State, rejection::FormRejection},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{Asked, Shared, Who, alert, root, words};
use crate::{
    alert::Alert,
    clock,
    http::{
        access::{Caller, Signed},
        problem::Problem,
    },
    render::{
        facts::{self, Fact},
        inert,
        link::Purpose,
    },
    silence::{Draft, MOST_MATCHERS, Matcher, Silence, Standing, like},
    store::{SilenceRow, Store},
};

/// What the form offers.
const CHOICES: [(&str, &str, u64); 6] = [
    ("1h", "1 hour", 1),
    ("4h", "4 hours", 4),
    ("12h", "12 hours", 12),
    ("1d", "1 day", 24),
    ("3d", "3 days", 72),
    ("7d", "7 days", 168),
];
const USUAL: &str = "4h";
const MATCHER: usize = 300;

#[derive(Serialize)]
struct FormPage {
    severity: &'static str,
    title: String,
    facts: Vec<Fact>,
    alert: String,
    matchers: Vec<Choice>,
    /// An operator may leave out what the link has to keep.
    fixed: bool,
    durations: Vec<Lasting>,
    more: String,
    author: String,
    comment: String,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Choice {
    number: usize,
    text: String,
    kept: bool,
}

#[derive(Serialize)]
struct Lasting {
    word: &'static str,
    label: &'static str,
    chosen: bool,
}

/// What was filled in.
#[derive(Debug, Default)]
struct Filled {
    keep: Vec<usize>,
    more: String,
    lasts: String,
    author: String,
    comment: String,
}

#[derive(Serialize)]
struct SilencePage {
    id: String,
    standing: &'static str,
    sentence: String,
    matchers: Vec<String>,
    facts: Vec<Fact>,
    may_end: bool,
}

pub async fn form(
    State(shared): State<Shared>,
    Extension(asked): Who,
    Path(id): Path<String>,
    Query(signed): Query<Signed>,
    uri: Uri,
) -> Result<Response, Problem> {
    let alert = silenced(&shared, &asked, &id, &signed).await?;
    let author = if let Caller::Known(name, _) = &asked.caller { name.clone() } else { String::new() };
    let filled = Filled { keep: (0..like(&alert).len()).collect(), lasts: USUAL.into(), author, ..Filled::default() };
    Ok(filled_in(&shared, &asked, &alert, &filled, Vec::new(), &uri))
}

pub async fn make(
    State(shared): State<Shared>,
    Extension(asked): Who,
    Path(id): Path<String>,
    Query(signed): Query<Signed>,
    uri: Uri,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, Problem> {
    let alert = silenced(&shared, &asked, &id, &signed).await?;
    let Form(pairs) = form.map_err(|_| Problem::bad("expected the form of this page"))?;
    let filled = read(pairs);
    let silence = match draft(&asked, &alert, &filled).and_then(|draft| Silence::new(draft, asked.now)) {
        Ok(silence) => silence,
        Err(problems) => {
            let mut page = filled_in(&shared, &asked, &alert, &filled, problems, &uri);
            *page.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(page);
        }
    };
    tracing::info!(silence = silence.id, alert = alert.id, author = silence.author, "silenced from the form");
    let address = asked.access.end_of_silence(&silence.id, asked.now);
    shared.store.put_silence(silence).await?;
    let location = format!("{}{address}", root(uri.path()));
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

pub async fn page(
    State(shared): State<Shared>,
    Extension(asked): Who,
    Path(id): Path<String>,
    Query(signed): Query<Signed>,
    uri: Uri,
) -> Result<Response, Problem> {
    let linked = asked.access.link_allows(&[Purpose::End], &id, &signed, asked.now);
    if !linked && !asked.caller.may_view() {
        return Err(alert::refused(&asked, &signed));
    }
    let row = known(&shared, &id).await?;
    let may_end = linked || asked.caller.may_change();
    Ok(shared.page("silence.html", "Silence", &root(uri.path()), &asked.caller, shown(&asked, &row, may_end)))
}

pub async fn end(
    State(shared): State<Shared>,
    Extension(asked): Who,
    Path(id): Path<String>,
    Query(signed): Query<Signed>,
    uri: Uri,
) -> Result<Response, Problem> {
    if !asked.access.link_allows(&[Purpose::End], &id, &signed, asked.now) && !asked.caller.may_change() {
        return Err(alert::refused(&asked, &signed));
    }
    let row = known(&shared, &id).await?;
    if shared.store.expire_silence(&row.silence.id, asked.now).await? {
        tracing::info!(silence = row.silence.id, "a silence was ended from its page");
    }
    let back = uri.path_and_query().map_or("", |path| path.as_str()).trim_start_matches('/');
    let location = format!("{}{back}", root(uri.path()));
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// The alert, if the caller may silence what is like it.
async fn silenced(shared: &Shared, asked: &Asked, id: &str, signed: &Signed) -> Result<Alert, Problem> {
    let linked = asked.access.link_allows(&[Purpose::Silence], id, signed, asked.now);
    if !linked && !asked.caller.may_change() {
        return Err(alert::refused(asked, signed));
    }
    alert::known(shared, id).await
}

pub async fn known(shared: &Shared, id: &str) -> Result<SilenceRow, Problem> {
    let found = shared.store.silence(id).await?.filter(|row| row.silence.id == id);
    found.ok_or_else(|| Problem::unknown("silence", &inert::line(id, MATCHER)))
}

fn read(pairs: Vec<(String, String)>) -> Filled {
    let mut filled = Filled::default();
    for (name, value) in pairs {
        match name.as_str() {
            "keep" => filled.keep.extend(value.parse::<usize>()),
            "more" => filled.more = value,
            "lasts" => filled.lasts = value,
            "author" => filled.author = value,
            "comment" => filled.comment = value,
            _ => {}
        }
    }
    filled
}

/// What was filled in, or all that is wrong with it.
fn draft(asked: &Asked, alert: &Alert, filled: &Filled) -> Result<Draft, Vec<String>> {
    let mut problems = Vec::new();
    let fixed = !asked.caller.may_change();
    let like = like(alert).into_iter().enumerate();
    let mut matchers: Vec<Matcher> =
        like.filter(|(at, _)| fixed || filled.keep.contains(at)).map(|(_, matcher)| matcher).collect();
    // One more than may be makes the silence itself say that they are too many.
    for line in filled.more.lines().map(str::trim).filter(|line| !line.is_empty()).take(MOST_MATCHERS + 1) {
        match Matcher::parse(line) {
            Ok(matcher) => matchers.push(matcher),
            Err(problem) => problems.push(problem),
        }
    }
    let hours = CHOICES.iter().find(|(word, _, _)| *word == filled.lasts).map(|(_, _, hours)| *hours);
    let Some(hours) = hours else {
        problems.push("choose how long it lasts".to_owned());
        return Err(problems);
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Draft {
        matchers,
        starts_at: asked.now,
        ends_at: clock::plus(asked.now, Duration::from_secs(hours * 3600)),
        author: author(&asked.caller, &filled.author),
        comment: filled.comment.clone(),
    })
}

/// As typed, and how far that can be believed.
pub fn author(caller: &Caller, typed: &str) -> String {
    let typed = typed.trim();
    match caller {
        Caller::Known(name, _) if typed.is_empty() || typed == name => name.clone(),
        Caller::Known(name, _) => format!("{typed} (token {name})"),
        _ if typed.is_empty() => String::new(),
        _ => format!("{typed} (by a link)"),
    }
}

fn filled_in(
    shared: &Shared,
    asked: &Asked,
    alert: &Alert,
    filled: &Filled,
    problems: Vec<String>,
    uri: &Uri,
) -> Response {
    let notification = alert::told(asked, alert);
    let fixed = !asked.caller.may_change();
    let choice = |(number, matcher): (usize, Matcher)| Choice {
        number,
        text: inert::line(&matcher.to_string(), MATCHER),
        kept: fixed || filled.keep.contains(&number),
    };
    let page = FormPage {
        severity: alert.severity.as_str(),
        title: facts::title(&notification),
        facts: facts::facts(&notification, &asked.access.zone()),
        alert: alert.id.clone(),
        matchers: like(alert).into_iter().enumerate().map(choice).collect(),
        fixed,
        durations: CHOICES
            .iter()
            .map(|(word, label, _)| Lasting { word, label, chosen: *word == filled.lasts })
            .collect(),
        more: filled.more.clone(),
        author: filled.author.clone(),
        comment: filled.comment.clone(),
        problems: problems.iter().map(|problem| inert::line(problem, MATCHER)).collect(),
    };
    shared.page("silence-form.html", "Silence", &root(uri.path()), &asked.caller, page)
}

fn shown(asked: &Asked, row: &SilenceRow, may_end: bool) -> SilencePage {
    let silence = &row.silence;
    let standing = silence.standing(asked.now);
    let sentence = match standing {
        Standing::Active => {
            format!("What matches is recorded and not sent until {}.", words::when(silence.ends_at, asked))
        }
        Standing::Pending => format!("It begins {}.", words::moment(silence.starts_at, asked)),
        Standing::Expired => format!("It ended {}.", words::moment(silence.ended(), asked)),
    };
    let swallowed = match (row.swallowed, row.alerts) {
        (0, _) => "nothing so far".to_owned(),
        (1, _) => "1 alert or repeat".to_owned(),
        (count, 1) => format!("{count} alerts and repeats, all of 1 alert"),
        (count, alerts) => format!("{count} alerts and repeats, of {alerts} alerts"),
    };
    let fact = |label, value: String| Fact { label, value: inert::line(&value, MATCHER * 2) };
    SilencePage {
        id: silence.id.clone(),
        standing: standing.as_str(),
        sentence,
        matchers: silence.matchers.iter().map(|matcher| inert::line(&matcher.to_string(), MATCHER)).collect(),
        facts: vec![
            fact("From", words::when(silence.starts_at, asked)),
            fact("Until", words::moment(silence.ended(), asked)),
            fact("Made by", silence.author.clone()),
            fact("Comment", silence.comment.clone()),
            fact("Kept back", swallowed),
        ],
        may_end: may_end && standing != Standing::Expired,
    }
}
