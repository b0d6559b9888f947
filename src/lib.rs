//! Tracebell: the bell on a cloud account's audit log.
//!
//! ```text
//! source -> trace -> rule -> alert -> topic -> subscription -> outbox -> endpoint
//! ```
//!
//! Traces are pulled from a source, decoded, matched by rules, folded into
//! alerts, published to topics, and delivered through an outbox that shares a
//! transaction with the checkpoint. Imports point down only:
//!
//! ```text
//! rim    cli  app  config  http  lsp  telemetry
//! loops  ingest  deliver  sweep
//! ports  source  endpoint  store  emulator
//! door   cloud
//! logic  backtest  rule  ring  silence  topic  render  catalog  document  generation  backoff
//! logic  convert  rule  ring  topic  render  catalog  document  generation  backoff
//! words  trace  alert  notification  delivery  checkpoint  clock  health  metrics  secret  id
//! ```

// rim: the only rooms that see the configuration file
pub mod app;
pub mod cli;
pub mod config;
pub mod http;
pub mod lsp;
pub mod telemetry;

// loops: each with a `step` that tests call
pub mod deliver;
pub mod ingest;
pub mod sweep;

// ports: one outside party each, never each other
pub mod emulator;
pub mod endpoint;
pub mod source;
pub mod store;

// door: what ports that talk to the cloud share
pub mod cloud;

// logic: pure
pub mod backoff;
pub mod backtest;
pub mod catalog;
pub mod convert;
pub mod document;
pub mod generation;
pub mod render;
pub mod ring;
pub mod rule;
pub mod silence;
pub mod topic;

// words
pub mod alert;
pub mod checkpoint;
pub mod clock;
pub mod delivery;
pub mod health;
pub mod id;
pub mod metrics;
pub mod notification;
pub mod secret;
pub mod trace;
