//! Trouble on demand: which, how often, for which requests.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The answer comes so much later.
    LatencyMs(u64),
    /// 429; `retry_after` is the header's text, seconds or a date.
    Throttle {
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// Any other status, with the error body of CTS.
    Status(u16),
    /// This documented error, such as `SMN.0016`, with its status and words.
    Code(String),
    /// The connection is cut in the middle of the body.
    Reset,
    /// Status 200 and the first half of the JSON.
    Truncate,
    /// Status 200 and a page of HTML, as a proxy's login page.
    Html,
    /// The `Date` header is off by so much.
    DateSeconds(i64),
    /// Every token expires just before the request is looked at.
    ExpireTokens,
    /// Trace lists ignore `next` and always give a marker.
    MarkerLoop,
    /// Trace lists give the trace of `next` again, and their first one twice.
    Duplicates,
    /// Traces stored from now on can be read only so much later, under their
    /// old record time; `times` counts traces.
    LateMs(i64),
    /// Every trace of a page has an unusual shape.
    Odd(Shape),
    /// A good page holds one element that cannot be read.
    Broken(Break),
    /// A page begins with a trace of about this many bytes.
    HugeTrace(usize),
}

/// Shapes that were seen in the wild or in the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The user as JSON inside a string.
    UserText,
    NoUser,
    CodeNumber,
    TimesText,
    /// The record time in nanoseconds.
    TimesNano,
    RequestObject,
    /// `trace_status` in place of `trace_rating`.
    StatusOnly,
}

/// Elements that many decoders choke on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Break {
    LoneSurrogate,
    HugeNumber,
    BareNumber,
    Null,
    NoId,
}

/// A fault and when it strikes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub fault: Fault,
    /// How many requests it hits; none: until cleared.
    #[serde(default)]
    pub times: Option<u32>,
    /// How many requests it lets pass first.
    #[serde(default)]
    pub skip: u32,
    /// A part of the path, such as `/traces`; empty: every request.
    #[serde(default)]
    pub path: String,
}

impl Plan {
    pub fn new(fault: Fault) -> Self {
        Self { fault, times: None, skip: 0, path: String::new() }
    }

    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    pub fn skip(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    pub fn path(self, part: &str) -> Self {
        Self { path: part.to_owned(), ..self }
    }

    /// Counts one occasion down; whether the fault strikes.
    fn strike(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        match &mut self.times {
            None => true,
            Some(0) => false,
            Some(times) => {
                *times -= 1;
                true
            }
        }
    }
}

/// Faults of a trace list, carried from the door to the list.
#[derive(Debug, Clone, Default)]
pub struct PageFaults(pub Vec<Fault>);

#[derive(Debug, Default)]
pub struct Faults(Vec<Plan>);

impl Faults {
    pub fn plan(&mut self, plan: Plan) {
        self.0.push(plan);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn planned(&self) -> &[Plan] {
        &self.0
    }

    /// The faults that strike a request now.
    pub fn hits(&mut self, path: &str) -> Vec<Fault> {
        let is_list = path.ends_with("/trace") || path.ends_with("/traces");
        let hits = self
            .0
            .iter_mut()
            .filter(|plan| path.contains(&plan.path) && plan.fault.concerns(is_list))
            .filter_map(|plan| plan.strike().then(|| plan.fault.clone()))
            .collect();
        self.0.retain(|plan| plan.times != Some(0));
        hits
    }

    /// By how much the trace that is being stored comes late.
    pub fn lateness(&mut self) -> Option<i64> {
        let mut late = None;
        for plan in &mut self.0 {
            if let Fault::LateMs(by) = plan.fault
                && plan.strike()
            {
                late = late.max(Some(by));
            }
        }
        self.0.retain(|plan| plan.times != Some(0));
        late
    }
}

impl Fault {
    /// Faults inside a page wait for a trace list, late traces for a trace.
    fn concerns(&self, is_list: bool) -> bool {
        match self {
            Self::LateMs(_) => false,
            other => is_list || !other.is_of_page(),
        }
    }

    pub fn is_of_page(&self) -> bool {
        matches!(self, Self::MarkerLoop | Self::Duplicates | Self::Odd(_) | Self::Broken(_) | Self::HugeTrace(_))
    }

    /// Changes the elements of a page, each the JSON text of a trace.
    pub fn change_page(&self, elements: &mut Vec<String>, now: i64) {
        match self {
            Self::Odd(shape) => elements.iter_mut().for_each(|text| shape.apply(text)),
            Self::Broken(kind) => elements.insert(elements.len() / 2, kind.text(now)),
            Self::HugeTrace(bytes) => elements.insert(0, huge(*bytes, now)),
            Self::Duplicates => elements.extend(elements.first().cloned()),
            _ => {}
        }
    }
}

impl Shape {
    fn apply(self, text: &mut String) {
        let Ok(Value::Object(mut trace)) = serde_json::from_str(text) else { return };
        match self {
            Self::UserText => {
                if let Some(user) = trace.get_mut("user").filter(|user| user.is_object()) {
                    *user = Value::String(user.to_string());
                }
            }
            Self::NoUser => {
                trace.remove("user");
            }
            Self::CodeNumber => {
                if let Some(code) = trace.get("code").and_then(Value::as_str).and_then(|code| code.parse::<i64>().ok())
                {
                    trace.insert("code".to_owned(), code.into());
                }
            }
            Self::TimesText => {
                for key in ["time", "record_time"] {
                    if let Some(time) = trace.get_mut(key).filter(|time| time.is_number()) {
                        *time = Value::String(time.to_string());
                    }
                }
            }
            Self::TimesNano => {
                if let Some(time) = trace.get("record_time").and_then(Value::as_i64) {
                    trace.insert("record_time".to_owned(), (time * 1_000_000).into());
                }
            }
            Self::RequestObject => {
                let request = trace.get("request").and_then(Value::as_str).map(serde_json::from_str::<Value>);
                let request = request.and_then(Result::ok).unwrap_or_else(|| json!({}));
                trace.insert("request".to_owned(), request);
            }
            Self::StatusOnly => {
                if let Some(rating) = trace.remove("trace_rating") {
                    trace.insert("trace_status".to_owned(), rating);
                }
            }
        }
        *text = Value::Object(trace).to_string();
    }
}

impl Break {
    fn text(self, now: i64) -> String {
        let around = |id: &str, field: &str| {
            format!(
                r#"{{"trace_id":"{id}","time":{now},"record_time":{now},"trace_name":"deleteServer","trace_rating":"warning","service_type":"ECS",{field}}}"#
            )
        };
        match self {
            Self::LoneSurrogate => around("00000000-bad0-11f0-8000-000000000001", r#""resource_name":"\ud800""#),
            Self::HugeNumber => around("00000000-bad0-11f0-8000-000000000002", r#""code":1e999"#),
            Self::BareNumber => "17".to_owned(),
            Self::Null => "null".to_owned(),
            Self::NoId => format!(r#"{{"time":{now},"record_time":{now},"trace_name":"deleteServer"}}"#),
        }
    }
}

fn huge(bytes: usize, now: i64) -> String {
    json!({
        "trace_id": "00000000-b160-11f0-8000-000000000001", "time": now, "record_time": now,
        "trace_name": "updateConfigmaps", "trace_rating": "normal", "trace_type": "ApiCall", "service_type": "CCE",
        "resource_type": "Kubernetes resource", "resource_name": "huge", "resource_id": "huge",
        "source_ip": "192.0.2.20", "code": "200", "request": "x".repeat(bytes), "response": "",
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_strike_as_often_as_planned() {
        let mut faults = Faults::default();
        faults.plan(Plan::new(Fault::Status(503)).times(2).skip(1).path("/traces"));
        faults.plan(Plan::new(Fault::MarkerLoop));
        let mut hits = |path| faults.hits(path).len();
        assert_eq!([hits("/v3/auth/tokens"), hits("/v3/p/traces"), hits("/v3/p/traces")], [0, 1, 2]);
        assert_eq!([hits("/v3/p/traces"), hits("/v3/p/traces")], [2, 1]);
    }

    #[test]
    fn plans_read_as_documented() {
        for text in [
            r#"{"fault": {"latency_ms": 200}, "times": 3, "skip": 1, "path": "/traces"}"#,
            r#"{"fault": {"throttle": {"retry_after": "2"}}}"#,
            r#"{"fault": {"status": 503}}"#,
            r#"{"fault": {"code": "CTS.0004"}}"#,
            r#"{"fault": "reset"}"#,
            r#"{"fault": "expire_tokens"}"#,
            r#"{"fault": {"late_ms": 5000}}"#,
            r#"{"fault": {"date_seconds": -300}}"#,
            r#"{"fault": {"odd": "user_text"}}"#,
            r#"{"fault": {"broken": "lone_surrogate"}}"#,
            r#"{"fault": {"huge_trace": 20000000}}"#,
        ] {
            serde_json::from_str::<Plan>(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        assert!(serde_json::from_str::<Plan>(r#"{"fault": "reset", "time": 3}"#).is_err());
    }

    #[test]
    fn shapes_change_what_they_name() {
        let good = json!({"user": {"name": "a"}, "code": "204", "time": 1, "record_time": 2,
                          "request": "{\"a\":1}", "trace_rating": "normal"});
        let check = |shape: Shape, key: &str, expected: Value| {
            let mut text = good.to_string();
            shape.apply(&mut text);
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap()[key], expected, "{shape:?}");
        };
        check(Shape::UserText, "user", json!("{\"name\":\"a\"}"));
        check(Shape::NoUser, "user", Value::Null);
        check(Shape::CodeNumber, "code", json!(204));
        check(Shape::TimesText, "time", json!("1"));
        check(Shape::TimesNano, "record_time", json!(2_000_000));
        check(Shape::RequestObject, "request", json!({"a": 1}));
        check(Shape::StatusOnly, "trace_status", json!("normal"));
    }
}
