//! Who may log in: the user's password and its lock, agencies, keys for a while.

use std::{collections::HashMap, time::Duration};

use axum::http::StatusCode;
use serde_json::Value;

use crate::{
    clock::{self, Timestamp},
    emulator::{
        answer::Refusal,
        sign::Key,
        world::{World, uuid},
    },
};

/// How the emulated IAM is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Agencies that the account lends, to itself: there is no other account.
    pub agencies: Vec<String>,
    /// Whether the user may take one on.
    pub agent_operator: bool,
    /// So many wrong passwords in a row lock the account.
    pub lock_after: u32,
    /// Faults of a login in IAM's own form, with a code, in place of Keystone's.
    pub coded: bool,
    pub metadata: Metadata,
}

/// How the machine is set up that asks the metadata service.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// Whether it has an agency.
    pub agency: bool,
    pub mode: Mode,
    /// Whether the key stands inside `credential`.
    pub wrapped: bool,
    pub key_lifetime: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Knows no tokens.
    Plain,
    /// Gives tokens and wants them.
    Hardened,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            agencies: vec!["tracebell".to_owned()],
            agent_operator: true,
            lock_after: 5,
            coded: false,
            metadata: Metadata {
                agency: true,
                mode: Mode::Hardened,
                wrapped: true,
                key_lifetime: Duration::from_secs(6 * 3600),
            },
        }
    }
}

const LOCKED_FOR: Duration = Duration::from_secs(15 * 60);
/// Of a key for a while that has expired it is still known that it was one.
const REMEMBERED: usize = 10_000;

/// What IAM remembers beside tokens.
#[derive(Default)]
pub struct Account {
    wrong: u32,
    locked_until: Option<Timestamp>,
    keys: HashMap<String, (Key, Timestamp)>,
    /// Tokens of the metadata service, and until when they are good.
    pub metadata_tokens: HashMap<String, Timestamp>,
}

impl Account {
    /// A key for a while.
    pub fn lend(&mut self, rng: &mut fastrand::Rng, expires: Timestamp) -> Key {
        let letters = |rng: &mut fastrand::Rng, count: usize| -> String {
            (0..count).map(|_| rng.alphanumeric()).collect::<String>()
        };
        let key = Key {
            access: format!("ASIA{}", letters(rng, 16).to_uppercase()),
            secret: letters(rng, 40),
            security_token: Some(format!("gQ{}==", letters(rng, 400))),
        };
        if self.keys.len() >= REMEMBERED {
            self.keys.clear();
        }
        self.keys.insert(key.access.clone(), (key.clone(), expires));
        key
    }

    /// The key for a while of that name, unless it has expired.
    pub fn lent(&self, access: &str, now: Timestamp) -> Result<Option<Key>, Refusal> {
        match self.keys.get(access) {
            Some((_, expires)) if *expires <= now => {
                Err(Refusal::coded(StatusCode::BAD_REQUEST, "IAM.1108", "The temporary access key has expired."))
            }
            found => Ok(found.map(|(key, _)| key.clone())),
        }
    }

    pub fn expire_keys(&mut self) {
        self.keys.values_mut().for_each(|(_, expires)| *expires = Timestamp::UNIX_EPOCH);
    }
}

pub fn check_password(world: &World, user: &Value) -> Result<(), Refusal> {
    let settings = &world.settings;
    let now = clock::now();
    let is = |value: &Value, text: &str| value.as_str() == Some(text);
    let named = is(&user["name"], &settings.user) || is(&user["id"], &world.user_id());
    // An id names its user alone; a name needs its account.
    let domain = &user["domain"];
    let at_home =
        is(&domain["name"], &settings.domain) || is(&domain["id"], &world.domain_id()) || user["id"].is_string();
    let mut state = world.state();
    let account = &mut state.account;
    if named && at_home && account.locked_until.is_some_and(|until| now < until) {
        let text = "The account is locked. Try again in 15 minutes.";
        return Err(Refusal::coded(StatusCode::UNAUTHORIZED, "IAM.0061", text));
    }
    if named && at_home && is(&user["password"], &settings.password) {
        account.wrong = 0;
        return Ok(());
    }
    if named && at_home {
        account.wrong += 1;
        if account.wrong >= settings.iam.lock_after {
            account.wrong = 0;
            account.locked_until = Some(clock::plus(now, LOCKED_FOR));
        }
    }
    let text = "The username or password is wrong.";
    Err(match settings.iam.coded {
        true => Refusal::coded(StatusCode::UNAUTHORIZED, "IAM.0062", text),
        false => Refusal::keystone(StatusCode::UNAUTHORIZED, text),
    })
}

/// The two names of an agency's name are both in the documents, and so in the field.
pub fn check_agency(world: &World, assume: &Value) -> Result<(), Refusal> {
    let is = |value: &Value, text: &str| value.as_str() == Some(text);
    let name = assume["xrole_name"].as_str().or_else(|| assume["agency_name"].as_str());
    let Some(name) = name else {
        return Err(Refusal::keystone(StatusCode::BAD_REQUEST, "Expecting to find xrole_name in assume_role."));
    };
    let lender = is(&assume["domain_name"], &world.settings.domain) || is(&assume["domain_id"], &world.domain_id());
    if !lender || !world.settings.iam.agencies.iter().any(|known| known == name) {
        return Err(Refusal::keystone(StatusCode::NOT_FOUND, &format!("Could not find agency: {name}.")));
    }
    match world.settings.iam.agent_operator {
        true => Ok(()),
        false => {
            Err(Refusal::keystone(StatusCode::FORBIDDEN, "You are not authorized to perform: iam:agencies:assume."))
        }
    }
}

pub fn metadata_token(rng: &mut fastrand::Rng) -> String {
    uuid(rng).replace('-', "")
}
