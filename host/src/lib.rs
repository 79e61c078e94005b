//! Wharf: a self-hosted WhatsApp gateway where extensions dock.
//!
//! The product is the binary `wharf`. Its code is a library so that benchmarks and tests can call
//! it.

pub mod api;
pub mod browser;
pub mod cli;
pub mod config;
pub mod egress;
pub mod events;
pub mod files;
#[cfg(test)]
mod fuzz;
pub mod gateway;
pub mod model;
pub mod outbox;
pub mod plugins;
pub mod qr;
pub mod services;
pub mod session;
pub mod store;
pub mod tasks;
pub mod telemetry;
pub mod whatsapp;
pub mod workbench;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Settings of jemalloc: two arenas, and unused memory is returned to the system after a second, so
/// that the memory needed during the start is not kept for ever.
#[cfg(feature = "jemalloc")]
#[allow(
    non_upper_case_globals,
    unsafe_code,
    reason = "jemalloc looks for this symbol"
)]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static malloc_conf: &[u8] = b"narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0\0";
