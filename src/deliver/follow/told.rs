//! Who else hears of it: the fallback endpoint gets copies, people get notices.

use crate::{
    alert::Severity,
    clock::{self, Timestamp},
    delivery::{Cause, Delivery},
    endpoint::{Settings, answer},
    generation::Generation,
    notification::Notification,
    topic::Due,
};

/// The same notification for the fallback endpoint; `None` without one, for
/// what is a copy already, and for tests.
pub fn fallback_copy(
    settings: &Settings,
    generation: &Generation,
    delivery: &Delivery,
    now: Timestamp,
) -> Option<Delivery> {
    let fallback = generation.fallbacks.get(&settings.name)?;
    if matches!(delivery.cause, Cause::Fallback(_) | Cause::Repeated(_) | Cause::Silenced(_) | Cause::Test) {
        return None;
    }
    let mut notification = (*delivery.notification).clone();
    notification.lines.push(format!("Sent here because {} cannot take it now.", settings.name));
    notification.created_at = now;
    let cause = Cause::Fallback(delivery.id.clone());
    let occasion = format!("fallback {}", delivery.id);
    let due = Due::new(&notification, &occasion, &delivery.subscription, fallback, cause);
    generation.topics.delivery(due)
}

/// What follows when a delivery becomes a dead letter: the fallback has it, and once
/// an hour people hear that there are some.
pub fn given_up(
    settings: &Settings,
    generation: &Generation,
    delivery: &Delivery,
    reason: &str,
    now: Timestamp,
) -> Vec<Delivery> {
    let mut deliveries: Vec<Delivery> = fallback_copy(settings, generation, delivery, now).into_iter().collect();
    let name = &settings.name;
    let title = format!("Endpoint {name} has a dead letter: it was given up");
    let lines = vec![
        format!("The first one: {}", delivery.notification.title),
        format!("What was found: {}", answer::in_words(reason)),
        format!("What to do: `tracebell delivery list --endpoint {name} --state dead` shows them all,"),
        format!("`tracebell delivery retry --endpoint {name}` sends them once more. This notice comes once an hour."),
    ];
    let occasion = format!("dead {name} {}", now.as_second() / 3600);
    deliveries.extend(notice(settings, generation, Notification::notice(Severity::High, title, lines, now), &occasion));
    deliveries
}

/// An endpoint takes nothing: told once, to everybody but itself.
pub fn trouble(
    settings: &Settings,
    generation: &Generation,
    title: String,
    reason: &str,
    fix: &str,
    since: Timestamp,
    now: Timestamp,
) -> Vec<Delivery> {
    let patience = clock::in_words(settings.give_up_after);
    let lines = vec![
        format!("What was found: {}", answer::in_words(reason)),
        format!("What to do: {fix}"),
        format!("What is owed to it waits and is tried again, at least every quarter of an hour, for {patience}."),
    ];
    let occasion = format!("trouble {} {since}", settings.name);
    notice(settings, generation, Notification::notice(Severity::High, title, lines, now), &occasion)
}

/// An endpoint's credentials were refused while nothing was sent: told once a day.
pub fn credentials(
    settings: &Settings,
    generation: &Generation,
    reason: &str,
    fix: &str,
    now: Timestamp,
) -> Vec<Delivery> {
    let title = format!("Endpoint {} does not accept its credentials", settings.name);
    let lines = vec![
        format!("What was found: {reason}"),
        format!("What to do: {fix}"),
        "Found by a daily look at the credentials; nothing was sent.".to_owned(),
    ];
    let occasion = format!("credentials {} {}", settings.name, now.as_second() / (24 * 3600));
    notice(settings, generation, Notification::notice(Severity::High, title, lines, now), &occasion)
}

/// It takes deliveries again: told to those who heard of the trouble.
pub fn recovered(
    settings: &Settings,
    generation: &Generation,
    since: Timestamp,
    (waited, dead): (u64, u64),
    now: Timestamp,
) -> Vec<Delivery> {
    let name = &settings.name;
    let title = format!("Endpoint {name} took deliveries again after {}", clock::in_words(clock::since(since, now)));
    let waited = match waited {
        1 => "1 delivery waited".to_owned(),
        many => format!("{many} deliveries waited"),
    };
    let lines = match dead {
        0 => vec![format!("{waited}, none was lost. They go out now, the oldest first.")],
        _ => vec![
            format!("{waited} and go out now, the oldest first. Given up before: {dead}."),
            format!("What to do: `tracebell delivery retry --endpoint {name}` sends those once more."),
        ],
    };
    let occasion = format!("recovered {name} {since}");
    notice(settings, generation, Notification::notice(Severity::Info, title, lines, now), &occasion)
}

/// Tells the fallback and the notices topic, once for each occasion; never the endpoint itself.
fn notice(settings: &Settings, generation: &Generation, notice: Notification, occasion: &str) -> Vec<Delivery> {
    let topics = &generation.topics;
    let mut deliveries = topics.notice(&notice, occasion, false);
    deliveries.retain(|delivery| delivery.endpoint != settings.name);
    if let Some(fallback) = generation.fallbacks.get(&settings.name)
        && !deliveries.iter().any(|delivery| delivery.endpoint == *fallback)
    {
        let subscription = format!("notice/{fallback}");
        deliveries.extend(topics.delivery(Due::new(&notice, occasion, &subscription, fallback, Cause::Notice)));
    }
    deliveries
}
