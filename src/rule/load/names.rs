//! Lists of field names: `by`, `of` and `same`.

use crate::{
    document::{Level, Value, Walk},
    rule::template,
    trace::Field,
};

/// Field names, as text or as a list; an empty list is for the caller to judge.
pub fn read(walk: &Walk<'_>) -> Option<Vec<Field>> {
    let items = match &walk.node.value {
        Value::Text(_) => vec![walk.clone()],
        _ => walk.list()?,
    };
    let mut fields = Vec::with_capacity(items.len());
    let mut whole = true;
    for item in &items {
        match name(item) {
            Some(field) if fields.contains(&field) => {
                item.warn(format!("`{}` is named twice", field.name()), Some("name it once".into()));
            }
            Some(field) => fields.push(field),
            None => whole = false,
        }
    }
    whole.then_some(fields)
}

/// Field names by which traces are brought together: one that differs in every trace brings none.
pub fn shared(walk: &Walk<'_>) -> Option<Vec<Field>> {
    let fields = read(walk)?;
    let alone = fields.iter().find(|field| matches!(field, Field::TraceId | Field::Time | Field::RecordTime));
    let Some(field) = alone else { return Some(fields) };
    let text = format!("`{}` differs in every trace: no two would ever come together", field.name());
    walk.fail_hint(text, "name what they have in common, such as `actor.name` or `source_ip`");
    None
}

/// [`shared`], at least one.
pub fn some(walk: &Walk<'_>) -> Option<Vec<Field>> {
    if matches!(&walk.node.value, Value::List(items) if items.is_empty()) {
        walk.report(
            Level::Error,
            walk.node.span,
            "an empty list of fields".into(),
            Some("name a field, such as `actor.name`".into()),
        );
        return None;
    }
    shared(walk)
}

fn name(item: &Walk<'_>) -> Option<Field> {
    let name = item.words()?;
    let field = Field::parse(name);
    if field.is_none() {
        let hint = template::nearest_field(name).map(|near| format!("did you mean `{near}`?"));
        item.report(Level::Error, item.node.span, format!("`{name}` is not a field of a trace"), hint);
    }
    field
}
