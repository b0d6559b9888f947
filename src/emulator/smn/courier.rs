//! Carries messages to subscribers over HTTP(S): one attempt at once, up to six more with growing pauses.
//!
//! Tries again only after a 5xx or no answer; any other answer is the last one. An address that fails again and
//! again is left alone for a while, which counts as an attempt each time.

use std::{error::Error, sync::Arc};

use reqwest::{Client, redirect::Policy};
use tokio::task::JoinSet;

use super::{
    super::world::World,
    Settings,
    delivery::{Attempt, Delivery, Job, Outcome},
};
use crate::clock;

/// Runs until the emulator stops.
pub async fn carry(world: Arc<World>) {
    let wake = world.state().smn.waker();
    let mut client = None;
    let mut underway = JoinSet::new();
    loop {
        tokio::select! {
            () = world.stop.cancelled() => return,
            () = wake.notified() => {}
            Some(_) = underway.join_next() => continue,
        }
        loop {
            let Some(job) = world.state().smn.next_job() else { break };
            // Made when it is needed: reading the machine's certificates takes a moment.
            let client = client.get_or_insert_with(|| build(&world.settings.smn)).clone();
            underway.spawn(deliver(Arc::clone(&world), client, job));
        }
    }
}

fn build(settings: &Settings) -> Result<Client, String> {
    // A second installation is refused and harmless: the first one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder().timeout(settings.patience).redirect(Policy::none()).no_proxy();
    if let Some(pem) = &settings.ca {
        let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| chain(&error))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| chain(&error))
}

async fn deliver(world: Arc<World>, client: Result<Client, String>, job: Job) {
    let body = job.letter.seal(&world.signer);
    let mut pauses = world.settings.smn.pauses.iter();
    let outcome = loop {
        let wanted = world.state().smn.wanted(&job, clock::now());
        let delivery = match wanted {
            Ok(delivery) => delivery,
            Err(reason) => break Outcome::Dropped(reason),
        };
        let attempt = attempt(&world, &client, &delivery, &body).await;
        let (status, reason) = (attempt.status, attempt.reason.clone());
        world.state().smn.attempted(job.number, attempt);
        match status {
            Some(200..=299) => break Outcome::Delivered,
            Some(status @ ..=499) => break Outcome::Dropped(format!("the subscriber answered {status}")),
            _ if job.drop_at_once => break Outcome::Dropped("the topic drops what fails".to_owned()),
            _ => {}
        }
        let Some(pause) = pauses.next() else {
            let last = reason.or(status.map(|status| status.to_string())).unwrap_or_default();
            break Outcome::Dropped(format!("given up, at last: {last}"));
        };
        clock::sleep(*pause).await;
    };
    world.state().smn.ended(job.number, outcome);
}

async fn attempt(world: &World, client: &Result<Client, String>, delivery: &Delivery, body: &[u8]) -> Attempt {
    let at = clock::now();
    let failed = |reason: String| Attempt { at, status: None, reason: Some(reason) };
    if world.state().smn.is_blocked(&delivery.endpoint, at) {
        return failed("the address is blocked after many failures".to_owned());
    }
    let attempt = match client {
        Err(reason) => failed(reason.clone()),
        Ok(client) => {
            let mut request = client
                .post(&delivery.endpoint)
                .header("content-type", &world.settings.smn.content_type)
                .header("x-smn-message-type", delivery.kind)
                .header("x-smn-message-id", &delivery.message_id)
                .header("x-smn-topic-urn", &delivery.topic_urn);
            for (name, value) in &delivery.headers {
                request = request.header(name, value);
            }
            match request.body(body.to_vec()).send().await {
                Ok(answer) => Attempt { at, status: Some(answer.status().as_u16()), reason: None },
                Err(error) => failed(chain(&error.without_url())),
            }
        }
    };
    let settings = &world.settings.smn;
    let mut state = world.state();
    let standing = state.smn.standing(&delivery.endpoint);
    if attempt.status.is_some_and(|status| status < 500) {
        standing.failures = 0;
    } else {
        standing.failures += 1;
        if standing.failures >= settings.block_after {
            standing.blocked_until = Some(clock::plus(clock::now(), settings.block_for));
        }
    }
    attempt
}

/// An error with what caused it, the last link being the one that says what happened.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
