//! The payload of an event in WAHA's format.
//!
//! Clients of WAHA read fields without checking whether they exist, so the common fields of a
//! message are always present, empty if necessary. A test generates `events.schema.json` from these
//! types, which the gateway's OpenAPI document includes.

pub(crate) mod ack;
mod address;
pub(crate) mod message;
mod report;
pub(crate) mod session;

use serde::Serialize;
use serde_json::{Value, json};
use wharf_plugin::{Envelope, Event};

use ack::acknowledgement;
use message::{failed_message, received_message, sent_message};
use session::session_status;

/// The account of the session.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "WebhookAccount")
)]
pub(crate) struct Account {
    /// The number with `@c.us` if it is known, otherwise the opaque id with `@lid`; empty if
    /// neither is known.
    id: String,
    /// The opaque id, `…@lid`, when known.
    lid: Option<String>,
    /// The name that the account gives itself; empty when not known.
    push_name: String,
}

/// The gateway, in the field in which WAHA describes itself.
#[derive(Debug, Serialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "WebhookEnvironment")
)]
pub(crate) struct Environment<'a> {
    /// The version of the gateway.
    version: &'a str,
    /// The same as `engine` of the event.
    engine: &'a str,
    /// Always `CORE`.
    tier: &'a str,
    /// Always empty.
    browser: &'a str,
    /// Always `wharf`.
    platform: &'a str,
    /// In WAHA a worker of a cluster; here without an id.
    worker: Worker,
}

/// A worker of a cluster, which the gateway does not have.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookWorker"))]
struct Worker {
    /// Always null.
    id: Option<String>,
}

/// The `payload` of the body.
///
/// # Errors
/// If it cannot be serialized as JSON.
pub(crate) fn of(envelope: &Envelope, session: &str) -> serde_json::Result<Value> {
    let me = me_id(envelope.account.as_ref());
    match &envelope.event {
        Event::SessionState(change) => {
            serde_json::to_value(session_status(change, session, envelope.at))
        }
        Event::Qr(qr) => serde_json::to_value(session::qr(qr)),
        Event::MessageSent(sent) => serde_json::to_value(sent_message(sent, me, envelope.at)),
        Event::MessageFailed(failure) => {
            serde_json::to_value(failed_message(failure, me, envelope.at))
        }
        Event::MessageAck(ack) => serde_json::to_value(acknowledgement(ack, me)),
        Event::MessageReceived(message) => serde_json::to_value(received_message(message, me)),
        Event::MessageUnknown(unknown) => Ok(report::unknown_outcome(unknown)),
        Event::PairingCode(pairing) => Ok(report::pairing_code(pairing)),
        Event::Passkey(passkey) => Ok(report::passkey(passkey)),
        Event::Notices(notices) => Ok(report::notices(notices)),
        Event::Relinked(relinked) => Ok(report::relinked(relinked)),
        Event::Restriction(restriction) => Ok(report::restriction(restriction)),
        Event::Quarantine(quarantine) => Ok(report::quarantine(quarantine)),
        Event::BridgeFault(fault) => Ok(report::bridge_fault(fault)),
        // An event that the plugin contract does not model is passed on unchanged.
        Event::Other(other) => {
            Ok(serde_json::from_str(&other.json).unwrap_or_else(|_| json!({"text": other.json})))
        }
        _ => Ok(json!({})),
    }
}

pub(crate) fn me(account: Option<&wharf_plugin::Account>) -> Option<Account> {
    let account = account?;
    let push_name = account.push_name.clone().unwrap_or_default();
    Some(Account {
        id: me_id(Some(account)).to_owned(),
        lid: account.lid.clone(),
        push_name,
    })
}

pub(crate) fn environment(gateway: &str) -> Environment<'_> {
    Environment {
        version: gateway,
        engine: crate::ENGINE,
        tier: "CORE",
        browser: "",
        platform: "wharf",
        worker: Worker { id: None },
    }
}

fn me_id(account: Option<&wharf_plugin::Account>) -> &str {
    account
        .and_then(|account| account.pn.as_deref().or(account.lid.as_deref()))
        .unwrap_or_default()
}
