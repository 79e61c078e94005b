//! The gateway's own calls, below `/v1`.

mod bulk;
mod candidates;
mod decisions;
mod deliveries;
mod held;
mod history;
mod linking;
mod messages;
mod passkey;
mod plugin_storage;
mod plugins;
mod send;
mod sending;
mod sessions;

pub(super) use self::{
    passkey::{Credential, Passkey},
    send::parse as parse_message,
};
use super::route::Routes;

/// The calls of this layer.
pub(super) fn routes() -> Routes {
    Routes::new()
        .merge(sessions::routes())
        .merge(linking::routes())
        .merge(passkey::routes())
        .merge(plugins::routes())
        .merge(send::routes())
        .merge(sending::routes())
        .merge(held::routes())
        .merge(bulk::routes())
        .merge(messages::routes())
        .merge(decisions::routes())
        .merge(deliveries::routes())
        .merge(plugin_storage::routes())
        .merge(candidates::routes())
}
