//! Tests against the running binary, one binary so that it is linked once; a file per subject.
//!
//! A Chromium costs seconds on two cores, so checks that do not disturb each other share one, each
//! with its name in the error.

#![expect(clippy::expect_used, clippy::panic, reason = "tests")]

mod arrives;
mod attacks;
mod bad_plugins;
mod callers;
mod crash;
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
mod twice;
mod webhooks;
