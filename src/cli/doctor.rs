//! `tracebell doctor`: what stands between this machine and a page of traces, and what to do about it.
//!
//! Exit 0 all good, 1 something here or in the account is wrong, 2 the configuration cannot be used, 3 the cloud
//! cannot be reached.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use serde_json::json;
use tokio::task::JoinSet;

use super::{BAD, CONFIG, OUTSIDE, Output, USAGE, check, past, terminal, tracker::visible};
use crate::{
    cloud::{auth::Credentials, clouds},
    config,
    source::doctor::{self, Step, Verdict},
};

/// Sources that are examined at once: most of the time goes by while the cloud is waited for.
const AT_ONCE: usize = 8;
/// Names that the last line tells.
const NAMED: usize = 10;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Entry of clouds.yaml; `OS_CLOUD` or the `OS_*` variables where there is no configuration either
    #[arg(long, value_name = "NAME")]
    cloud: Option<String>,
    /// Examine every source of this configuration (default: tracebell.yaml, if it is here)
    #[arg(long, short, value_name = "FILE", env = "TRACEBELL_CONFIG")]
    config: Option<PathBuf>,
    #[arg(long, short, default_value = "table")]
    output: Output,
}

/// One source, or the one cloud.
struct Patient {
    name: String,
    steps: Vec<Step>,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.filter(|_| args.cloud.is_none()).or_else(|| {
        let here = args.cloud.is_none() && Path::new(CONFIG).exists();
        here.then(|| PathBuf::from(CONFIG))
    });
    let patients = match config {
        Some(path) => {
            let mut loaded = config::load(&path);
            let Some(config) = loaded.config.take() else {
                check::print_problems(&loaded.problems, &loaded.files);
                anstream::eprintln!(
                    "help: `tracebell check` tells what is wrong; `--cloud NAME` needs no configuration"
                );
                return Ok(ExitCode::from(USAGE));
            };
            let all = config.sources.into_iter().map(|source| (format!("source {}", source.name), source.credentials));
            examine(all.collect(), args.output).await?
        }
        None => {
            let name = args.cloud.as_ref().map_or_else(|| "cloud".to_owned(), |cloud| format!("cloud {cloud}"));
            match clouds::credentials(args.cloud.as_deref()) {
                Ok(credentials) => examine(vec![(name, credentials)], args.output).await?,
                Err(reason) => vec![tell(Patient { name, steps: doctor::unusable(&reason) }, args.output)],
            }
        }
    };
    if args.output == Output::Table && patients.len() > 1 {
        say!("{}", summary(&patients));
    }
    if args.output == Output::Json {
        terminal::print_json(&patients.iter().map(object).collect::<Vec<_>>());
    }
    let has = |verdict| patients.iter().flat_map(|patient| &patient.steps).any(|step: &Step| step.verdict == verdict);
    Ok(match () {
        () if has(Verdict::Unusable) => ExitCode::from(USAGE),
        () if has(Verdict::Unreachable) => ExitCode::from(OUTSIDE),
        () if has(Verdict::Bad) => ExitCode::from(BAD),
        () => ExitCode::SUCCESS,
    })
}

/// Several at once, told in their order. The first one of a user comes before the others: whether a password is right
/// is found out by one login, and it should not be by chance whose.
async fn examine(all: Vec<(String, Credentials)>, output: Output) -> anyhow::Result<Vec<Patient>> {
    let bar = past::bar(all.len() as u64, "{spinner} examining {wide_bar} {pos} of {len}");
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut firsts = HashMap::new();
    let users = all.iter().map(|(_, credentials)| credentials.user()).enumerate();
    let mut waiting: VecDeque<(usize, usize)> =
        users.map(|(place, user)| (place, *firsts.entry(user).or_insert(place))).collect();
    let (mut underway, mut ahead, mut examined) = (JoinSet::new(), BTreeMap::new(), HashSet::new());
    let mut patients = Vec::new();
    loop {
        while underway.len() < AT_ONCE
            && let Some(at) = waiting.iter().position(|(place, first)| first == place || examined.contains(first))
            && let Some((place, _)) = waiting.remove(at)
        {
            let (name, credentials) = all[place].clone();
            underway.spawn(async move { (place, Patient { name, steps: doctor::examine(&credentials).await }) });
        }
        let Some(done) = underway.join_next().await else { break };
        let (place, patient) = done?;
        examined.insert(place);
        bar.inc(1);
        ahead.insert(place, patient);
        while let Some(next) = ahead.remove(&patients.len()) {
            patients.push(bar.suspend(|| tell(next, output)));
        }
    }
    bar.finish_and_clear();
    Ok(patients)
}

/// How many are well, and which are not.
fn summary(patients: &[Patient]) -> String {
    let is_well = |patient: &&Patient| {
        patient.steps.iter().all(|step| matches!(step.verdict, Verdict::Good | Verdict::Doubtful | Verdict::NotTried))
    };
    let ill: Vec<String> =
        patients.iter().filter(|patient| !is_well(patient)).map(|patient| visible(&patient.name)).collect();
    let well = format!("{} of {} are well", patients.len() - ill.len(), patients.len());
    let named = ill[..ill.len().min(NAMED)].join(", ");
    match ill.len() {
        0 => well,
        1..=NAMED => format!("{well}; not: {named}"),
        more => format!("{well}; not: {named}, and {} more", more - NAMED),
    }
}

/// As soon as it is its turn: the next source may take its time.
fn tell(patient: Patient, output: Output) -> Patient {
    if output == Output::Table {
        for line in lines(&patient, terminal::columns().unwrap_or(WIDTH)) {
            say!("{line}");
        }
    }
    patient
}

/// Where standard output is no terminal.
const WIDTH: usize = 100;
/// Narrower than this nothing is aligned any more.
const NARROWEST: usize = 40;

fn lines(patient: &Patient, width: usize) -> Vec<String> {
    let steps = together(&patient.steps);
    let names = steps.iter().map(|step| step.name.len()).max().unwrap_or_default();
    let indent = 2 + 2 + names + 2;
    let room = width.max(NARROWEST).saturating_sub(indent).max(20);
    let bold = Style::new().bold();
    let mut lines = vec![format!("{bold}{}{bold:#}", visible(&patient.name))];
    for step in &steps {
        let (mark, style) = mark(step.verdict);
        let text = if step.verdict == Verdict::NotTried { Style::new().dimmed() } else { Style::new() };
        for (at, line) in terminal::wrap(&visible(&step.found), room).into_iter().enumerate() {
            lines.push(match at {
                0 => format!("  {style}{mark}{style:#} {text}{:names$}  {line}{text:#}", step.name),
                _ => format!("{:indent$}{text}{line}{text:#}", ""),
            });
        }
        let fix = step.fix.as_deref().map(visible).unwrap_or_default();
        for (at, line) in terminal::wrap(&fix, room - 2).into_iter().enumerate().filter(|_| step.fix.is_some()) {
            lines.push(format!("{:indent$}{style}{}{style:#}{line}", "", if at == 0 { "→ " } else { "  " }));
        }
    }
    lines
}

/// Steps that were not tried for one reason share a line.
fn together(steps: &[Step]) -> Vec<Step> {
    let mut told: Vec<Step> = Vec::new();
    let mut rest: Vec<&Step> = Vec::new();
    for step in steps {
        if step.verdict == Verdict::NotTried { rest.push(step) } else { told.push(step.clone()) }
    }
    let mut reasons: Vec<&str> = rest.iter().map(|step| step.found.as_str()).collect();
    reasons.dedup();
    for reason in reasons {
        let names: Vec<&str> = rest.iter().filter(|step| step.found == reason).map(|step| step.name).collect();
        let why = reason.strip_prefix("not tried: ").unwrap_or(reason);
        let found = format!("{} ({why})", names.join(", "));
        told.push(Step { name: "not tried", verdict: Verdict::NotTried, found, fix: None });
    }
    told
}

fn mark(verdict: Verdict) -> (&'static str, Style) {
    match verdict {
        Verdict::Good => ("✓", AnsiColor::Green.on_default()),
        Verdict::Doubtful => ("!", AnsiColor::Yellow.on_default()),
        Verdict::Bad | Verdict::Unusable | Verdict::Unreachable => ("✗", AnsiColor::Red.on_default()),
        Verdict::NotTried => ("-", Style::new().dimmed()),
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Doubtful => "doubtful",
        Verdict::Bad => "bad",
        Verdict::Unusable => "unusable",
        Verdict::Unreachable => "unreachable",
        Verdict::NotTried => "not_tried",
    }
}

fn object(patient: &Patient) -> serde_json::Value {
    let step =
        |step: &Step| json!({ "step": step.name, "verdict": word(step.verdict), "found": step.found, "fix": step.fix });
    json!({ "name": patient.name, "steps": patient.steps.iter().map(step).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_is_not_overrun() {
        let step = |name, verdict, fix: Option<&str>| Step {
            name,
            verdict,
            found: "the certificate of `iam.example.org` is issued by `Corp CA`, whom this machine does not trust"
                .into(),
            fix: fix.map(str::to_owned),
        };
        let patient = Patient {
            name: "source prod".into(),
            steps: vec![
                step("configuration", Verdict::Good, None),
                step("TLS", Verdict::Unreachable, Some("give the PEM file of this CA as `cacert` in clouds.yaml")),
                step("login", Verdict::NotTried, None),
                step("traces", Verdict::NotTried, None),
            ],
        };
        for width in [40, 60, 100] {
            for line in lines(&patient, width) {
                let plain = anstream::adapter::strip_str(&line).to_string();
                assert!(plain.chars().count() <= width, "{width}: {plain}");
            }
        }
        let wide =
            lines(&patient, 200).iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect::<Vec<_>>();
        assert!(wide[1].starts_with("  ✓ configuration  the certificate"), "{wide:#?}");
        assert!(wide[3].starts_with("                   → give the PEM"), "{wide:#?}");
    }
}
