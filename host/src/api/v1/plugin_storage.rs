//! `/v1/plugins/{name}/kv`: the key-value storage of a plugin, for operators.
//!
//! A value is any bytes, so it is read as base64, and as text too if it is text; it is written as
//! either. A key is text, and stands in the query: it may contain slashes, which proxies would
//! change in a path. A call names its namespace, because a session that is left out by mistake must
//! not mean another namespace.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    api::{
        bodies::Bodies,
        error::{ApiError, Code},
        extract::{JsonBody, NoParams, Params},
        object,
        openapi::{Operation, STORE},
        route::{Need::All, Routes},
        time::Time,
    },
    config::Scope::Admin,
    model::ClientId,
    services::{Expected, KvKey, KvValue, Namespace, PluginStorage, StorageFailure},
};

/// The default and the largest number of keys of a page.
const PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;

pub(super) fn routes() -> Routes {
    let of = |id, summary| {
        Operation::new(id, summary)
            .refuses(&[Code::NotFound])
            .refuses(STORE)
    };
    let within = |id, summary| of(id, summary).refuses(&[Code::InvalidClientId]);
    Routes::new()
        .get(
            "/v1/plugins/{name}/kv",
            All(Admin),
            overview,
            of(
                "getPluginStorage",
                "The namespaces in which a plugin stores keys, with their bytes and the quota",
            ),
        )
        .get(
            "/v1/plugins/{name}/kv/keys",
            All(Admin),
            keys,
            within("listPluginKeys", "One page of a plugin's keys, in byte order")
                .more("Requires either `session` or `shared=true`. A key that has expired is not listed."),
        )
        .get(
            "/v1/plugins/{name}/kv/entry",
            All(Admin),
            get,
            within("getPluginKey", "A key of a plugin with its value")
                .more("Requires either `session` or `shared=true`."),
        )
        .post_large(
            "/v1/plugins/{name}/kv/entry",
            All(Admin),
            set,
            within("setPluginKey", "Writes a key of a plugin, and answers with the new entry")
                .more("Requires either `session` or `shared=true`: the namespace that the plugin's grants give it. The plugin sees the value from its next call on.")
                .refuses(&[
                    Code::InvalidBody,
                    Code::VersionConflict,
                    Code::GrantMissing,
                    Code::QuotaExceeded,
                ]),
        )
        .delete(
            "/v1/plugins/{name}/kv/entry",
            All(Admin),
            delete,
            within("deletePluginKey", "Deletes a key of a plugin")
                .more("Requires either `session` or `shared=true`."),
        )
}

impl From<StorageFailure> for ApiError {
    fn from(failure: StorageFailure) -> Self {
        let words = failure.to_string();
        match failure {
            StorageFailure::UnknownPlugin(_) => Self::new(Code::NotFound, words),
            StorageFailure::NotGranted(_) => Self::new(Code::GrantMissing, words),
            StorageFailure::TooLarge => Self::new(Code::InvalidBody, words),
            StorageFailure::QuotaExceeded(quota) => {
                Self::new(Code::QuotaExceeded, words).with("quota", quota)
            }
            StorageFailure::Unexpected(_) => Self::new(Code::VersionConflict, words),
            StorageFailure::Store(error) => error.into(),
        }
    }
}

/// What a plugin stores.
#[derive(Debug, Serialize, JsonSchema)]
struct PluginStorageReport {
    /// The grant `kv`; null if the plugin has none, so that only what an earlier grant has left is
    /// here.
    grant: Option<Grant>,
    /// The namespaces that have keys.
    namespaces: Vec<NamespaceReport>,
}

/// A plugin's grant of storage.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PluginStorageGrant")]
struct Grant {
    /// The most bytes of keys and values in each namespace.
    quota: u64,
    /// Whether all sessions share one namespace. If not, each session has its own.
    shared: bool,
}

/// A namespace of a plugin.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PluginNamespace")]
struct NamespaceReport {
    /// The session; null for the namespace that all sessions share.
    session: Option<ClientId>,
    /// The bytes of its keys and values.
    bytes: u64,
}

/// `GET /v1/plugins/{name}/kv`: the namespaces of a plugin.
async fn overview(
    State(storage): State<Arc<dyn PluginStorage>>,
    Path(name): Path<String>,
    _: NoParams,
) -> Result<Json<PluginStorageReport>, ApiError> {
    let found = storage.overview(&name).await?;
    let grant = found.grant.map(|grant| Grant {
        quota: grant.quota,
        shared: grant.shared,
    });
    let namespaces = found.namespaces.into_iter().map(|usage| NamespaceReport {
        session: usage.session,
        bytes: usage.bytes,
    });
    Ok(Json(PluginStorageReport {
        grant,
        namespaces: namespaces.collect(),
    }))
}

/// The namespace that a query names.
fn namespace(session: Option<&str>, shared: Option<bool>) -> Result<Namespace, ApiError> {
    match (session, shared) {
        (Some(session), None | Some(false)) => Ok(Some(session.parse()?)),
        (None, Some(true)) => Ok(None),
        _ => Err(ApiError::new(
            Code::InvalidQuery,
            "expected either session=<id>, for the namespace of a session, or shared=true, for the one of all sessions",
        )),
    }
}

/// The keys of a page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The session whose namespace is meant.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    session: Option<String>,
    /// `true` for the namespace that all sessions share.
    shared: Option<bool>,
    /// Only keys that begin with this text.
    prefix: Option<String>,
    /// The number of keys per page, 1 to 1000; default 100.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// The `next` of the previous page.
    cursor: Option<String>,
}

/// One page of keys.
#[derive(Debug, Serialize, JsonSchema)]
struct PluginKeyPage {
    /// The keys, in byte order.
    keys: Vec<PluginKey>,
    /// The `cursor` of the next page; null after the last page.
    next: Option<String>,
}

/// A key without its value.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PluginKey {
    /// The key.
    key: String,
    /// The bytes of its value.
    bytes: u64,
    /// Its version, which every write changes.
    version: u64,
    /// When it expires; null if it does not.
    expires_at: Option<Time>,
}

impl From<KvKey> for PluginKey {
    fn from(key: KvKey) -> Self {
        Self {
            key: key.key,
            bytes: key.bytes,
            version: key.version,
            expires_at: key.expires_at.map(Time::from),
        }
    }
}

/// `GET /v1/plugins/{name}/kv/keys`: one page of keys.
async fn keys(
    State(storage): State<Arc<dyn PluginStorage>>,
    Path(name): Path<String>,
    Params(which): Params<Which>,
) -> Result<Json<PluginKeyPage>, ApiError> {
    let namespace = namespace(which.session.as_deref(), which.shared)?;
    let limit = which.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::new(
            Code::InvalidQuery,
            format!("limit must be 1 to {MAX_PAGE}"),
        ));
    }
    let prefix = which.prefix.as_deref().unwrap_or_default();
    // One key more than the page has, so that the last page is known as such.
    let mut found = storage
        .keys(
            &name,
            &namespace,
            prefix,
            which.cursor.as_deref(),
            limit + 1,
        )
        .await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| last.key.clone());
    Ok(Json(PluginKeyPage {
        keys: found.into_iter().map(PluginKey::from).collect(),
        next,
    }))
}

/// A key in a namespace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Place {
    /// The key, 1 to 512 bytes.
    key: String,
    /// The session whose namespace is meant.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    session: Option<String>,
    /// `true` for the namespace that all sessions share.
    shared: Option<bool>,
}

/// A key with its value.
#[derive(Debug, Serialize, JsonSchema)]
struct PluginEntry {
    #[serde(flatten)]
    key: PluginKey,
    /// The value in base64.
    base64: String,
    /// The value as text; null if it is not UTF-8.
    text: Option<String>,
}

impl From<KvValue> for PluginEntry {
    fn from(found: KvValue) -> Self {
        Self {
            key: found.key.into(),
            base64: STANDARD.encode(&found.value),
            text: String::from_utf8(found.value).ok(),
        }
    }
}

fn no_key() -> ApiError {
    ApiError::new(
        Code::NotFound,
        "the plugin has no such key in this namespace, or it has expired",
    )
}

/// `GET /v1/plugins/{name}/kv/entry`: one key with its value.
async fn get(
    State(storage): State<Arc<dyn PluginStorage>>,
    Path(name): Path<String>,
    Params(place): Params<Place>,
) -> Result<Json<PluginEntry>, ApiError> {
    let namespace = namespace(place.session.as_deref(), place.shared)?;
    let found = storage.get(&name, &namespace, &place.key).await?;
    Ok(Json(found.ok_or_else(no_key)?.into()))
}

/// A value to write: either as text or in base64.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewPluginValue")]
struct NewValue {
    /// The value as text.
    text: Option<String>,
    /// The value in base64, with padding.
    base64: Option<String>,
    /// When the key expires, in milliseconds from now, at least 1; default: never.
    #[schemars(range(min = 1))]
    ttl_ms: Option<u64>,
    /// Writes only over this version; `0` writes only if the key does not exist. Default: writes
    /// always.
    if_version: Option<u64>,
}

fn wrong_body(field: &'static str, words: impl Into<String>) -> ApiError {
    ApiError::new(Code::InvalidBody, words).with("field", Value::from(field))
}

impl NewValue {
    fn bytes(&self) -> Result<Vec<u8>, ApiError> {
        match (&self.text, &self.base64) {
            (Some(text), None) => Ok(text.clone().into_bytes()),
            (None, Some(base64)) => STANDARD.decode(base64).map_err(|error| {
                wrong_body(
                    "base64",
                    format!("base64 must be base64 of the standard alphabet with padding: {error}"),
                )
            }),
            _ => Err(wrong_body(
                "text",
                "expected either text or base64: the value of the key",
            )),
        }
    }

    fn ttl(&self) -> Result<Option<Duration>, ApiError> {
        match self.ttl_ms {
            Some(0) => Err(wrong_body(
                "ttlMs",
                "ttlMs must be at least 1; leave it out for a key that does not expire",
            )),
            ttl => Ok(ttl.map(Duration::from_millis)),
        }
    }
}

/// `POST /v1/plugins/{name}/kv/entry`: writes one key.
async fn set(
    State(storage): State<Arc<dyn PluginStorage>>,
    State(bodies): State<Arc<Bodies>>,
    Path(name): Path<String>,
    Params(place): Params<Place>,
    JsonBody(body, PhantomData): JsonBody<NewValue>,
) -> Result<Json<PluginEntry>, ApiError> {
    let namespace = namespace(place.session.as_deref(), place.shared)?;
    let read = || {
        let new: NewValue = object::from_slice(&body)?;
        Ok::<_, ApiError>((new.bytes()?, new.ttl()?, new.if_version))
    };
    let (value, ttl, version) = bodies.apart(body.len(), read).await?;
    let expected = match version {
        None => Expected::Any,
        Some(0) => Expected::Absent,
        Some(version) => Expected::Version(version),
    };
    storage
        .set(&name, &namespace, &place.key, expected, &value, ttl)
        .await?;
    // Read again for its version. Another call of the plugin may have changed or deleted it since.
    let found = storage.get(&name, &namespace, &place.key).await?;
    Ok(Json(found.ok_or_else(no_key)?.into()))
}

/// The number of deleted keys.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeletedPluginKeys")]
struct Deleted {
    /// Always 1.
    deleted: u64,
}

/// `DELETE /v1/plugins/{name}/kv/entry`: deletes one key.
async fn delete(
    State(storage): State<Arc<dyn PluginStorage>>,
    Path(name): Path<String>,
    Params(place): Params<Place>,
) -> Result<Json<Deleted>, ApiError> {
    let namespace = namespace(place.session.as_deref(), place.shared)?;
    if storage.delete(&name, &namespace, &place.key).await? {
        Ok(Json(Deleted { deleted: 1 }))
    } else {
        Err(no_key())
    }
}
