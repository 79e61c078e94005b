//! Wharf: a self-hosted WhatsApp gateway where extensions dock.
//!
//! The binary `wharf` is the product; this library is the same code, split off so that benches and tests reach it.

pub mod api;
pub mod browser;
pub mod cli;
pub mod config;
pub mod events;
pub mod gateway;
pub mod model;
pub mod outbox;
pub mod plugins;
pub mod qr;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod whatsapp;
