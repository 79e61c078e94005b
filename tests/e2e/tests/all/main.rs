//! Tests of the running gateway, one file per subject. They are one binary, so that it is linked
//! once.
//!
//! Starting Chromium takes seconds on two cores, so checks that do not disturb each other share
//! one; the error names the check.

#![expect(clippy::expect_used, clippy::panic, reason = "tests")]

mod arrives;
mod attacks;
mod bad_plugins;
mod book;
mod callers;
mod crash;
mod decisions;
mod deliveries;
mod demo;
mod deployment;
mod doctor;
mod idempotency;
mod kinds;
mod manners;
mod messages;
mod offline;
mod operator;
mod pairing;
mod passkey;
mod plugin_life;
mod plugin_storage;
mod readme;
mod recipients;
mod restart;
mod retention;
mod secrets_in_logs;
mod seed_table;
mod sessions;
mod shared;
mod storage;
mod strangers;
mod sync_delay;
mod tls_names;
mod twice;
mod webhooks;
