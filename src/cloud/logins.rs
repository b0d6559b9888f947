//! One login for all sessions of the same credentials, and one conscience for all logins of a user.
//!
//! Accounts lock after a few wrong passwords, whoever in this process sent them. So who asks for a token first logs
//! in and the others wait for it; a password that was refused is not sent again within a minute, for no project;
//! and a thousand projects log in a few at a time.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use reqwest::Client;
use tokio::sync::{Mutex as Turn, Semaphore};
use tracing::warn;

use super::{
    CloudError,
    auth::{Credentials, Proof},
    catalogue::Catalogue,
    http, login,
};
use crate::{
    clock::{self, Timestamp},
    id,
};

/// No second login within this time after one was refused: accounts lock.
pub const REFUSED_FOR: Duration = Duration::from_secs(60);
/// Logins of one user that are under way at the same time.
const AT_ONCE: usize = 8;
/// A password that was right so lately is believed to be right still.
const GOOD_FOR: Duration = Duration::from_secs(5 * 60);
/// So many refusals of a password that was right lately are those of projects.
const STRIKES: u32 = 3;
/// Renewals within `REFUSED_FOR` because of what services say; more would only flood the login.
const DOUBTS: usize = 3;

/// What a login gave.
#[derive(Debug)]
pub struct Held {
    pub proof: Proof,
    pub catalogue: Catalogue,
    pub renew_at: Timestamp,
    /// Until then it is used if nothing newer can be had.
    pub expires_at: Timestamp,
}

/// Something that a person must mend, and when it was found.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub at: Timestamp,
    pub reason: String,
    pub fix: String,
}

impl Refusal {
    pub fn holds(&self, now: Timestamp) -> bool {
        is_near(self.at, now, REFUSED_FOR)
    }

    pub fn error(&self) -> CloudError {
        CloudError::Refused { reason: self.reason.clone(), fix: self.fix.clone() }
    }

    /// For who was not asked because of it. What was refused may be the other one's project.
    fn of_another(&self) -> CloudError {
        let reason = format!("not tried within a minute after another project's login of this user: {}", self.reason);
        CloudError::Refused { reason, fix: format!("mend that one first: {}", self.fix) }
    }
}

/// One set of credentials for one project.
pub struct Login {
    client: Arc<Client>,
    credentials: Credentials,
    key: [u8; 32],
    user: Arc<User>,
    /// Held while logging in.
    turn: Turn<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Arc<Held>>,
    refused: Option<Refusal>,
    /// Whether what was held is gone because a service refused it, and when that led to a login.
    doubted: bool,
    /// When a renewal failed while what was held was good still.
    put_off: Option<Timestamp>,
    renewals: Vec<Timestamp>,
}

/// Who logs in, for whichever project.
struct User {
    places: Semaphore,
    /// Held by the one login that finds out whether the password is right.
    first: Turn<()>,
    state: Mutex<Standing>,
}

#[derive(Default)]
struct Standing {
    good: Option<Timestamp>,
    refused: Option<Locked>,
    /// Refusals since the password was right.
    strikes: u32,
    /// Counts failures that may pass, so that those who waited meanwhile need not fail each for itself.
    failures: u64,
    failure: Option<CloudError>,
}

struct Locked {
    refusal: Refusal,
    /// The login that was refused; it asks last, for the fault may be its project's.
    by: [u8; 32],
    turned_away: bool,
}

/// Weak: what nobody uses any more is forgotten, but for refusals.
#[derive(Default)]
struct Pool {
    clients: HashMap<[u8; 32], Weak<Client>>,
    logins: HashMap<[u8; 32], Weak<Login>>,
    users: HashMap<[u8; 32], Arc<User>>,
}

// The one thing of this room that belongs to the process: it is the process that an account locks out, and a pool
// that must be passed along is one that somebody forgets.
static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);

impl Login {
    /// The one of these credentials, if there is one in use. Sends nothing.
    pub fn of(credentials: &Credentials) -> Result<Arc<Self>, CloudError> {
        let pem = credentials.ca.as_deref().map(http::Pem::read).transpose()?;
        let proxy = credentials.proxy.as_ref().map_or("", |proxy| proxy.expose());
        let way = id::hash(&["client", &hex::encode(pem.as_ref().map_or(&[][..], |pem| &pem.text)), proxy]);
        let method = format!("{:?} {}", credentials.method, credentials.temporary_key);
        let who = id::hash(&["user", &hex::encode(way), &credentials.auth_url, &method, &credentials.secrets()]);
        let key = id::hash(&["login", &hex::encode(who), &format!("{:?}", credentials.project)]);

        let mut pool = lock(&POOL);
        if let Some(login) = pool.logins.get(&key).and_then(Weak::upgrade) {
            return Ok(login);
        }
        pool.forget();
        let client = match pool.clients.get(&way).and_then(Weak::upgrade) {
            Some(client) => client,
            None => {
                let client = Arc::new(http::client(pem.as_ref(), credentials.proxy.as_ref())?);
                pool.clients.insert(way, Arc::downgrade(&client));
                client
            }
        };
        let user = match pool.users.entry(who) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(place) => Arc::clone(place.insert(Arc::new(User::new()))),
        };
        let credentials = credentials.clone();
        let login = Arc::new(Self { client, credentials, key, user, turn: Turn::default(), state: Mutex::default() });
        pool.logins.insert(key, Arc::downgrade(&login));
        Ok(login)
    }

    pub fn client(&self) -> Client {
        Client::clone(&self.client)
    }

    /// What to ask with; logs in if need be. Who comes while another logs in waits for what comes of it.
    pub async fn held(&self, now: Timestamp) -> Result<Arc<Held>, CloudError> {
        if let Some(held) = self.usable(now)? {
            return Ok(held);
        }
        let before = lock(&self.user.state).failures;
        let _turn = self.turn.lock().await;
        if let Some(held) = self.usable(now)? {
            return Ok(held);
        }
        let gave = self.log_in(before, now).await;
        gave.or_else(|error| self.still(&error, now).ok_or(error))
    }

    async fn log_in(&self, before: u64, now: Timestamp) -> Result<Arc<Held>, CloudError> {
        self.count_renewal(now)?;
        let first = self.user.enter(self.key, before, now).await?;
        let place = self.user.places.acquire().await.expect("it is never closed");
        // Who waited for a place may have waited for a failure.
        self.user.check(self.key, before, now)?;
        let gave = login::login(&self.client, &self.credentials, now).await;
        drop(place);
        let gave = self.learn(gave, now);
        drop(first);
        gave
    }

    /// Unless another proof is held by now, the next who asks logs in again.
    pub fn doubt(&self, proof: &Proof) {
        let mut state = lock(&self.state);
        if state.held.as_ref().is_some_and(|held| held.proof.is(proof)) {
            state.held = None;
            state.doubted = true;
        }
    }

    fn usable(&self, now: Timestamp) -> Result<Option<Arc<Held>>, CloudError> {
        let state = lock(&self.state);
        let put_off = state.put_off.is_some_and(|at| is_near(at, now, REFUSED_FOR));
        let until = |held: &Held| if put_off { held.expires_at } else { held.renew_at };
        if let Some(held) = state.held.as_ref().filter(|held| now < until(held)) {
            return Ok(Some(Arc::clone(held)));
        }
        match state.refused.as_ref().filter(|refusal| refusal.holds(now)) {
            Some(refusal) => Err(refusal.error()),
            None => Ok(None),
        }
    }

    /// What is held, where nothing newer can be had. The next try is a minute away: each costs time.
    fn still(&self, error: &CloudError, now: Timestamp) -> Option<Arc<Held>> {
        let mut state = lock(&self.state);
        let held = state.held.as_ref().filter(|held| now < held.expires_at).map(Arc::clone)?;
        state.put_off = Some(now);
        warn!("a login could not be renewed; the old one goes on while it is good: {error}");
        Some(held)
    }

    fn count_renewal(&self, now: Timestamp) -> Result<(), CloudError> {
        let mut state = lock(&self.state);
        if std::mem::take(&mut state.doubted) {
            state.renewals.retain(|at| is_near(*at, now, REFUSED_FOR));
            if state.renewals.len() >= DOUBTS {
                state.doubted = true;
                return Err(CloudError::Refused {
                    reason: format!(
                        "services refuse each token of the login at `{}` as soon as it is issued",
                        self.credentials.auth_url
                    ),
                    fix: "check that the region and the project belong together".to_owned(),
                });
            }
            state.renewals.push(now);
        }
        Ok(())
    }

    fn learn(&self, gave: Result<Held, login::Failure>, now: Timestamp) -> Result<Arc<Held>, CloudError> {
        let mut state = lock(&self.state);
        match gave {
            Ok(held) => {
                self.user.good(now);
                let held = Arc::new(held);
                state.held = Some(Arc::clone(&held));
                (state.refused, state.put_off) = (None, None);
                Ok(held)
            }
            Err(failure) => {
                if let CloudError::Refused { reason, fix } = &failure.error {
                    let refusal = Refusal { at: now, reason: reason.clone(), fix: fix.clone() };
                    if failure.of_user {
                        self.user.refused(self.key, &refusal, now);
                    }
                    state.refused = Some(refusal);
                } else {
                    self.user.failed(&failure.error);
                }
                Err(failure.error)
            }
        }
    }
}

impl User {
    fn new() -> Self {
        Self { places: Semaphore::new(AT_ONCE), first: Turn::default(), state: Mutex::default() }
    }

    /// Waits while another login finds out whether the password is right.
    async fn enter(
        &self,
        login: [u8; 32],
        failures: u64,
        now: Timestamp,
    ) -> Result<Option<tokio::sync::MutexGuard<'_, ()>>, CloudError> {
        if lock(&self.state).is_good(now) {
            return Ok(None);
        }
        let first = self.first.lock().await;
        self.check(login, failures, now)?;
        Ok((!lock(&self.state).is_good(now)).then_some(first))
    }

    /// Whether there is a reason not to ask.
    fn check(&self, login: [u8; 32], failures: u64, now: Timestamp) -> Result<(), CloudError> {
        let mut state = lock(&self.state);
        if state.failures != failures
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        if let Some(locked) = &mut state.refused {
            let own = locked.by == login;
            // The others first: it may be this one's project that is wrong.
            let still = own && locked.turned_away && is_near(locked.refusal.at, now, 2 * REFUSED_FOR);
            if locked.refusal.holds(now) || still {
                locked.turned_away |= !own;
                return Err(if own { locked.refusal.error() } else { locked.refusal.of_another() });
            }
        }
        Ok(())
    }

    fn good(&self, now: Timestamp) {
        let mut state = lock(&self.state);
        (state.good, state.refused, state.strikes) = (Some(now), None, 0);
    }

    fn refused(&self, login: [u8; 32], refusal: &Refusal, now: Timestamp) {
        let mut state = lock(&self.state);
        state.strikes += 1;
        if !state.is_good(now) || state.strikes > STRIKES {
            let refusal = refusal.clone();
            state.good = None;
            state.refused = Some(Locked { refusal, by: login, turned_away: false });
        }
    }

    fn failed(&self, error: &CloudError) {
        let mut state = lock(&self.state);
        state.failures += 1;
        state.failure = Some(error.clone());
    }
}

impl Standing {
    fn is_good(&self, now: Timestamp) -> bool {
        self.good.is_some_and(|at| is_near(at, now, GOOD_FOR))
    }
}

impl Pool {
    /// A refusal is remembered even when a reload has made every session anew.
    fn forget(&mut self) {
        self.clients.retain(|_, client| client.strong_count() > 0);
        self.logins.retain(|_, login| login.strong_count() > 0);
        self.users.retain(|_, user| Arc::strong_count(user) > 1 || lock(&user.state).refused.is_some());
    }
}

/// In both directions: who waited for a turn comes with the time at which the wait began.
fn is_near(one: Timestamp, other: Timestamp, within: Duration) -> bool {
    clock::since(one, other).max(clock::since(other, one)) < within
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
