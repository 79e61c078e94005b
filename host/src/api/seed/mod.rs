//! The calls of the original service, with its paths and response formats.

mod envelope;
mod linking;
mod maintenance;
mod qr;
mod send;
mod status;

pub(super) use self::{
    qr::{QrPicture, picture},
    status::SessionInfo,
};
use super::route::Routes;

/// The calls of this layer.
pub(super) fn routes() -> Routes {
    Routes::new()
        .merge(status::routes())
        .merge(qr::routes())
        .merge(send::routes())
        .merge(linking::routes())
        .merge(maintenance::routes())
}
