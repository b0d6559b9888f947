//! `then`: a later trace that makes an alert worse.

use super::{names, one, when};
use crate::{
    alert::Severity,
    document::Walk,
    rule::{Dedup, Then, When, compile::Lists},
    trace::Field,
};

/// `severity`, `when` and `dedup` are the rule's own, `None` if they are bad or not there.
pub fn read(
    walk: &Walk<'_>,
    lists: &Lists,
    severity: Option<Severity>,
    when: Option<&When>,
    dedup: Option<&Dedup>,
) -> Option<Then> {
    if let Some(When::Absent { .. }) = when {
        let hint = "leave `then` out, and write a rule of its own for what is worse than the silence";
        walk.fail_hint("`then` follows a trace, and what is `absent` is none", hint);
        return None;
    }
    let mut fields = walk.fields()?;
    let condition = fields.required("match").and_then(|walk| one::condition(&walk, lists));
    let within = fields.required("within").and_then(|walk| when::within(&walk));
    let same = fields.optional("same").map_or_else(|| Some(dedup?.by.clone()), |walk| same(&walk, dedup));
    let worse = fields.required("severity").and_then(|walk| worse(&walk, severity));
    let title = fields.optional("title").map_or(Some(None), |walk| one::title(&walk, dedup?).map(Some));
    fields.finish();
    Some(Then { condition: condition?, within: within?, same: same?, severity: worse?, title: title? })
}

/// What ties the later trace to the alert is what the alert is kept by.
fn same(walk: &Walk<'_>, dedup: Option<&Dedup>) -> Option<Vec<Field>> {
    let (same, dedup) = (names::read(walk)?, dedup?);
    if same.len() == dedup.by.len() && same.iter().all(|field| dedup.by.contains(field)) {
        return Some(same);
    }
    let names = |fields: &[Field]| {
        let names: Vec<String> = fields.iter().map(Field::name).collect();
        format!("[{}]", names.join(", "))
    };
    let text = format!("expected the fields the alert is folded by, {}, found {}", names(&dedup.by), names(&same));
    walk.fail_hint(text, format!("leave `same` out, or write `dedup: {{ by: {} }}`", names(&same)));
    None
}

fn worse(walk: &Walk<'_>, severity: Option<Severity>) -> Option<Severity> {
    let found = one::read_severity(walk)?;
    let own = severity?;
    if found > own {
        return Some(found);
    }
    let worse: Vec<&str> = Severity::ALL.into_iter().filter(|other| *other > own).map(Severity::as_str).collect();
    let hint = match worse.as_slice() {
        [] => "nothing is worse than `critical`: give the rule a lower one".to_owned(),
        [only] => format!("write `{only}`, or give the rule a lower one"),
        several => format!("write {}", crate::document::walk::either(several)),
    };
    walk.fail_hint(format!("expected a severity worse than the rule's `{own}`, found `{found}`"), hint);
    None
}
