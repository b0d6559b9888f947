//! The documented limits of what a tracker may be asked for.

use serde_json::Value;

use super::{
    DATA, NAME, Wish,
    settings::{self, ALL, BUCKET, DATA_BUCKET, DATA_EVENTS, ENCRYPT, EXCLUDE, KMS_KEY, PREFIX, STATUS},
};
use crate::source::cts::Api;

/// Every documented limit that a wish breaks, before anything is sent. `api` is the version that was asked for.
pub fn problems(name: &str, wish: &Wish, api: Option<Api>) -> Vec<String> {
    let mut problems = Vec::new();
    name_problem(name, wish.kind.as_deref(), &mut problems);
    for (setting, what) in [(BUCKET, "bucket"), (DATA_BUCKET, "data bucket")] {
        if let Some(bucket) = text(wish, setting)
            && let Some(problem) = bucket_problem(bucket)
        {
            problems.push(format!("the {what} name `{bucket}` {problem}"));
        }
    }
    if let Some(prefix) = text(wish, PREFIX) {
        let length = prefix.chars().count();
        if length > 64 {
            problems.push(format!("the prefix has {length} characters; expected at most 64"));
        }
        if let Some(odd) = prefix.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.".contains(*c)) {
            problems.push(format!("the prefix holds `{odd}`; expected letters, digits, `-`, `_` and `.`"));
        }
    }
    if let Some(status) = text(wish, STATUS).filter(|status| !matches!(*status, "enabled" | "disabled")) {
        problems.push(format!("the status is `{status}`; expected `enabled` or `disabled`"));
    }
    if text(wish, KMS_KEY).is_some_and(|key| key.trim().is_empty()) {
        problems.push("the key id is empty; expected the id of a key of the Key Management Service".to_owned());
    }
    // An update may rely on the key that is there.
    let bare = wish.kind.is_some() && !wish.values.contains_key(KMS_KEY);
    if bare && wish.values.get(ENCRYPT) == Some(&Value::Bool(true)) {
        problems.push("encryption needs a key: give `--kms-key ID`".to_owned());
    }
    for service in list(wish, EXCLUDE).filter(|service| *service != "KMS") {
        problems.push(format!("`{service}` cannot be excluded; the cloud allows only `KMS`"));
    }
    of_data(wish, &mut problems);
    if let Some(api) = api {
        let unsaid =
            ALL.iter().filter(|setting| wish.values.contains_key(setting.name) && setting.place(api).is_none());
        let flags: Vec<String> = unsaid.map(|setting| format!("`--{}`", setting.name)).collect();
        if !flags.is_empty() {
            let (this, other) = if api == Api::V3 { ("v3", "v1") } else { ("v1", "v3") };
            let flags = flags.join(", ");
            problems.push(format!("{this} has no place for {flags}: leave it out, or use `--api {other}`"));
        }
    }
    problems
}

fn name_problem(name: &str, kind: Option<&str>, problems: &mut Vec<String>) {
    match kind {
        None | Some(NAME) if name == NAME => return,
        None | Some(NAME) => problems.push(format!("the name is `{name}`; the cloud allows only `{NAME}`")),
        Some(DATA) if name == NAME => {
            problems.push(format!("a data tracker may not be named `{NAME}`: give `--name NAME`"));
        }
        Some(DATA) => {}
        Some(other) => problems.push(format!("the type is `{other}`; expected `{NAME}` or `{DATA}`")),
    }
    let odd = name.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_".contains(*c));
    let length = name.chars().count();
    if !(1..=32).contains(&length) {
        problems.push(format!("the name has {length} characters; expected 1 to 32"));
    }
    if let Some(odd) = odd {
        problems.push(format!("the name holds `{odd}`; expected letters, digits, `-` and `_`"));
    } else if name.starts_with(['-', '_']) {
        problems.push(format!("the name begins with `{}`; expected a letter or a digit", &name[..1]));
    }
}

fn of_data(wish: &Wish, problems: &mut Vec<String>) {
    let (bucket, events) = (wish.values.get(DATA_BUCKET), wish.values.get(DATA_EVENTS));
    let is_data = wish.kind.as_deref() == Some(DATA);
    if is_data && (bucket.is_none() || events.is_none_or(settings::is_empty)) {
        problems.push("a data tracker needs `--data-bucket NAME` and `--data-event READ`, `WRITE` or both".to_owned());
    }
    if !is_data && (bucket.is_some() || events.is_some()) && wish.kind.is_some() {
        problems.push(format!("`--data-bucket` and `--data-event` belong to `--type {DATA}`"));
    }
    for event in list(wish, DATA_EVENTS).filter(|event| !matches!(*event, "READ" | "WRITE")) {
        problems.push(format!("the data operation is `{event}`; expected `READ` or `WRITE`"));
    }
}

fn text<'a>(wish: &'a Wish, setting: &str) -> Option<&'a str> {
    wish.values.get(setting).and_then(Value::as_str)
}

fn list<'a>(wish: &'a Wish, setting: &str) -> impl Iterator<Item = &'a str> {
    wish.values.get(setting).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn bucket_problem(bucket: &str) -> Option<String> {
    let length = bucket.chars().count();
    if !(3..=63).contains(&length) {
        return Some(format!("has {length} characters; expected 3 to 63"));
    }
    if let Some(odd) = bucket.chars().find(|c| !c.is_ascii_lowercase() && !c.is_ascii_digit() && !"-.".contains(*c)) {
        return Some(format!("holds `{odd}`; expected lowercase letters, digits, `-` and `.`"));
    }
    if bucket.starts_with(['-', '.']) {
        return Some("does not begin with a lowercase letter or a digit".to_owned());
    }
    if let Some(pair) = ["..", ".-", "-."].into_iter().find(|pair| bucket.contains(pair)) {
        return Some(format!("holds `{pair}`, which is not allowed"));
    }
    bucket.parse::<std::net::Ipv4Addr>().is_ok().then(|| "is an IP address, which is not allowed".to_owned())
}
