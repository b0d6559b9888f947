//! Fields of other clouds' audit logs and the fields of a trace they stand for.

use super::{
    operations::{self, Cloud},
    selection::{Item, Selection, Value},
    term::{Check, Notes, Term, Test},
    values::Pattern,
};
use crate::trace::Field;

/// What a field of another cloud stands for.
enum Target {
    Operation,
    Service,
    /// Success or failure, in one of many words.
    Outcome,
    /// A code that is there only when something failed.
    ErrorCode,
    /// `userIdentity.type`
    ActorType,
    /// `eventType`
    TraceType,
    Field(Field),
    /// Carried, but it need not mean the same.
    Guess(Field),
    Unknown,
}

type FieldRow = (Cloud, &'static str, fn() -> Target);
type BodyRow = (Cloud, &'static str, fn(Vec<String>) -> Field);

/// Fields of a cloud, by their names in lower case; the last part alone is looked up too.
const FIELDS: &[FieldRow] = &[
    (Cloud::Aws, "eventname", || Target::Operation),
    (Cloud::Aws, "eventsource", || Target::Service),
    (Cloud::Aws, "errorcode", || Target::ErrorCode),
    (Cloud::Aws, "errormessage", || Target::ErrorCode),
    (Cloud::Aws, "status", || Target::Outcome),
    (Cloud::Aws, "responseelements.consolelogin", || Target::Outcome),
    (Cloud::Aws, "useridentity.type", || Target::ActorType),
    (Cloud::Aws, "eventtype", || Target::TraceType),
    (Cloud::Aws, "useridentity.username", || Target::Field(Field::ActorName)),
    (Cloud::Aws, "useridentity.principalid", || Target::Guess(Field::ActorId)),
    (Cloud::Aws, "useridentity.arn", || Target::Guess(Field::ActorName)),
    (Cloud::Aws, "sourceipaddress", || Target::Field(Field::SourceIp)),
    (Cloud::Aws, "awsregion", || Target::Guess(Field::Region)),
    (Cloud::Azure, "operationname", || Target::Operation),
    (Cloud::Azure, "operationnamevalue", || Target::Operation),
    (Cloud::Azure, "properties.message", || Target::Operation),
    (Cloud::Azure, "activitydisplayname", || Target::Operation),
    (Cloud::Azure, "operation", || Target::Operation),
    (Cloud::Azure, "eventname", || Target::Operation),
    (Cloud::Azure, "eventsource", || Target::Service),
    (Cloud::Azure, "workload", || Target::Service),
    (Cloud::Azure, "status", || Target::Outcome),
    (Cloud::Azure, "properties.status", || Target::Outcome),
    (Cloud::Azure, "result", || Target::Outcome),
    (Cloud::Azure, "resulttype", || Target::Outcome),
    (Cloud::Azure, "activitystatusvalue", || Target::Outcome),
    (Cloud::Azure, "caller", || Target::Field(Field::ActorName)),
    (Cloud::Azure, "userprincipalname", || Target::Field(Field::ActorName)),
    (Cloud::Azure, "initiatedby.user.userprincipalname", || Target::Field(Field::ActorName)),
    (Cloud::Azure, "initiatedby", || Target::Guess(Field::ActorName)),
    (Cloud::Azure, "username", || Target::Field(Field::ActorName)),
    (Cloud::Azure, "calleripaddress", || Target::Field(Field::SourceIp)),
    (Cloud::Azure, "ipaddress", || Target::Field(Field::SourceIp)),
    (Cloud::Azure, "location", || Target::Unknown),
    (Cloud::Gcp, "gcp.audit.method_name", || Target::Operation),
    (Cloud::Gcp, "methodname", || Target::Operation),
    (Cloud::Gcp, "gcp.audit.service_name", || Target::Service),
    (Cloud::Gcp, "servicename", || Target::Service),
    (Cloud::Gcp, "principalemail", || Target::Field(Field::ActorName)),
    (Cloud::Gcp, "principal_email", || Target::Field(Field::ActorName)),
    (Cloud::Gcp, "callerip", || Target::Field(Field::SourceIp)),
    (Cloud::Gcp, "caller_ip", || Target::Field(Field::SourceIp)),
];

/// Prefixes below which the body of a request or an answer stands.
const BODIES: &[BodyRow] = &[
    (Cloud::Aws, "requestparameters.", Field::Request),
    (Cloud::Aws, "responseelements.", Field::Response),
    (Cloud::Gcp, "gcp.audit.request.", Field::Request),
    (Cloud::Gcp, "gcp.audit.response.", Field::Response),
    (Cloud::Gcp, "data.protopayload.request.", Field::Request),
    (Cloud::Gcp, "data.protopayload.response.", Field::Response),
];

fn target(cloud: Cloud, name: &str) -> Target {
    let lower = name.to_ascii_lowercase();
    let find = |name: &str| FIELDS.iter().find(|(of, known, _)| *of == cloud && *known == name).map(|(.., to)| to());
    if let Some(found) = find(&lower) {
        return found;
    }
    for (of, prefix, body) in BODIES {
        if *of == cloud && Some(lower.as_str()) == prefix.strip_suffix('.') {
            return Target::Guess(body(Vec::new()));
        }
        if *of == cloud && lower.starts_with(prefix) && lower.len() > prefix.len() {
            return Target::Guess(body(name[prefix.len()..].split('.').map(str::to_owned).collect()));
        }
    }
    // `data.protoPayload.methodName`, `protoPayload.authenticationInfo.principalEmail`
    let last = lower.rsplit('.').next().unwrap_or_default();
    if cloud == Cloud::Gcp { find(last).unwrap_or(Target::Unknown) } else { Target::Unknown }
}

/// The field of a trace to count or group by.
pub fn group_by(cloud: Cloud, name: &str) -> Option<Field> {
    match target(cloud, name) {
        Target::Operation => Some(Field::Operation),
        Target::Service => Some(Field::Service),
        Target::Field(field) => Some(field),
        // A full name or a short one: who is the same stays the same.
        Target::Guess(field @ Field::ActorName) => Some(field),
        _ => None,
    }
}

pub fn selection(cloud: Cloud, selection: &Selection, notes: &mut Notes) -> Term {
    match selection {
        Selection::All(parts) => all(cloud, parts, notes),
        Selection::Any(parts) => Term::any(parts.iter().map(|part| self::selection(cloud, part, notes)).collect()),
        Selection::Item(item) => self::item(cloud, item, notes),
        Selection::Keywords(patterns, line) => {
            // Azure's rules often list operations without saying where they stand.
            let names =
                |pattern: &Pattern| pattern.literal().is_some_and(|text| text.to_lowercase().starts_with("microsoft."));
            if cloud != Cloud::Azure || !patterns.iter().all(names) {
                return notes.lost(super::selection::keywords(*line));
            }
            let term = operations::operations(cloud, &[patterns.iter().collect()], *line, notes);
            if !term.is_never() {
                notes.guess(format!("line {line}: keywords as the names of operations"));
            }
            term
        }
    }
}

/// A map. What starts with one text and ends with another is one operation, so both are asked at once.
fn all(cloud: Cloud, parts: &[Selection], notes: &mut Notes) -> Term {
    let name = |part: &&Selection| match part {
        Selection::Item(item) => {
            let patterns = item.values.iter().all(|value| matches!(value, Value::Pattern(_)));
            patterns && !item.all && matches!(target(cloud, &item.field), Target::Operation)
        }
        _ => false,
    };
    let named: Vec<&Selection> = parts.iter().filter(name).collect();
    let mut terms = Vec::new();
    if let [Selection::Item(first), _, ..] = named.as_slice() {
        let groups: Vec<Vec<&Pattern>> = named.iter().map(|part| patterns(part)).collect();
        terms.push(operations::operations(cloud, &groups, first.line, notes));
        let others = parts.iter().filter(|part| !name(part));
        terms.extend(others.map(|part| selection(cloud, part, notes)));
    } else {
        terms.extend(parts.iter().map(|part| selection(cloud, part, notes)));
    }
    Term::all(terms)
}

fn patterns(part: &Selection) -> Vec<&Pattern> {
    match part {
        Selection::Item(item) => {
            item.values.iter().filter_map(|value| if let Value::Pattern(p) = value { Some(p) } else { None }).collect()
        }
        _ => Vec::new(),
    }
}

fn item(cloud: Cloud, item: &Item, notes: &mut Notes) -> Term {
    let (name, line) = (&item.field, item.line);
    let patterns: Vec<&Pattern> =
        item.values.iter().filter_map(|value| if let Value::Pattern(p) = value { Some(p) } else { None }).collect();
    let whole = patterns.len() == item.values.len() && !item.all;
    match target(cloud, name) {
        Target::Operation if whole => operations::operations(cloud, &[patterns], line, notes),
        Target::Operation if patterns.len() == item.values.len() => {
            let groups: Vec<Vec<&Pattern>> = patterns.into_iter().map(|pattern| vec![pattern]).collect();
            operations::operations(cloud, &groups, line, notes)
        }
        Target::Service if whole => operations::services(cloud, &patterns, line, notes),
        Target::Operation | Target::Service => {
            notes.lost(format!("line {line}: `{name}` is carried by name only, not by expressions"))
        }
        Target::Outcome => any(item, |value| outcome(name, value, line, notes)),
        Target::ErrorCode => any(item, |value| error_code(name, value, line, notes)),
        Target::ActorType => any(item, |value| actor_type(value, line, notes)),
        Target::TraceType => any(item, |value| trace_type(value, line, notes)),
        Target::Field(field) => values(&field, item, notes),
        Target::Guess(field) => {
            let term = values(&field, item, notes);
            if !term.is_never() {
                notes.guess(format!("line {line}: `{name}` as `{}`, which need not hold the same", field.name()));
            }
            term
        }
        Target::Unknown => notes.lost(format!("line {line}: a trace has no counterpart of the field `{name}`")),
    }
}

fn any(item: &Item, mut read: impl FnMut(&Value) -> Term) -> Term {
    let parts = item.values.iter().map(&mut read).collect();
    if item.all { Term::all(parts) } else { Term::any(parts) }
}

fn is(field: Field, word: &str) -> Term {
    Term::Test(Test { field, check: Check::Is(vec![word.to_owned()]), example: Some(word.to_owned()) })
}

fn failed() -> Term {
    let words = vec!["failed".to_owned(), "incident".to_owned()];
    Term::Test(Test { field: Field::Outcome, check: Check::Is(words), example: Some("failed".into()) })
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::Pattern(pattern) => pattern.literal().map(str::to_lowercase),
        _ => None,
    }
}

fn outcome(name: &str, value: &Value, line: usize, notes: &mut Notes) -> Term {
    match word(value).as_deref() {
        Some("success" | "succeeded" | "ok" | "0" | "accepted") => is(Field::Outcome, "succeeded"),
        Some("failure" | "failed" | "fail") => failed(),
        _ => notes
            .lost(format!("line {line}: this value of `{name}` has no counterpart: outcomes are succeeded or failed")),
    }
}

fn error_code(name: &str, value: &Value, line: usize, notes: &mut Notes) -> Term {
    match (value, word(value).as_deref()) {
        (Value::Null | Value::Exists(false), _) | (_, Some("success" | "null" | "")) => is(Field::Outcome, "succeeded"),
        (Value::Exists(true), _) => failed(),
        (Value::Pattern(pattern), _) if pattern.is_anything() => failed(),
        (_, Some("failed authentication")) => failed(),
        (
            _,
            Some("accessdenied" | "client.unauthorizedoperation" | "accessdeniedexception" | "unauthorizedoperation"),
        ) => {
            notes.guess(format!("line {line}: denied access (`{name}`) as `code: 403`"));
            is(Field::Code, "403")
        }
        _ => notes.lost(format!("line {line}: the values of `{name}` are that cloud's own")),
    }
}

fn trace_type(value: &Value, line: usize, notes: &mut Notes) -> Term {
    match word(value).as_deref() {
        Some("awsconsolesignin") => operations::logins(),
        Some("awsserviceevent") => {
            notes.guess(format!("line {line}: what a service did on its own as `actor.kind: system`"));
            is(Field::ActorKind, "system")
        }
        _ => notes.lost(format!("line {line}: this `eventType` has no counterpart")),
    }
}

fn actor_type(value: &Value, line: usize, notes: &mut Notes) -> Term {
    match word(value).as_deref() {
        Some("root") => is(Field::ActorKind, "account_owner"),
        Some("iamuser") => is(Field::ActorKind, "user"),
        Some("assumedrole" | "role") => is(Field::ActorKind, "agency"),
        Some("federateduser" | "samluser" | "webidentityuser") => is(Field::ActorKind, "federated"),
        Some("awsservice") => is(Field::ActorKind, "system"),
        _ => notes.lost(format!("line {line}: this kind of identity has no counterpart")),
    }
}

/// Values held against a field of a trace. Plain words are gathered into one list.
fn values(field: &Field, item: &Item, notes: &mut Notes) -> Term {
    let (mut words, mut parts) = (Vec::new(), Vec::new());
    let test = |check, example| Term::Test(Test { field: field.clone(), check, example });
    for value in &item.values {
        match value {
            Value::Null => parts.push(test(Check::Exists(false), None)),
            Value::Exists(expected) => parts.push(test(Check::Exists(*expected), expected.then(|| "x".to_owned()))),
            Value::Pattern(pattern) if pattern.is_anything() => parts.push(test(Check::Exists(true), Some("x".into()))),
            Value::Pattern(pattern) if pattern.literal() == Some("") => parts.push(test(Check::Exists(false), None)),
            Value::Pattern(pattern) => {
                match pattern.glob().filter(|_| !case_matters(field) || !pattern.has_letters()) {
                    Some(glob) if !item.all => words.push((glob, pattern.example())),
                    Some(glob) => parts.push(test(Check::Is(vec![glob]), Some(pattern.example()))),
                    None => parts.push(test(Check::Operator("regex", vec![pattern.regex()]), Some(pattern.example()))),
                }
            }
            Value::Regex(pattern) => {
                if field.ignores_case() && !pattern.starts_with("(?i") {
                    let text = "an expression that looks at upper and lower case";
                    notes.guess(format!("line {}: {text}: `{}` is compared without", item.line, field.name()));
                }
                parts.push(test(Check::Operator("regex", vec![pattern.clone()]), None));
            }
            Value::Cidr(network) => {
                let example = network.split('/').next().map(str::to_owned);
                parts.push(test(Check::Operator("cidr", vec![network.clone()]), example));
            }
            Value::Compare(order, bound) => {
                parts.push(test(Check::Operator(order, vec![bound.clone()]), beyond(order, bound)));
            }
        }
    }
    if let Some((_, example)) = words.first().cloned() {
        parts.insert(0, test(Check::Is(words.into_iter().map(|(glob, _)| glob).collect()), Some(example)));
    }
    if item.all { Term::all(parts) } else { Term::any(parts) }
}

fn beyond(order: &str, bound: &str) -> Option<String> {
    let number: f64 = bound.parse().ok()?;
    let step = match order {
        "gt" => 1.0,
        "lt" => -1.0,
        _ => 0.0,
    };
    Some((number + step).to_string())
}

/// Sigma compares without regard to case; fields whose values people choose need an expression for it.
fn case_matters(field: &Field) -> bool {
    matches!(
        field,
        Field::ResourceName
            | Field::ResourceType
            | Field::ActorDomain
            | Field::Message
            | Field::Request(_)
            | Field::Response(_)
    )
}
