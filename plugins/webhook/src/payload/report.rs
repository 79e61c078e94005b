//! The events about the gateway itself and its sessions, which receivers get as the JSON that the
//! gateway's API documents for them.

use serde_json::{Value, json};
use wharf_plugin::{
    Account, BridgeFault, Notices, PairingCode, Passkey, Quarantine, Relinked, Restriction,
    Timestamp, UnknownOutcome,
};

/// As RFC 3339 with milliseconds.
fn rfc3339(at: Timestamp) -> String {
    i64::try_from(at)
        .ok()
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

fn account(account: &Account) -> Value {
    json!({"pn": account.pn, "lid": account.lid, "pushName": account.push_name})
}

pub(super) fn pairing_code(pairing: &PairingCode) -> Value {
    json!({
        "code": pairing.code,
        "expiresAt": rfc3339(pairing.expires_at),
        "attempt": pairing.attempt,
    })
}

pub(super) fn passkey(passkey: &Passkey) -> Value {
    let Passkey {
        stage,
        purpose,
        reason,
        ..
    } = passkey;
    if stage == "done" {
        return json!({"stage": stage, "purpose": purpose, "reason": reason});
    }
    let public_key: Option<Value> = passkey
        .public_key
        .as_deref()
        .and_then(|json| serde_json::from_str(json).ok());
    json!({
        "stage": stage,
        "purpose": purpose,
        "publicKey": public_key,
        "askedAt": passkey.asked_at.map(rfc3339),
        "codeWithout": passkey.code_without.map(rfc3339),
        "expiresAt": passkey.expires_at.map(rfc3339),
        "reason": reason,
    })
}

pub(super) fn notices(notices: &Notices) -> Value {
    json!({"notices": notices.notices})
}

pub(super) fn relinked(relinked: &Relinked) -> Value {
    json!({
        "previous": account(&relinked.previous),
        "account": relinked.account.as_ref().map(account),
        "held": {"messages": relinked.held_messages, "recipients": relinked.held_recipients},
    })
}

pub(super) fn restriction(restriction: &Restriction) -> Value {
    json!({
        "kind": restriction.kind,
        "code": restriction.code,
        "active": restriction.active,
        "since": restriction.since,
        "until": restriction.until,
    })
}

pub(super) fn unknown_outcome(unknown: &UnknownOutcome) -> Value {
    let to = &unknown.to;
    json!({
        "id": unknown.id,
        "reason": unknown.reason,
        "to": {"chat": to.chat, "pn": to.pn, "lid": to.lid},
        "final": unknown.is_final,
    })
}

pub(super) fn quarantine(quarantine: &Quarantine) -> Value {
    json!({
        "plugin": quarantine.plugin,
        "component": quarantine.component,
        "outcome": quarantine.outcome,
        "failures": quarantine.failures,
        "withinMs": quarantine.within_ms,
        "until": rfc3339(quarantine.until),
    })
}

pub(super) fn bridge_fault(fault: &BridgeFault) -> Value {
    json!({
        "place": fault.place,
        "error": fault.error,
        "count": fault.count,
        "since": rfc3339(fault.since),
    })
}
