//! The name of a plugin in a path.

use axum::{extract::FromRequestParts, http::request::Parts};

use super::session::path_part;
use crate::api::error::ApiError;

/// The name of the path, `/v1/plugins/{name}/…`. It may be any text: a name that no plugin has is
/// answered 404.
#[derive(Debug)]
pub(in crate::api) struct PluginName(pub(in crate::api) String);

impl<S: Send + Sync> FromRequestParts<S> for PluginName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        path_part(parts, state, "name").await.map(Self)
    }
}
