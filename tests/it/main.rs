//! One integration crate. Outside parties are real programs speaking real protocols.

#![expect(clippy::unwrap_used, reason = "clippy knows only test functions as tests, not what they share")]

mod archive;
mod backtest;
mod case;
mod check;
mod cli;
mod convert;
mod customer;
mod deliver;
mod demo;
mod docs;
mod doctor;
mod emulator;
mod endpoint;
mod examples;
mod explain;
mod export;
mod http;
mod inbox;
mod ingest;
mod kill;
mod login;
mod lsp;
mod moto;
mod outage;
mod pack;
mod preview;
mod push;
mod reload;
mod ring;
mod rooms;
mod rule;
mod schema;
mod site;
mod source;
mod store;
mod storm;
mod trouble;
mod watch;
mod world;
