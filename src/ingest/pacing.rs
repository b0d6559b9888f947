//! What readers were told lately, as far as it decides how soon they are told more.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    alert::{Alert, Mute, MuteKind, Severity},
    clock::{self, Timestamp},
    delivery::{Delivery, HoldKind},
    generation::Generation,
    notification::Notification,
    render::facts::when,
    rule::Rule,
    store::{Store, StoreError},
    topic::{Asked, Group, Pace, Subscription},
    trace::Trace,
};

/// A budget is for a day.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Storms with less than this between them are one.
const STORM_PAUSE: Duration = Duration::from_secs(10 * 60);

/// Loaded before a page or a sweep is decided, kept up while it is.
#[derive(Debug, Default)]
pub struct Pacing {
    now: Timestamp,
    /// By subscription and key.
    groups: BTreeMap<(String, String), Group>,
    opened_groups: Vec<Group>,
    /// Alerts of a day, by rules that have a budget; as many as decide whether it is used up.
    opened: BTreeMap<String, u64>,
    /// Alerts within the storm guard's time, all rules together; as many as make a storm.
    opened_in_all: u64,
    last_storm: Option<Timestamp>,
    /// Rules of which something was held back for their budget.
    over_budget: BTreeSet<String>,
    storm_held: bool,
}

impl Pacing {
    /// What has to be known of these rules and traces.
    pub async fn load<'a, S: Store>(
        store: &S,
        generation: &Generation,
        told: impl Iterator<Item = (&'a str, &'a Trace)>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut pacing = Self { now, ..Self::default() };
        let grouping: Vec<&Subscription> =
            generation.topics.topics.values().flatten().filter(|subscription| subscription.group.is_some()).collect();
        let (mut rules, mut wanted, mut any) = (BTreeSet::new(), BTreeSet::new(), false);
        for (rule, trace) in told {
            any = true;
            rules.insert(rule);
            for subscription in &grouping {
                wanted.extend(subscription.group_key(trace).map(|key| (subscription.id.clone(), key)));
            }
        }
        if !any {
            return Ok(pacing);
        }
        let wanted: Vec<(String, String)> = wanted.into_iter().collect();
        if !wanted.is_empty() {
            let groups = store.groups(&wanted, now).await?.into_iter();
            pacing.groups = groups.map(|group| ((group.subscription.clone(), group.key.clone()), group)).collect();
        }
        let told = generation.rules.rules.iter().filter(|rule| rules.contains(rule.id.as_str()));
        let (budgeted, budgets): (Vec<String>, Vec<u64>) =
            told.filter_map(|rule| Some((rule.id.clone(), rule.noise_budget?))).unzip();
        // One more than allowed is too many, however many there are.
        if let Some(most) = budgets.into_iter().max() {
            pacing.opened = store.opened(&budgeted, clock::minus(now, DAY), most.saturating_add(1)).await?;
        }
        if let Some(storm) = generation.topics.storm {
            let most = storm.at_most.saturating_add(1);
            pacing.opened_in_all = store.opened_in_all(clock::minus(now, storm.within), most).await?;
            pacing.last_storm = store.last_held(HoldKind::Storm).await?;
        }
        Ok(pacing)
    }

    /// One more alert opened.
    pub fn count(&mut self, alert: &Alert) {
        if !alert.shadow {
            self.opened_in_all += 1;
            if let Some(opened) = self.opened.get_mut(&alert.rule) {
                *opened += 1;
            }
        }
    }

    /// How something of `alert` goes to the subscription; one that is gone from the configuration has no wishes.
    pub fn of(&mut self, generation: &Generation, subscription: &str, alert: &Alert, escalates: bool) -> Pace {
        let Some(subscription) = generation.topics.subscription(subscription) else { return Pace::Now };
        let format = generation.topics.format(&subscription.endpoint);
        let budget = rule(generation, &alert.rule).and_then(|rule| rule.noise_budget);
        let opened = self.opened.get(&alert.rule).copied().unwrap_or(0);
        let asked = Asked {
            severity: alert.severity,
            escalates,
            over_budget: budget.is_some_and(|budget| opened > budget),
            storm: generation.topics.storm.is_some_and(|storm| self.opened_in_all > storm.at_most),
            for_people: format.for_people(),
            edits: format.edits(),
            now: self.now,
        };
        let pace = subscription.pace(&asked, self.group(subscription, &alert.first));
        if let Pace::Held(hold) = &pace {
            match hold.kind {
                HoldKind::Budget => {
                    self.over_budget.insert(alert.rule.clone());
                }
                HoldKind::Storm => self.storm_held = true,
                HoldKind::Digest | HoldKind::Group | HoldKind::Quiet | HoldKind::Fill => {}
            }
        }
        pace
    }

    /// The open group that the alert belongs to.
    pub fn group(&self, subscription: &Subscription, trace: &Trace) -> Option<&Group> {
        self.groups.get(&(subscription.id.clone(), subscription.group_key(trace)?))
    }

    /// What goes at once opens a group, if the subscription makes groups of it.
    pub fn open_group(&mut self, generation: &Generation, subscription: &str, alert: &Alert, thread: &str) {
        let Some(subscription) = generation.topics.subscription(subscription) else { return };
        let (Some(key), Some(grouping)) = (subscription.group_key(&alert.first), &subscription.group) else { return };
        let place = (subscription.id.clone(), key.clone());
        if !self.groups.contains_key(&place) {
            let group = Group {
                subscription: subscription.id.clone(),
                key,
                thread: thread.to_owned(),
                opened_at: self.now,
                closes_at: clock::plus(self.now, grouping.within),
            };
            self.opened_groups.push(group.clone());
            self.groups.insert(place, group);
        }
    }

    /// Groups that opened since it was loaded.
    pub fn opened_groups(&mut self) -> Vec<Group> {
        std::mem::take(&mut self.opened_groups)
    }

    /// What people are told about being told less.
    pub fn notices(&self, generation: &Generation) -> Vec<Delivery> {
        let mut notices = Vec::new();
        for rule in self.over_budget.iter().filter_map(|id| rule(generation, id)) {
            let occasion = format!("budget {} {}", rule.id, self.now.as_second().div_euclid(86_400));
            notices.extend(generation.topics.notice_to(&rule.topics, &over_budget(rule, self.now), &occasion));
        }
        let new = self.last_storm.is_none_or(|last| last > self.now || clock::since(last, self.now) > STORM_PAUSE);
        if let Some(storm) = generation.topics.storm.filter(|_| self.storm_held && new) {
            let lines = vec![
                "Until it is over, alerts below critical are told to people in one message a minute; programs get \
                 each at once, and none is lost."
                    .to_owned(),
                "What to do: see in these messages which rule or actor it comes from; `storm` in the configuration \
                 says how much is a storm."
                    .to_owned(),
            ];
            let (most, within) = (storm.at_most, clock::in_words(storm.within));
            let title = format!("Storm: more than {most} alerts within {within}");
            let notice = Notification::notice(Severity::High, title, lines, self.now);
            notices.extend(generation.topics.notice(&notice, &format!("storm {}", self.now), false));
        }
        notices
    }
}

/// By which schedule, and until when.
pub fn scheduled(subscription: &str, until: Timestamp) -> Mute {
    Mute {
        kind: MuteKind::Schedule,
        by: subscription.to_owned(),
        reason: format!("schedule of {subscription}: quiet until {}", when(until)),
    }
}

fn rule<'a>(generation: &'a Generation, id: &str) -> Option<&'a Rule> {
    generation.rules.rules.iter().find(|rule| rule.id == id)
}

fn over_budget(rule: &Rule, now: Timestamp) -> Notification {
    let budget = rule.noise_budget.unwrap_or(0);
    let alerts = if budget == 1 { "alert" } else { "alerts" };
    let lines = vec![
        format!(
            "Its author expects {budget} {alerts} a day at most. What comes beyond is told in one message an hour; \
             critical alerts ring as ever."
        ),
        format!(
            "What to do: at {}, add an exception for what is in order, or raise `noise_budget`; \
             `tracebell backtest --since 7d` shows how often it would ring.",
            rule.place
        ),
    ];
    let title = format!("Rule {} used up its noise budget of {budget} {alerts} a day", rule.id);
    Notification::notice(Severity::Medium, title, lines, now)
}
