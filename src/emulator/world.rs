//! Everything the emulator remembers, behind one lock.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{
    Incident, Settings,
    answer::Refusal,
    cts::Cts,
    entry::{Entry, Raw},
    fault::Faults,
    identity::Account,
    log::TraceLog,
    obs::{Outgoing, Store},
    smn::{self, Smn},
};
use crate::{
    clock::{self, Timestamp},
    id,
};

/// How many requests `GET /emulator/stats` shows in full.
const RECENT: usize = 1000;

pub struct World {
    pub settings: Settings,
    /// That of the settings first.
    pub projects: Vec<Project>,
    by_id: HashMap<String, usize>,
    pub addr: SocketAddr,
    pub stop: CancellationToken,
    pub incidents: broadcast::Sender<Incident>,
    pub signer: smn::Signer,
    /// Where trace files go.
    pub store: Option<Store>,
    /// One round of deliveries at a time.
    pub delivering: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

/// One whose audit log can be asked for.
pub struct Project {
    pub id: String,
    pub name: String,
}

pub struct State {
    /// One for each project.
    pub logs: Vec<TraceLog>,
    pub faults: Faults,
    /// One for each project.
    pub cts: Vec<Cts>,
    pub outgoing: Vec<Outgoing>,
    /// That CTS made itself.
    pub buckets: BTreeSet<String>,
    pub smn: Smn,
    pub account: Account,
    pub rng: fastrand::Rng,
    tokens: HashMap<String, Token>,
    answered: BTreeMap<String, u64>,
    recent: VecDeque<Answered>,
}

#[derive(Debug, Clone)]
pub struct Token {
    pub expires: Timestamp,
    pub scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// By its place among the projects.
    Project(usize),
    Domain,
}

/// One request and how it was answered.
#[derive(Debug, Clone, Serialize)]
pub struct Answered {
    pub at: Timestamp,
    pub method: String,
    pub path: String,
    pub query: String,
    /// 0 when the connection was cut.
    pub status: u16,
}

#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    /// By `METHOD path status`.
    pub answered: BTreeMap<String, u64>,
    /// Oldest first.
    pub recent: Vec<Answered>,
    /// Traces that no query shows yet count too.
    pub traces: usize,
    pub tokens: usize,
    pub faults_planned: usize,
}

impl World {
    /// An error says what is wrong with the settings.
    pub fn new(settings: Settings, addr: SocketAddr, stop: CancellationToken) -> Result<Self, String> {
        let store = settings.obs.as_ref().map(|obs| Store::new(obs, &settings.region)).transpose()?;
        let projects = projects(&settings);
        let by_id = projects.iter().enumerate().map(|(at, project)| (project.id.clone(), at)).collect();
        let state = State {
            logs: projects.iter().map(|_| TraceLog::default()).collect(),
            faults: Faults::default(),
            cts: projects.iter().map(|_| Cts::default()).collect(),
            outgoing: projects.iter().map(|_| Outgoing::default()).collect(),
            buckets: BTreeSet::new(),
            smn: Smn::default(),
            account: Account::default(),
            rng: fastrand::Rng::with_seed(settings.seed),
            tokens: HashMap::new(),
            answered: BTreeMap::new(),
            recent: VecDeque::new(),
        };
        let (incidents, _) = broadcast::channel(64);
        Ok(Self {
            settings,
            projects,
            by_id,
            addr,
            stop,
            incidents,
            signer: smn::Signer::embedded(),
            store,
            delivering: tokio::sync::Mutex::default(),
            state: Mutex::new(state),
        })
    }

    /// Of a project among the others.
    pub fn place(&self, project_id: &str) -> Option<usize> {
        self.by_id.get(project_id).copied()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account's id; the documentation has one per domain name.
    pub fn domain_id(&self) -> String {
        hex_id("domain", &self.settings.domain)
    }

    pub fn user_id(&self) -> String {
        hex_id("user", &self.settings.user)
    }

    pub fn add(&self, traces: impl IntoIterator<Item = Raw>) {
        let now = clock::now().as_millisecond();
        let mut state = self.state();
        for raw in traces {
            let State { rng, faults, .. } = &mut *state;
            let mut entry = Entry::new(raw, now, || uuid(rng));
            let at = entry.project().and_then(|id| self.place(id)).unwrap_or(0);
            entry.visible_from += faults.lateness().map_or(0, |late| now - entry.visible_from + late);
            let listener = state.is_heard(at) || self.store.is_some();
            let trace = if listener { entry.value() } else { None };
            state.logs[at].add(entry);
            if let Some(trace) = trace {
                if self.store.is_some() && state.cts[at].management().is_some_and(|tracker| tracker.delivers()) {
                    state.outgoing[at].take(&trace);
                }
                state.notify(self, at, &trace);
            }
        }
        for log in &mut state.logs {
            log.prune(now);
        }
    }

    /// Whether a request may read or change what belongs to `project`, and its place.
    pub fn authorise(&self, headers: &HeaderMap, project: &str) -> Result<usize, Refusal> {
        let refused = |code, text: &str| Err(Refusal::coded(StatusCode::UNAUTHORIZED, code, text));
        let Some(token) = headers.get("x-auth-token").and_then(|token| token.to_str().ok()) else {
            return refused("IAM.0001", "The request must be authenticated.");
        };
        let Some(token) = self.state().token(token) else {
            return refused("IAM.0067", "The token is invalid.");
        };
        if token.expires <= clock::now() {
            return refused("IAM.0066", "The token must be updated.");
        }
        let denied = |code, text: &str| Err(Refusal::coded(StatusCode::FORBIDDEN, code, text));
        let Scope::Project(at) = token.scope else {
            return denied("CTS.0002", "The token is not scoped to a project.");
        };
        if project != self.projects[at].id {
            return denied("CTS.0012", "The project ID is not that of the token.");
        }
        Ok(at)
    }

    /// The trace that an operation on CTS or SMN itself leaves behind.
    pub fn record_own(&self, operation: &Own<'_>) {
        let now = clock::now().as_millisecond();
        let settings = &self.settings;
        self.add([Raw::Value(Box::new(json!({
            "time": now, "record_time": now,
            "trace_name": operation.name, "trace_rating": if operation.code < 400 { "normal" } else { "warning" },
            "trace_type": "ApiCall", "service_type": operation.service, "resource_type": operation.resource_type,
            "resource_name": operation.resource_name, "resource_id": operation.resource_id,
            "source_ip": "127.0.0.1", "code": operation.code.to_string(), "api_version": operation.api_version,
            "request": operation.request, "response": operation.response, "message": "", "read_only": false,
            "project_id": self.projects[operation.at].id, "domain_id": self.domain_id(),
            "tracker_name": "system", "event_type": "system",
            "user": {"name": settings.user, "id": self.user_id(),
                     "domain": {"name": settings.domain, "id": self.domain_id()}},
        })))]);
    }
}

/// An operation on what is emulated.
pub struct Own<'a> {
    /// The place of its project.
    pub at: usize,
    pub service: &'a str,
    pub name: &'a str,
    pub resource_type: &'a str,
    pub resource_name: &'a str,
    pub resource_id: &'a str,
    pub api_version: &'a str,
    pub code: u16,
    pub request: &'a str,
    pub response: &'a str,
}

impl State {
    pub fn issue_token(&mut self, expires: Timestamp, scope: Scope) -> String {
        // The cloud's tokens are signed documents of a few KB, which some
        // clients cut; nothing is signed here, so letters will do.
        let text: String = "MIIF".chars().chain((0..2000).map(|_| self.rng.alphanumeric())).collect();
        self.tokens.insert(text.clone(), Token { expires, scope });
        text
    }

    pub fn token(&self, text: &str) -> Option<Token> {
        self.tokens.get(text).cloned()
    }

    pub fn trace_count(&self) -> usize {
        self.logs.iter().map(TraceLog::len).sum()
    }

    pub fn forget_traces(&mut self) {
        self.logs.iter_mut().for_each(TraceLog::clear);
    }

    pub fn expire_tokens(&mut self) {
        for token in self.tokens.values_mut() {
            token.expires = Timestamp::UNIX_EPOCH;
        }
    }

    pub fn count(&mut self, answered: Answered) {
        let key = format!("{} {} {}", answered.method, answered.path, answered.status);
        *self.answered.entry(key).or_default() += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(answered);
    }

    pub fn stats(&self) -> Stats {
        Stats {
            answered: self.answered.clone(),
            recent: self.recent.iter().cloned().collect(),
            traces: self.trace_count(),
            tokens: self.tokens.len(),
            faults_planned: self.faults.planned().len(),
        }
    }
}

impl Stats {
    /// How many requests to a path that contains `part` were answered so.
    pub fn count(&self, part: &str, status: u16) -> u64 {
        let status = format!(" {status}");
        self.answered
            .iter()
            .filter(|(key, _)| key.contains(part) && key.ends_with(&status))
            .map(|(_, count)| count)
            .sum()
    }
}

fn projects(settings: &Settings) -> Vec<Project> {
    let first = Project { id: settings.project_id.clone(), name: settings.project.clone() };
    let more = (1..=settings.more_projects).map(|number| {
        let name = format!("{}_{number:04}", settings.project);
        Project { id: hex_id("project", &name), name }
    });
    std::iter::once(first).chain(more).collect()
}

/// 32 hexadecimal digits, as the cloud's ids of users and accounts look.
pub fn hex_id(kind: &str, name: &str) -> String {
    hex::encode(&id::hash(&["emulator", kind, name])[..16])
}

pub fn uuid(rng: &mut fastrand::Rng) -> String {
    let text = format!("{:032x}", rng.u128(..));
    format!("{}-{}-11f0-8{}-{}", &text[..8], &text[8..12], &text[13..16], &text[20..])
}
