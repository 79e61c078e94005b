//! What the methods of the API have in common.

use axum::http::Method;

/// Whether calls with this method may have a body. Of any other call, a body is discarded.
pub(super) fn takes_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT)
}
