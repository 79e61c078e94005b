//! The action at the end of a path, `/v1/sessions/{id}/{verb}`.

use axum::{extract::FromRequestParts, http::request::Parts};

use super::session::path_part;
use crate::api::error::{ApiError, Code};

/// The actions of one path.
pub(in crate::api) trait Actions: Copy + Send + 'static {
    /// All actions with their names, which are the last segment of the path.
    const ALL: &'static [(&'static str, Self)];

    /// Their names.
    fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(name, _)| *name)
    }
}

/// The requested action. A path that ends in another name is answered 404.
#[derive(Debug)]
pub(in crate::api) struct Action<A>(pub(in crate::api) A);

impl<S: Send + Sync, A: Actions> FromRequestParts<S> for Action<A> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let verb = path_part(parts, state, "verb").await?;
        let known = A::ALL.iter().find(|(name, _)| *name == verb);
        known.map(|(_, action)| Self(*action)).ok_or_else(|| {
            let names: Vec<&str> = A::names().collect();
            let (last, others) = names
                .split_last()
                .map_or(("", &[][..]), |(last, others)| (*last, others));
            ApiError::new(
                Code::NotFound,
                format!(
                    "unknown action {verb:?}; expected {} or {last}",
                    others.join(", ")
                ),
            )
        })
    }
}
