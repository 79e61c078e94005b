//! Sends events to web services, in the format that clients of WAHA expect.
//!
//! The plugin has three pure parts: which targets get an event (`filter`), what the signed request
//! contains (`payload`), and what a response means (`retry`). The host stores, sends and retries;
//! the plugin has no state.

mod config;
mod filter;
mod payload;
mod retry;
mod sign;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use wharf_plugin::{
    AttemptResult, CallContext, ConfigIssues, Envelope, Error, HttpRequest, Info, Judgement,
    Notifier, Plugin, secrets,
};

pub use config::Config;
use config::Target;
use payload::{Account, Environment};

/// Tells clients which of WAHA's engines the payloads follow.
const ENGINE: &str = "WEBJS";

/// The plugin.
#[derive(Debug)]
pub struct Webhook {
    targets: Vec<Target>,
}

impl Plugin for Webhook {
    const INFO: Info = Info::new(
        "webhook",
        env!("CARGO_PKG_VERSION"),
        "Sends events to web services, in the format that clients of WAHA expect.",
    )
    .config_schema(include_str!("../config.schema.json"))
    .events(&["*"]);
    type Config = Config;

    fn new(config: Config) -> Result<Self, ConfigIssues> {
        let mut issues = ConfigIssues::new();
        config.check(&mut issues);
        issues.or(Self {
            targets: config.targets,
        })
    }
}

impl Webhook {
    fn target(&self, name: &str) -> Result<&Target, Error> {
        let unknown = || {
            Error::InvalidInput(format!(
                "there is no target {name:?} in the configuration any more"
            ))
        };
        self.targets
            .iter()
            .find(|target| target.name == name)
            .ok_or_else(unknown)
    }
}

impl Notifier for Webhook {
    fn route(&self, ctx: &CallContext, envelope: &Envelope) -> Result<Vec<String>, Error> {
        let wants = |target: &&Target| {
            filter::wants_session(target, &ctx.session)
                && filter::event_name(target, envelope).is_some()
        };
        Ok(self
            .targets
            .iter()
            .filter(wants)
            .map(|target| target.name.clone())
            .collect())
    }

    fn request(
        &self,
        ctx: &CallContext,
        target: &str,
        envelope: &Envelope,
    ) -> Result<HttpRequest, Error> {
        let target = self.target(target)?;
        let body = body(ctx, target, envelope)?;
        let headers = headers(ctx, target, &body)?;
        let timeout_ms = target
            .timeout_seconds
            .map(|seconds| u32::from(seconds) * 1000);
        let mut request = HttpRequest::new("POST", &target.url).body(body);
        request.headers = headers;
        request.timeout_ms = timeout_ms;
        Ok(request)
    }

    fn judge(
        &self,
        ctx: &CallContext,
        target: &str,
        attempt: &AttemptResult,
    ) -> Result<Judgement, Error> {
        Ok(retry::judge(&self.target(target)?.retry, ctx, attempt))
    }
}

/// An event as a target gets it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookBody"))]
struct Body<'a> {
    /// The event's id, the same on every attempt and for every target. Receivers can use it to
    /// recognise repetitions.
    id: &'a str,
    /// When it happened, in milliseconds since the Unix epoch; the same on every attempt.
    timestamp: u64,
    /// The first of the event's names that the target has requested.
    event: &'a str,
    /// The session's id.
    session: &'a str,
    /// The pairs that the operator has set for the session.
    metadata: BTreeMap<&'a str, &'a str>,
    /// The account of the session; null while it is not known.
    me: Option<Account>,
    /// What happened; its fields depend on `event`.
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, Value>"))]
    payload: Value,
    /// The gateway.
    environment: Environment<'a>,
    /// Tells clients which of WAHA's engines the payload follows: always `WEBJS`.
    engine: &'static str,
    /// Whether the event was found after an outage and not observed when it happened.
    replayed: bool,
}

fn body(ctx: &CallContext, target: &Target, envelope: &Envelope) -> Result<Vec<u8>, Error> {
    let wrong = |error| Error::Internal(format!("write the event as JSON: {error}"));
    let body = Body {
        id: &envelope.id,
        timestamp: envelope.at,
        // A target whose filter has changed since the event was routed gets the first of the
        // event's names.
        event: filter::event_name(target, envelope).unwrap_or_else(|| filter::first_name(envelope)),
        session: &ctx.session,
        metadata: envelope
            .metadata
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect(),
        me: payload::me(envelope.account.as_ref()),
        payload: payload::of(envelope, &ctx.session).map_err(wrong)?,
        environment: payload::environment(&envelope.gateway),
        engine: ENGINE,
        replayed: envelope.replayed,
    };
    serde_json::to_vec(&body).map_err(wrong)
}

fn headers(
    ctx: &CallContext,
    target: &Target,
    body: &[u8],
) -> Result<Vec<(String, String)>, Error> {
    let mut headers: Vec<(String, String)> = target
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, secret) in &target.secret_headers {
        headers.push((name.clone(), granted(secret)?));
    }
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
    add("Content-Type", "application/json".into());
    add("X-Webhook-Request-Id", ctx.subject_id.clone());
    add("X-Webhook-Timestamp", ctx.now.to_string());
    if let Some(secret) = &target.hmac_secret {
        add(
            "X-Webhook-Hmac",
            sign::hmac_sha512(granted(secret)?.as_bytes(), body),
        );
        add("X-Webhook-Hmac-Algorithm", "sha512".into());
    }
    if !ctx.traceparent.is_empty() {
        add("traceparent", ctx.traceparent.clone());
    }
    Ok(headers)
}

fn granted(secret: &str) -> Result<String, Error> {
    secrets::get(secret).ok_or_else(|| {
        Error::NotGranted(format!(
            "the secret {secret:?} is not granted or not set; name it in the plugin's `secrets` grant and set the environment variable"
        ))
    })
}

wharf_plugin::export!(Webhook: notifier);

#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
