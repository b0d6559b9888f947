//! Records for programs: JSON, and CSV that a spreadsheet neither misreads nor runs.
//!
//! Nothing of the cloud's text that a terminal would obey is written as it came: JSON escapes it, which is the
//! same value for a program; a cell of CSV, which has no escapes, shows it as `\u{1b}`. Tabs and ends of lines stay,
//! in quotes. Whoever needs the exact text takes JSON.

use serde_json::Value;

use crate::{cli::escape, source::Record};

/// How traces are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Written {
    /// One list
    Json,
    /// One object a line
    Ndjson,
    /// RFC 4180, one trace a line; what a spreadsheet would run as a formula is quoted with `'`
    Csv,
}

/// Columns of CSV, by the names of the fields in rules.
const COLUMNS: [&str; 23] = [
    "time",
    "record_time",
    "rating",
    "service",
    "operation",
    "actor.name",
    "actor.id",
    "actor.domain",
    "resource.type",
    "resource.name",
    "resource.id",
    "source_ip",
    "code",
    "trace_type",
    "api_version",
    "project.id",
    "project.name",
    "region",
    "id",
    "request",
    "response",
    "message",
    "other",
];

impl Written {
    /// What stands before the first record.
    pub fn head(self) -> String {
        match self {
            Self::Json => "[\n".to_owned(),
            Self::Ndjson => String::new(),
            Self::Csv => line(COLUMNS.map(str::to_owned).into_iter()),
        }
    }

    /// One record; `first` if none stands before it.
    pub fn record(self, record: &Record, first: bool, out: &mut String) {
        match self {
            Self::Json => {
                out.push_str(if first { "" } else { ",\n" });
                out.push_str(&escape::json(&object(record).to_string()));
            }
            Self::Ndjson => {
                out.push_str(&escape::json(&object(record).to_string()));
                out.push('\n');
            }
            Self::Csv => out.push_str(&row(record)),
        }
    }

    /// What stands behind the last record.
    pub fn foot(self, empty: bool) -> &'static str {
        match self {
            Self::Json if empty => "]\n",
            Self::Json => "\n]\n",
            Self::Ndjson | Self::Csv => "",
        }
    }
}

/// A record as one object; one that cannot be decoded as it came.
pub fn object(record: &Record) -> Value {
    match record {
        Record::Trace(trace) => serde_json::to_value(trace.as_ref()).expect("a trace can be written as JSON"),
        Record::Undecodable { id, raw, reason } => serde_json::json!({ "id": id, "undecodable": reason, "raw": raw }),
    }
}

fn row(record: &Record) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = match record {
        Record::Trace(trace) => [
            trace.time.to_string(),
            trace.record_time.to_string(),
            trace.rating.as_str().to_owned(),
            trace.service.clone(),
            trace.operation.clone(),
            text(&trace.actor.name),
            text(&trace.actor.id),
            text(&trace.actor.domain),
            text(&trace.resource.kind),
            text(&trace.resource.name),
            text(&trace.resource.id),
            text(&trace.source_ip),
            text(&trace.code),
            text(&trace.trace_type),
            text(&trace.api_version),
            text(&trace.project_id),
            text(&trace.project_name),
            text(&trace.region),
            trace.id.clone(),
            text(&trace.request),
            text(&trace.response),
            text(&trace.message),
            if trace.extra.is_empty() { String::new() } else { Value::Object(trace.extra.clone()).to_string() },
        ],
        Record::Undecodable { id, raw, reason } => {
            let mut cells = [const { String::new() }; COLUMNS.len()];
            let [.., kept, _, _, message, other] = &mut cells;
            kept.clone_from(id);
            *message = format!("could not be decoded: {reason}");
            other.clone_from(raw);
            cells
        }
    };
    line(cells.into_iter())
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let mut line = cells.map(|cell| quoted(&cell)).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

/// A cell of CSV. `;` is quoted too: in half of Europe it parts the cells.
fn quoted(cell: &str) -> String {
    let cell = as_text(&shown(cell));
    let quoted = cell.contains(['"', ',', ';', '\t', '\n', '\r']);
    if quoted { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

/// Without what a terminal would obey; ends of lines are left, a bare return is none.
fn shown(cell: &str) -> String {
    let mut shown = String::with_capacity(cell.len());
    let mut letters = cell.chars().peekable();
    while let Some(letter) = letters.next() {
        let stays = matches!(letter, '\t' | '\n') || letter == '\r' && letters.peek() == Some(&'\n');
        if escape::is_obeyed(letter) && !stays { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    shown
}

/// A spreadsheet takes some first letters for a formula, in full width too, also behind blanks and inside quotes.
/// One that parts cells at something other than the comma begins anew behind it, in spite of the quotes.
fn as_text(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut rest = cell;
    loop {
        let end = rest.find([';', '\t', '\n']).map_or(rest.len(), |at| at + 1);
        if rest.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
            text.push('\'');
        }
        text.push_str(&rest[..end]);
        rest = &rest[end..];
        if rest.is_empty() {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::trace::Trace;

    #[test]
    fn cells_are_quoted_and_no_formula_survives() {
        for (cell, expected) in [
            ("alice", "alice"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("a;b", "\"a;b\""),
            ("a\tb", "\"a\tb\""),
            ("=cmd()", "'=cmd()"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝cmd()", "'＝cmd()"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠SUM(A1)", "'＠SUM(A1)"),
            ("  =1", "'  =1"),
            ("\u{a0}\u{3000}=1", "'\u{a0}\u{3000}=1"),
            ("=1,2", "\"'=1,2\""),
            // Another parter of cells, or another line, begins a cell of its own.
            ("a; =1", "\"a;' =1\""),
            ("a\n=1", "\"a\n'=1\""),
            ("a;b-c", "\"a;b-c\""),
            // Where several begin at the same letter each is held back.
            ("\t=1", "\"'\t'=1\""),
            ("\n=1", "\"'\n'=1\""),
            // What a terminal would obey is shown.
            ("a\0b", "a\\u{0}b"),
            ("\0=1", "\\u{0}=1"),
            ("\r=1", "\\r=1"),
            ("\u{1b}[2J\u{9b}1m\u{7f}", "\\u{1b}[2J\\u{9b}1m\\u{7f}"),
            ("a\u{202e}b\u{2066}\u{61c}\u{200f}", "a\\u{202e}b\\u{2066}\\u{61c}\\u{200f}"),
            ("Zoë 李", "Zoë 李"),
        ] {
            assert_eq!(quoted(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_written_and_programs_read_the_same() {
        let nasty = "\u{1b}]0;x\u{7}\u{9b}2J\u{7f}\u{85}\u{202e}\u{2066}\u{200e}\u{61c}";
        let mut trace = Trace::blank("t1", "2026-01-15T08:30:00Z".parse().unwrap());
        trace.actor.name = Some(nasty.to_owned());
        trace.request = Some(format!("{{\"a\":\"{nasty}\"}}"));
        trace.extra.insert(nasty.to_owned(), nasty.into());
        let trace = Record::Trace(Arc::new(trace));
        let bad = Record::Undecodable { id: "fp-1".into(), raw: nasty.into(), reason: nasty.into() };
        for written in [Written::Json, Written::Ndjson, Written::Csv] {
            let mut out = written.head();
            written.record(&trace, true, &mut out);
            written.record(&bad, false, &mut out);
            out.push_str(written.foot(false));
            let obeyed = |char: char| escape::is_obeyed(char) && !matches!(char, '\n' | '\r');
            assert!(!out.contains(obeyed), "{written:?}: {out:?}");
            let read: Vec<Value> = match written {
                Written::Json => serde_json::from_str(&out).unwrap(),
                Written::Ndjson => out.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
                Written::Csv => continue,
            };
            assert_eq!(read, [object(&trace), object(&bad)], "{written:?}");
        }
    }

    #[test]
    fn every_row_has_as_many_cells_as_the_header() {
        let mut trace = Trace::blank("t1", "2026-01-15T08:30:00Z".parse().unwrap());
        trace.request = Some("{\"a\":\"x, y\"}".to_owned());
        trace.extra.insert("event_type".to_owned(), "global".into());
        let mut out = String::new();
        Written::Csv.record(&Record::Trace(Arc::new(trace)), true, &mut out);
        let bad = Record::Undecodable { id: "fp-1".into(), raw: "17".into(), reason: "no object".into() };
        Written::Csv.record(&bad, false, &mut out);
        let lines: Vec<&str> = out.split("\r\n").collect();
        assert!(
            lines[0].ends_with(",t1,\"{\"\"a\"\":\"\"x, y\"\"}\",,,\"{\"\"event_type\"\":\"\"global\"\"}\""),
            "{out}"
        );
        assert_eq!(lines[1], format!("{}fp-1,,,could not be decoded: no object,17", ",".repeat(18)));
        assert_eq!(Written::Csv.head().matches(',').count(), COLUMNS.len() - 1);
    }
}
