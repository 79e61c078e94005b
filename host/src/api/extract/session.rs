//! Extractors of the session that a call concerns: from the path, or from the query of the original
//! service's calls.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts, RawPathParams},
    http::request::Parts,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::query::Params;
use crate::{
    api::{app::Defaults, error::ApiError},
    model::ClientId,
};

/// The session of the path, `/v1/sessions/{id}/…`.
#[derive(Debug)]
pub(in crate::api) struct Session(pub(in crate::api) ClientId);

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(path_part(parts, state, "id").await?.parse()?))
    }
}

/// A path parameter by its name in the route; empty when the route does not have it.
pub(super) async fn path_part<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    name: &str,
) -> Result<String, ApiError> {
    let all = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| ApiError::path_not_utf8())?;
    let part = all.iter().find(|(known, _)| *known == name);
    Ok(part.map(|(_, part)| part.to_owned()).unwrap_or_default())
}

/// `?clientId=`: the session of a call of the original service. Without it the default session is
/// meant, because the original service had only one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct ClientQuery {
    /// The id of the session; default: the default session.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    pub(in crate::api) client_id: Option<String>,
}

impl ClientQuery {
    /// The session that is meant.
    pub(in crate::api) fn client(&self, defaults: &Defaults) -> Result<ClientId, ApiError> {
        self.client_id
            .as_ref()
            .map_or_else(|| Ok(defaults.client.clone()), |id| Ok(id.parse()?))
    }
}

/// The session of the query, or the default one.
#[derive(Debug)]
pub(in crate::api) struct Client(pub(in crate::api) ClientId);

impl<S: Send + Sync> FromRequestParts<S> for Client
where
    Arc<Defaults>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Params(query) = Params::<ClientQuery>::from_request_parts(parts, state).await?;
        query.client(&Arc::<Defaults>::from_ref(state)).map(Self)
    }
}
