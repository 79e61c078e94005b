//! The gateway's own calls, below `/v1`.

pub(super) mod bulk;
pub(super) mod deliveries;
pub(super) mod held;
pub(super) mod linking;
pub(super) mod messages;
pub(super) mod passkey;
pub(super) mod send;
pub(super) mod sending;
pub(super) mod sessions;
