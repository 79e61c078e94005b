//! Recognises a repeated request by its `Idempotency-Key`, before anything is evaluated that may
//! have changed since the first request: the clock, limits, templates, plugins, the default region.
//!
//! So the digests are computed from the body as the caller wrote it, normalised so that two
//! spellings of one request are equal: fields of the original service get the names of `/v1`,
//! default values are left out, times become instants. Nothing is refused here: the digest of an
//! invalid body is simply one that was never stored.

use axum::http::HeaderMap;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    app::Defaults,
    caller::Caller,
    content,
    error::{ApiError, Code},
    object,
    recipient::whole,
    time::instant,
};
use crate::{
    model::{CallFields, ClientId, Kind, Region, Text, Timestamp},
    outbox::{Idempotency, Until},
};

const KEY: &str = "idempotency-key";
/// The most characters of an `Idempotency-Key`.
const MAX_KEY: usize = 255;
/// Fields of the original service with their names in `/v1`.
const NAMES: [(&str, &str); 3] = [
    ("number", "to"),
    ("message", "text"),
    ("clientId", "session"),
];

/// Whether the request has an `Idempotency-Key`.
pub(super) fn is_keyed(headers: &HeaderMap) -> bool {
    headers.contains_key(KEY)
}

/// A request as its caller wrote it, normalised.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NormalizedRequest(pub(super) Map<String, Value>);

impl NormalizedRequest {
    /// From a body of `POST /v1/sessions/{session}/messages`; none when it is not a JSON object.
    pub(super) fn message(session: &str, body: &[u8]) -> Option<Self> {
        let mut fields: Map<String, Value> = object::from_slice(body).ok()?;
        fields.insert("session".into(), session.into());
        Some(Self::tidied(fields, "interactive"))
    }

    /// From a body of `POST /api/whatsapp/send`; none when it is not a JSON object. `default` is the
    /// session of a body that names none.
    pub(super) fn seed(default: &ClientId, body: &[u8]) -> Option<Self> {
        let mut fields: Map<String, Value> = object::from_slice(body).ok()?;
        for (theirs, ours) in NAMES {
            if let Some(value) = fields.remove(theirs) {
                fields.insert(ours.into(), value);
            }
        }
        if fields.get("session").is_none_or(is_nothing) {
            fields.insert("session".into(), default.as_str().into());
        }
        Some(Self::tidied(fields, "interactive"))
    }

    /// From a body of `POST /v1/bulk`; none when it is not a JSON object.
    pub(super) fn bulk(body: &[u8]) -> Option<Self> {
        Some(Self::tidied(object::from_slice(body).ok()?, "bulk"))
    }

    fn tidied(mut fields: Map<String, Value>, priority: &str) -> Self {
        drop_nulls(&mut fields);
        fields.retain(|name, value| {
            !(is_nothing(value) || (name == "priority" && value == priority))
        });
        Text::tidy(&mut fields);
        if !fields.contains_key("template") {
            fields.remove("variables");
            fields.remove("locale");
        }
        for kind in kinds() {
            if let Some(Value::Object(fields)) = fields.get_mut(kind) {
                tidy_kind(kind, fields);
            }
        }
        for name in ["sendAt", "expiresAt"] {
            if let Some(at) = fields.get(name).and_then(|value| instant(name, value).ok()) {
                fields.insert(name.into(), at.0.into());
            }
        }
        if let Some(id) = fields.get("replyTo").and_then(bare) {
            fields.insert("replyTo".into(), id);
        }
        as_text(fields.get_mut("to"));
        for recipient in fields
            .get_mut("recipients")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Value::Object(recipient) = recipient {
                drop_nulls(recipient);
                as_text(recipient.get_mut("to"));
                recipient.retain(|_, value| !is_nothing(value));
            }
        }
        Self(fields)
    }

    /// The caller's key with the digests of this request. `earlier` are the digests that earlier
    /// versions would have stored.
    ///
    /// # Errors
    /// If the header is not 1 to 255 printable ASCII characters.
    pub(super) fn key(
        &self,
        defaults: &Defaults,
        headers: &HeaderMap,
        caller: &Caller,
        earlier: Vec<String>,
    ) -> Result<Idempotency, ApiError> {
        let wrong = || {
            ApiError::new(
                Code::InvalidIdempotencyKey,
                format!("Idempotency-Key must be 1 to {MAX_KEY} printable ASCII characters"),
            )
        };
        let key = headers
            .get(KEY)
            .and_then(|key| key.to_str().ok())
            .filter(|key| (1..=MAX_KEY).contains(&key.len()))
            .ok_or_else(wrong)?;
        let fingerprint = digest(
            &self.understood(&|written| recipient(defaults.region, written), &|mention| {
                content::mention(defaults.region, mention)
            }),
        );
        let written = Some(digest(&Value::Object(self.0.clone())));
        Ok(Idempotency {
            scope: caller.0.clone(),
            key: key.to_owned(),
            fingerprint,
            written,
            earlier,
        })
    }

    /// What the response to a repeated call waits for by default: as with the first call, only for
    /// acceptance while its `sendAt` lies ahead.
    pub(super) fn until(&self) -> Until {
        let ahead = self
            .0
            .get("sendAt")
            .and_then(Value::as_i64)
            .is_some_and(|at| at > Timestamp::now().0);
        if ahead { Until::Accepted } else { Until::Sent }
    }

    /// The request with its recipients and mentions as they are resolved now.
    fn understood(
        &self,
        to: &dyn Fn(&str) -> Option<String>,
        mention: &dyn Fn(&str) -> Option<String>,
    ) -> Value {
        let mut fields = self.0.clone();
        replace(fields.get_mut("to"), to);
        for recipient in fields
            .get_mut("recipients")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            replace(recipient.get_mut("to"), to);
        }
        mentions(fields.get_mut("mentions"), mention);
        for kind in kinds() {
            mentions(
                fields
                    .get_mut(kind)
                    .and_then(|fields| fields.get_mut("mentions")),
                mention,
            );
        }
        Value::Object(fields)
    }
}

/// Turns a recipient given as a JSON number into a string.
fn as_text(to: Option<&mut Value>) {
    if let Some(to) = to
        && let Value::Number(number) = to
    {
        let written = number.to_string();
        *to = whole(&written).unwrap_or(written).into();
    }
}

/// The recipient as it is resolved now; none when it cannot be read. Only the person or chat
/// counts, so another spelling is the same request.
fn recipient(region: Option<Region>, written: &str) -> Option<String> {
    super::recipient::read(region, written)
        .ok()
        .map(|recipient| recipient.to_string())
}

/// Names of the content fields of all kinds, including those that cannot be sent.
fn kinds() -> impl Iterator<Item = &'static str> {
    [true, false].into_iter().flat_map(CallFields::names)
}

/// Whether a value means the same as its absence.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Removes pairs and variables that are null.
fn drop_nulls(fields: &mut Map<String, Value>) {
    for name in ["metadata", "variables"] {
        if let Some(Value::Object(pairs)) = fields.get_mut(name) {
            pairs.retain(|_, value| !value.is_null());
        }
    }
}

fn tidy_kind(kind: &str, fields: &mut Map<String, Value>) {
    fields.retain(|_, value| !is_nothing(value));
    CallFields::tidy(kind, fields);
    if let Some(id) = fields.get("messageId").and_then(bare) {
        fields.insert("messageId".into(), id);
    }
}

fn bare(written: &Value) -> Option<Value> {
    content::bare(written.as_str()?)
        .ok()
        .map(|id| Value::String(id.0))
}

fn replace(place: Option<&mut Value>, read: &dyn Fn(&str) -> Option<String>) {
    if let Some(place) = place
        && let Some(read) = place.as_str().and_then(read)
    {
        *place = read.into();
    }
}

/// Resolves mentions and removes duplicates.
fn mentions(list: Option<&mut Value>, read: &dyn Fn(&str) -> Option<String>) {
    let Some(Value::Array(list)) = list else {
        return;
    };
    let mut once = Vec::with_capacity(list.len());
    for mut mention in list.drain(..) {
        replace(Some(&mut mention), read);
        if !once.contains(&mention) {
            once.push(mention);
        }
    }
    *list = once;
}

pub(super) fn digest(value: &Value) -> String {
    hex::encode(Sha256::digest(value.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn own(body: &Value) -> NormalizedRequest {
        NormalizedRequest::message("default", body.to_string().as_bytes()).expect("an object")
    }

    fn seed(body: &Value) -> NormalizedRequest {
        NormalizedRequest::seed(&"default".parse().expect("id"), body.to_string().as_bytes())
            .expect("an object")
    }

    /// Resolves with the region DE, or without a region.
    fn understood(normalized: &NormalizedRequest, region: bool) -> Value {
        let read = |text: &str| {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            match digits.strip_prefix('0') {
                None => Some(digits),
                Some(rest) => region.then(|| format!("49{rest}")),
            }
        };
        normalized.understood(&read, &read)
    }

    #[test]
    fn two_spellings_of_one_request_are_the_same() {
        let at = json!("2099-01-01T10:00:00+01:00");
        let all = [
            own(
                &json!({"to": "+49 151 1", "text": "hi", "sendAt": at, "linkPreview": true, "metadata": {}, "replyTo": "false_7@lid_3EB0AA"}),
            ),
            own(
                &json!({"text": "hi", "to": "491511", "sendAt": "2099-01-01T09:00:00Z", "expiresAt": null, "replyTo": "3EB0AA", "metadata": {"a": null}}),
            ),
            seed(
                &json!({"number": 491511, "message": "hi", "sendAt": 4_070_941_200_000_i64, "priority": "interactive", "replyTo": "3EB0AA"}),
            ),
            seed(
                &json!({"number": "(49) 1511", "message": "hi", "sendAt": at, "replyTo": "3EB0AA", "clientId": "default", "template": ""}),
            ),
        ];
        for normalized in &all {
            assert_eq!(understood(normalized, true), understood(&all[0], true));
        }
        let place = |latitude: Value| {
            own(
                &json!({"to": "1", "location": {"latitude": latitude, "longitude": 13, "name": ""}}),
            )
        };
        assert_eq!(place(json!(52)), place(json!(52.0)));
    }

    #[test]
    fn what_differs_in_what_was_asked_for_is_another_request() {
        let first = json!({"to": "491511", "text": "hi", "sendAt": "2099-01-01T09:00:00Z"});
        for (name, value) in [
            ("to", json!("491512")),
            ("text", json!("ho")),
            ("sendAt", json!("2099-01-01T09:00:01Z")),
            ("sendAt", Value::Null),
            ("expiresAt", json!("2099-02-01T09:00:00Z")),
            ("priority", json!("bulk")),
            ("linkPreview", json!(false)),
            ("metadata", json!({"a": "b"})),
            ("replyTo", json!("3EB0AA")),
            ("mentions", json!(["491513"])),
        ] {
            let mut other = first.clone();
            other[name] = value;
            assert_ne!(
                understood(&own(&other), true),
                understood(&own(&first), true),
                "{other}"
            );
        }
        let mine =
            NormalizedRequest::message("other", first.to_string().as_bytes()).expect("an object");
        assert_ne!(understood(&mine, true), understood(&own(&first), true));
    }

    #[test]
    fn the_same_words_are_the_same_request_whatever_the_region_makes_of_them() {
        let body = json!({"to": "0151 1", "text": "@0151 hi", "mentions": ["0151", "49151"]});
        assert_eq!(
            understood(&own(&body), true)["mentions"],
            json!(["49151"]),
            "each once"
        );
        assert_ne!(
            understood(&own(&body), true),
            understood(&own(&body), false)
        );
        assert_eq!(own(&body), own(&body));
    }

    #[test]
    fn what_is_no_object_has_no_digest() {
        for body in ["", "[]", "\"x\"", "{", "[\"4915123456789\",\"hi\"]"] {
            assert_eq!(
                NormalizedRequest::message("default", body.as_bytes()),
                None,
                "{body}"
            );
        }
    }
}
