//! The stories worth an alert, told in one round after another.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Pace, Scripted,
    actor::{Actor, PEOPLE, pick, user},
    background::{Facts, delay, trace},
};
use crate::emulator::world::hex_id;

/// A story being told: where it stands, and what it has told so far.
struct Story<'a> {
    rng: &'a mut fastrand::Rng,
    pace: Pace,
    at: Duration,
    told: Vec<Scripted>,
    title: Option<&'static str>,
}

impl Story<'_> {
    /// Moves on: so long in a demo, so long in real life.
    fn wait(&mut self, demo_ms: u64, real_seconds: u64) {
        self.at += match self.pace {
            Pace::Demo => Duration::from_millis(demo_ms),
            Pace::Real => Duration::from_secs(real_seconds) + Duration::from_millis(self.rng.u64(..1000)),
        };
    }

    fn begin(&mut self, title: &'static str) {
        self.title = Some(title);
    }

    fn tell(&mut self, trace: Value) {
        let behind = match self.pace {
            Pace::Demo => Duration::from_millis(self.rng.u64(20..200)),
            Pace::Real => delay(self.rng),
        };
        self.tell_late(trace, behind);
    }

    fn tell_late(&mut self, trace: Value, behind: Duration) {
        self.told.push(Scripted { at: self.at, behind, trace, incident: self.title.take() });
    }

    fn trace(&mut self, actor: Actor, service: &str, kind: &str, operation: &str, name: &str) -> Value {
        trace(self.rng, actor, Facts { service, kind, operation, name, code: "200" })
    }
}

/// Every story once, and when the next round may begin.
pub fn round(rng: &mut fastrand::Rng, pace: Pace) -> (Duration, Vec<Scripted>) {
    let person = Actor::Person(pick(rng, &PEOPLE));
    let mut story = Story { rng, pace, at: Duration::ZERO, told: Vec::new(), title: None };
    story.wait(150, 60);
    guessed_password(&mut story);
    story.wait(1_500, 480);
    let key_deletion = key_deletion(&mut story, person);
    story.wait(2_000, 600);
    let database = database_begins(&mut story);
    story.wait(500, 300);
    tracker_disabled(&mut story, person);
    story.wait(2_500, 720);
    security_group_opened(&mut story, person);
    story.wait(1_000, 120);
    story.begin("CTS delivers a trace a second time");
    story.tell_late(key_deletion, Duration::from_secs(6));
    story.wait(2_000, 600);
    servers_deleted(&mut story);
    story.wait(2_500, 600);
    node_fails(&mut story);
    story.wait(3_000, 600);
    key_for_another(&mut story, person);
    story.wait(2_000, 480);
    story.begin("creation of a database fails, minutes after it was accepted");
    story.tell(database);
    story.wait(1_500, 480);
    late_bucket_policy(&mut story);
    let length = match pace {
        Pace::Demo => Duration::from_secs(60),
        Pace::Real => story.at + Duration::from_secs(900),
    };
    (length, story.told)
}

fn guessed_password(story: &mut Story<'_>) {
    let victim = Actor::Person(pick(story.rng, &PEOPLE));
    let address = format!("203.0.113.{}", story.rng.u8(10..250));
    story.begin("a password is guessed, and the guess succeeds");
    for _ in 0..9 {
        let mut failed = story.trace(victim, "IAM", "user", "loginfailed", victim.name());
        failed["trace_rating"] = "warning".into();
        failed["code"] = "401".into();
        failed["source_ip"] = address.as_str().into();
        story.tell(failed);
        story.wait(70, 7);
    }
    let mut login = story.trace(victim, "IAM", "user", "login", victim.name());
    login["code"] = "302".into();
    login["source_ip"] = address.into();
    story.tell(login);
}

fn key_deletion(story: &mut Story<'_>, person: Actor) -> Value {
    story.begin("an encryption key is scheduled for deletion");
    let mut trace = story.trace(person, "KMS", "CMK", "scheduleKeyDeletion", "key-customer-data");
    trace["request"] = json!({"key_id": trace["resource_id"], "pending_days": "7"}).to_string().into();
    story.tell(trace.clone());
    trace
}

fn tracker_disabled(story: &mut Story<'_>, person: Actor) {
    story.begin("the tracker is disabled");
    let mut trace = story.trace(person, "CTS", "tracker", "updateTracker", "system");
    let request = json!({"tracker_name": "system", "tracker_type": "system", "status": "disabled"});
    trace["request"] = request.to_string().into();
    story.tell(trace);
}

fn security_group_opened(story: &mut Story<'_>, person: Actor) {
    story.begin("SSH is opened to the whole internet");
    let mut trace = story.trace(person, "VPC", "security-group-rules", "createSecurity-group-rule", "sg-bastion");
    let rule = json!({"security_group_rule": {
        "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22,
        "remote_ip_prefix": "0.0.0.0/0", "security_group_id": trace["resource_id"],
    }});
    trace["request"] = rule.to_string().into();
    trace["code"] = "201".into();
    trace["api_version"] = "v2.0".into();
    story.tell(trace);
}

fn servers_deleted(story: &mut Story<'_>) {
    let person = Actor::Person("d.novak");
    story.begin("a burst of server deletions");
    for number in 1..=8 {
        let mut trace = story.trace(person, "ECS", "ecs", "deleteServer", &format!("web-prod-{number:02}"));
        trace["request"] = json!({"servers": [{"id": trace["resource_id"]}], "delete_volume": true}).to_string().into();
        story.tell(trace);
        story.wait(120, 9);
    }
}

/// The first of two traces of one operation; the second comes much later.
fn database_begins(story: &mut Story<'_>) -> Value {
    let pipeline = Actor::Pipeline("terraform-ci");
    let mut asked = story.trace(pipeline, "RDS", "instance", "createInstance", "pg-reporting");
    asked["code"] = "202".into();
    asked["request"] = json!({"name": "pg-reporting", "flavor_ref": "rds.pg.n1.large.2.ha"}).to_string().into();
    let mut result = story.trace(pipeline, "RDS", "instance", "createInstance", "pg-reporting");
    result["trace_rating"] = "warning".into();
    result["code"] = "500".into();
    result["response"] = json!({"code": "DBS.200047", "message": "no capacity left in eu-de-02"}).to_string().into();
    story.tell(asked);
    result
}

fn node_fails(story: &mut Story<'_>) {
    story.begin("a server fails: rated `incident` by the cloud itself");
    let mut trace = story.trace(Actor::Platform, "ECS", "server", "interruptServer", "db-prod-01");
    trace["trace_rating"] = "incident".into();
    trace["code"] = "".into();
    trace["message"] = "The physical host of the server failed; the server is being restarted elsewhere.".into();
    story.tell(trace);
}

fn key_for_another(story: &mut Story<'_>, person: Actor) {
    let others: Vec<&str> = PEOPLE.into_iter().filter(|name| *name != person.name()).collect();
    let victim = pick(story.rng, &others);
    story.begin("someone creates an access key for somebody else");
    let mut trace = story.trace(person, "IAM", "user", "createCredential", victim);
    trace["resource_id"] = hex_id("user", victim).into();
    trace["code"] = "201".into();
    let request = json!({"credential": {"user_id": user(victim)["id"], "description": "temporary"}});
    trace["request"] = request.to_string().into();
    story.tell(trace);
}

fn late_bucket_policy(story: &mut Story<'_>) {
    story.begin("a bucket became public a while ago; its trace is recorded only now");
    let mut trace = story.trace(Actor::Person("f.martin"), "OBS", "bucket", "setBucketPolicy", "invoices-archive");
    let policy = json!({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                                       "Resource": "invoices-archive/*"}]});
    trace["request"] = policy.to_string().into();
    trace["code"] = "204".into();
    story.tell_late(trace, Duration::from_secs(14 * 60));
}
