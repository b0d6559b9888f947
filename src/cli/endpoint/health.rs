//! `tracebell endpoint list`, `show` and `resume`: how each endpoint stands, read beside a running Tracebell.

use std::{collections::BTreeMap, process::ExitCode};

use serde_json::{Value, json};

use super::super::{
    BAD, Output,
    status::{BOLD, StateArg, ago, plain, print_table},
    terminal::{columns, print_json, wrap},
};
use crate::{
    clock::{self, Timestamp},
    config::{self, Config},
    delivery::{Pause, Rate, Trouble},
    endpoint::{Settings, answer::in_words},
    render::facts::when,
    store::{Accepted, Checked, Confirmation, EndpointState, Sqlite, Store, StoreError},
};

/// An endpoint in the configuration, in the store, or in both.
struct Standing {
    state: EndpointState,
    settings: Option<Settings>,
    /// Nothing is sent before it confirmed, where that is asked.
    subscriber: Option<Confirmation>,
}

/// Lines for people are no longer than this where no terminal says otherwise.
const WIDTH: usize = 80;
const LABEL: usize = 12;

pub(super) async fn list(store: &Sqlite, file: &StateArg, output: Output) -> Result<ExitCode, StoreError> {
    let now = clock::now();
    let endpoints = standings(store, file).await?;
    if output == Output::Json {
        print_json(&json!(endpoints.values().map(|standing| standing.json(now)).collect::<Vec<_>>()));
        return Ok(ExitCode::SUCCESS);
    }
    if endpoints.is_empty() {
        say!("There are no endpoints.");
        return Ok(ExitCode::SUCCESS);
    }
    let rows = endpoints.iter().map(|(name, standing)| {
        let state = &standing.state;
        vec![
            plain(name),
            standing.word(now).to_owned(),
            state.ready.to_string(),
            state.oldest.map_or_else(|| "-".to_owned(), |oldest| ago(oldest, now)),
            state.dead.to_string(),
            standing.next(now).map_or_else(|| "-".to_owned(), |next| ago(next, now)),
        ]
    });
    print_table("Endpoints", &["endpoint", "state", "waiting", "oldest", "dead", "next try"], 2..3, rows);
    for (name, standing) in endpoints.iter().filter(|(_, standing)| standing.word(now) != "working") {
        say!();
        for line in wrap(&plain(&format!("{name}: {}", standing.in_words(now))), width()) {
            say!("{line}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn show(store: &Sqlite, file: &StateArg, name: &str, output: Output) -> Result<ExitCode, StoreError> {
    let now = clock::now();
    let endpoints = standings(store, file).await?;
    let Some(standing) = endpoints.get(name) else { return Ok(unknown(name, &endpoints)) };
    if output == Output::Json {
        print_json(&standing.json(now));
        return Ok(ExitCode::SUCCESS);
    }
    for (label, value) in standing.facts(now) {
        for (index, line) in wrap(&plain(&value), width() - LABEL - 2).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            say!("{BOLD}{label:>LABEL$}{BOLD:#}  {line}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn resume(store: &Sqlite, file: &StateArg, name: &str) -> Result<ExitCode, StoreError> {
    let now = clock::now();
    let endpoints = standings(store, file).await?;
    let Some(standing) = endpoints.get(name) else { return Ok(unknown(name, &endpoints)) };
    let waiting = match standing.state.ready {
        0 => "nothing waits for it".to_owned(),
        1 => "1 delivery is tried now".to_owned(),
        many => format!("{many} deliveries are tried now, the oldest first"),
    };
    if store.resume(name, now).await? {
        say!("{name} goes on: {waiting}.");
    } else {
        say!("{name} was not paused or held: {waiting}.");
    }
    Ok(ExitCode::SUCCESS)
}

fn width() -> usize {
    columns().unwrap_or(WIDTH).clamp(LABEL * 3, 120)
}

/// A configuration with problems takes nothing away from what the store knows.
async fn standings(store: &Sqlite, file: &StateArg) -> Result<BTreeMap<String, Standing>, StoreError> {
    let states = store.endpoints().await?;
    let standing = |state| Standing { state, settings: None, subscriber: None };
    let mut found: BTreeMap<String, Standing> =
        states.into_iter().map(|state| (state.endpoint.clone(), standing(state))).collect();
    for (name, settings) in configured(file).into_iter().flat_map(|config| config.endpoints) {
        let state = EndpointState { endpoint: name.clone(), ..EndpointState::default() };
        let subscriber = match settings.subscriber() {
            Some(subscriber) => Some(store.confirmation(&name, &subscriber).await?),
            None => None,
        };
        let found = found.entry(name).or_insert_with(|| standing(state));
        (found.settings, found.subscriber) = (Some(settings), subscriber);
    }
    Ok(found)
}

fn configured(file: &StateArg) -> Option<Config> {
    config::load(file.config()).config
}

fn unknown(name: &str, endpoints: &BTreeMap<String, Standing>) -> ExitCode {
    let known: Vec<&str> = endpoints.keys().map(String::as_str).collect();
    anstream::eprintln!("error: no endpoint `{}`; there are: {}", plain(name), known.join(", "));
    ExitCode::from(BAD)
}

impl Standing {
    fn held(&self, now: Timestamp) -> Option<Timestamp> {
        self.state.hold_until.filter(|until| *until > now)
    }

    fn paused(&self) -> Option<&Pause> {
        self.state.trouble.as_ref().and_then(|trouble| trouble.paused.as_ref())
    }

    /// Why nothing is sent, if a subscriber has to agree first.
    fn unconfirmed(&self) -> Option<String> {
        match self.subscriber? {
            Confirmation::Confirmed(_) => None,
            Confirmation::Never => Some(
                "waits for its subscriber to confirm. What to do: open the `subscribe_url` of the invitation there."
                    .to_owned(),
            ),
            Confirmation::Left(at) => {
                let left = when(at);
                Some(format!("its subscriber left at {left}; what is owed waits until it subscribes again."))
            }
        }
    }

    /// How its credentials did when they were last tried; what was tried before they were changed does not count.
    fn checked(&self) -> Option<&Checked> {
        let now = self.settings.as_ref().and_then(Settings::credentials);
        self.state.checked.as_ref().filter(|checked| now.is_none_or(|now| checked.credentials == now))
    }

    /// Without a way to try them there is nothing to say.
    fn credentials(&self, now: Timestamp) -> Option<String> {
        let Some(Checked { at, standing, reason, .. }) = self.checked() else {
            self.settings.as_ref()?.credentials()?;
            return Some("not tried yet; `tracebell run` tries them".to_owned());
        };
        let tried = format!("{}, {}", ago(*at, now), when(*at));
        Some(match standing {
            Accepted::Yes => format!("accepted {tried}"),
            Accepted::No => format!("refused {tried}: {}", in_words(reason)),
            Accepted::Unknown => format!("not known; tried {tried}: {}", in_words(reason)),
        })
    }

    /// One word, for a column.
    fn word(&self, now: Timestamp) -> &'static str {
        match (&self.state.trouble, self.held(now)) {
            _ if self.paused().is_some() => "paused",
            (Some(_), _) => "failing",
            _ if self.unconfirmed().is_some() => "unconfirmed",
            (None, Some(_)) => "held",
            (None, None) => "working",
        }
    }

    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.held(now).filter(|_| self.state.ready > 0)
    }

    fn in_words(&self, now: Timestamp) -> String {
        let said = in_words(self.state.last_reason.as_deref().unwrap_or("no answer is known")).to_owned();
        let since = |trouble: &Trouble| format!("{}, {}", ago(trouble.since, now), when(trouble.since));
        match (&self.state.trouble, self.paused()) {
            (Some(trouble), Some(Pause { reason, fix })) => {
                format!("paused since {}: {reason}. What to do: {fix}.", since(trouble))
            }
            (Some(trouble), None) => {
                format!("failing since {}; {} attempts in a row: {said}.", since(trouble), self.state.failures)
            }
            (None, _) if self.unconfirmed().is_some() => self.unconfirmed().unwrap_or_default(),
            (None, _) => match self.held(now) {
                Some(until) => format!("asked to be left alone; goes on {}: {said}.", ago(until, now)),
                None => "working".to_owned(),
            },
        }
    }

    fn facts(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let state = &self.state;
        let mut facts = vec![("endpoint", state.endpoint.clone()), ("state", self.in_words(now))];
        let oldest = state.oldest.map_or_else(String::new, |oldest| format!(", the oldest made {}", ago(oldest, now)));
        facts.push(("waiting", format!("{}{oldest}", state.ready)));
        facts.push(("dead", state.dead.to_string()));
        facts.extend(self.next(now).map(|next| ("next try", ago(next, now))));
        facts.extend(self.credentials(now).map(|credentials| ("credentials", credentials)));
        facts.extend(state.overflow_at.map(|at| ("overflowed", ago(at, now))));
        if let Some(told) = state.trouble.as_ref().and_then(|trouble| trouble.told_at) {
            facts.push(("people told", ago(told, now)));
        }
        match &self.settings {
            None => facts.push(("", "not in the configuration, or the configuration has problems".to_owned())),
            Some(settings) => {
                facts.push(("rate", settings.rate.map_or_else(|| "no limit".to_owned(), rate)));
                facts.push(("at once", settings.concurrency.to_string()));
                facts.push(("gives up", format!("after {}", clock::in_words(settings.give_up_after))));
                facts.push(("fallback", settings.fallback.clone().unwrap_or_else(|| "none".to_owned())));
            }
        }
        facts
    }

    fn json(&self, now: Timestamp) -> Value {
        let (state, paused) = (&self.state, self.paused());
        json!({
            "endpoint": state.endpoint,
            "configured": self.settings.is_some(),
            "state": self.word(now),
            "in_words": self.in_words(now),
            "failing_since": state.trouble.as_ref().map(|trouble| trouble.since),
            "told_at": state.trouble.as_ref().and_then(|trouble| trouble.told_at),
            "reason": paused.map(|pause| &pause.reason),
            "fix": paused.map(|pause| &pause.fix),
            "failures": state.failures,
            "last_reason": state.last_reason,
            "waiting": state.ready,
            "oldest": state.oldest,
            "dead": state.dead,
            "hold_until": self.held(now),
            "credentials": self.checked().map(|checked| checked.standing.as_str()),
            "credentials_tried_at": self.checked().map(|checked| checked.at),
            "credentials_reason": self.checked().map(|checked| &checked.reason),
            "rate_per_minute": self.settings.as_ref().and_then(|settings| settings.rate).map(per_minute),
            "fallback": self.settings.as_ref().and_then(|settings| settings.fallback.as_ref()),
        })
    }
}

fn per_minute(rate: Rate) -> f64 {
    60.0 / rate.interval.as_secs_f64().max(f64::EPSILON)
}

fn rate(rate: Rate) -> String {
    format!("{:.0} a minute, {} at once", per_minute(rate), rate.burst)
}
