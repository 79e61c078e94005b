//! The paths and answers of the original service.

pub(super) mod client;
pub(super) mod linking;
pub(super) mod maintenance;
pub(super) mod qr;
pub(super) mod send;
pub(super) mod status;
