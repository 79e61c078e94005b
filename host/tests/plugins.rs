//! The plugin host with real components: good ones work, and bad ones fail with a named outcome
//! while the host continues to serve.
//!
//! The guests are built from `tests/guests`; when they are missing, a test fails with the command
//! that builds them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "plugins/bundled.rs"]
mod bundled;
#[path = "plugins/calls.rs"]
mod calls;
#[path = "plugins/candidates.rs"]
mod candidates;
#[path = "plugins/capabilities.rs"]
mod capabilities;
#[path = "plugins/grants.rs"]
mod grants;
#[path = "plugins/hostile/mod.rs"]
mod hostile;
#[path = "plugins/http.rs"]
mod http;
#[path = "plugins/kept.rs"]
mod kept;
#[path = "plugins/life.rs"]
mod life;
#[path = "plugins/loading.rs"]
mod loading;
#[path = "plugins/notifiers.rs"]
mod notifiers;
#[path = "plugins/points.rs"]
mod points;
#[path = "plugins/polyglot.rs"]
mod polyglot;
#[path = "plugins/reach.rs"]
mod reach;
#[allow(dead_code, reason = "the unit tests use more of it")]
#[path = "../src/events/tests/receiver.rs"]
mod receiver;
#[path = "plugins/room.rs"]
mod room;
#[path = "plugins/support.rs"]
mod support;
#[path = "plugins/web.rs"]
mod web;
