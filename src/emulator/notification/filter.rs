//! The filter of a notification: conditions such as `code != 200`, all or any of them.

use serde_json::{Value, json};

use super::super::answer::Refusal;

const MOST: usize = 6;
const FIELDS: [(&str, usize); 6] = [
    ("api_version", 64),
    ("code", 256),
    ("trace_rating", 8),
    ("trace_type", 13),
    ("resource_id", 350),
    ("resource_name", 256),
];

#[derive(Debug, Clone)]
pub struct Filter {
    any: bool,
    is_used: bool,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    field: String,
    equal: bool,
    value: String,
}

impl Filter {
    /// No code is documented for filters; the body is what is wrong.
    pub fn read(value: &Value) -> Result<Self, Refusal> {
        let wrong = |text: String| Refusal::bad_request("CTS.0003", text);
        let any = match value["condition"].as_str() {
            Some("AND") => false,
            Some("OR") => true,
            _ => return Err(wrong("filter.condition must be AND or OR.".to_owned())),
        };
        let is_used = value["is_support_filter"].as_bool();
        let is_used = is_used.ok_or_else(|| wrong("filter.is_support_filter must be a boolean.".to_owned()))?;
        let list = value["rule"].as_array().ok_or_else(|| wrong("filter.rule must be a list.".to_owned()))?;
        if list.len() > MOST {
            return Err(wrong(format!("filter.rule can hold {MOST} conditions.")));
        }
        let rule = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            Rule::read(text).ok_or_else(|| wrong(format!("filter.rule: {value} is no condition.")))
        };
        Ok(Self { any, is_used, rules: list.iter().map(rule).collect::<Result<_, _>>()? })
    }

    pub fn value(&self) -> Value {
        let rules: Vec<String> = self
            .rules
            .iter()
            .map(|rule| format!("{} {} {}", rule.field, if rule.equal { "=" } else { "!=" }, rule.value))
            .collect();
        json!({"condition": if self.any { "OR" } else { "AND" }, "is_support_filter": self.is_used, "rule": rules})
    }

    pub fn fits(&self, trace: &Value) -> bool {
        let mut fitting = self.rules.iter().map(|rule| rule.fits(trace));
        !self.is_used
            || self.rules.is_empty()
            || if self.any { fitting.any(|fits| fits) } else { fitting.all(|fits| fits) }
    }
}

impl Rule {
    /// Field, operator and value, one space between them; the value may hold more.
    fn read(text: &str) -> Option<Self> {
        let (field, rest) = text.split_once(' ')?;
        let (operator, value) = rest.split_once(' ')?;
        let (_, longest) = FIELDS.iter().find(|(known, _)| *known == field)?;
        let equal = match operator {
            "=" => true,
            "!=" => false,
            _ => return None,
        };
        let good = match field {
            "trace_rating" => ["normal", "warning", "incident"].contains(&value),
            "trace_type" => ["ConsoleAction", "ApiCall", "SystemAction"].contains(&value),
            "api_version" => value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)),
            _ => !value.starts_with(' '),
        };
        let fits = (1..=*longest).contains(&value.chars().count());
        (good && fits).then(|| Self { field: field.to_owned(), equal, value: value.to_owned() })
    }

    /// What a trace does not have differs from every value.
    fn fits(&self, trace: &Value) -> bool {
        let found = match &trace[&self.field] {
            Value::String(text) => text == &self.value,
            Value::Number(number) => number.to_string() == self.value,
            _ => false,
        };
        found == self.equal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_documented() {
        for good in [
            "code != 200",
            "trace_rating = incident",
            "resource_name = a b",
            "api_version = v3",
            "trace_type != ApiCall",
        ] {
            assert!(Rule::read(good).is_some(), "{good}");
        }
        let long = format!("api_version = {}", "v".repeat(65));
        for bad in [
            "code!=200",
            "code == 200",
            "code  != 200",
            "code !=  200",
            "code !=",
            "user = alice",
            "trace_rating = bad",
            "trace_type = Others",
            "api_version = v 3",
            "",
            &long,
        ] {
            assert_eq!(Rule::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn conditions_are_joined() {
        let fits = |condition: &str, used: bool, rules: &[&str]| {
            let trace = json!({"code": "403", "trace_rating": "warning", "resource_name": "x"});
            let filter = json!({"condition": condition, "is_support_filter": used, "rule": rules});
            Filter::read(&filter).unwrap().fits(&trace)
        };
        assert!(fits("AND", true, &["code != 200", "trace_rating = warning"]));
        assert!(!fits("AND", true, &["code != 200", "trace_rating = incident"]));
        assert!(fits("OR", true, &["code = 200", "trace_rating = warning"]));
        assert!(!fits("OR", true, &["code = 200", "trace_rating = normal"]));
        assert!(fits("AND", false, &["code = 200"]));
        assert!(fits("AND", true, &["api_version != v3"]) && !fits("AND", true, &["api_version = v3"]));
        let seven = json!({"condition": "OR", "is_support_filter": true, "rule": vec!["code = 1"; 7]});
        assert!(Filter::read(&seven).is_err());
        assert!(Filter::read(&json!({"condition": "XOR", "is_support_filter": true, "rule": []})).is_err());
    }
}
