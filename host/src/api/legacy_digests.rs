//! Digests of requests as earlier versions of the gateway stored them with an `Idempotency-Key`.
//! Those versions stored one digest: of the request after the clock and the default region had been
//! applied. This is needed for as long as such keys are remembered (`[storage] keep_idempotency`;
//! those of bulk orders as long as the orders are kept).

use serde_json::{Value, json};

use super::idempotency::{NormalizedRequest, digest};
use crate::{
    model::{Contact, Content, Location, Region, Text, Timestamp},
    outbox::{BulkMessage, BulkRequest, Requested, SendRequest},
};

impl NormalizedRequest {
    /// The digests under which earlier versions may have stored this send. There are two if it has
    /// a `sendAt`, because they dropped a `sendAt` that had just passed. `call` is the parsed
    /// request, with its times as given.
    pub(super) fn earlier_send(&self, region: Option<Region>, call: &SendRequest) -> Vec<String> {
        let content = match &call.content {
            Requested::Content(content) => match earlier_content(content) {
                Some(content) => content,
                None => return vec![],
            },
            Requested::Template(t) => {
                json!({"template": t.template, "locale": t.locale, "variables": t.variables})
            }
        };
        let Some(to) = self
            .0
            .get("to")
            .and_then(Value::as_str)
            .and_then(|to| earlier_digits(region, to))
        else {
            return vec![];
        };
        let with = |send_at: Option<Timestamp>| {
            let how = json!([
                call.reply_to,
                send_at,
                call.expires_at,
                call.priority,
                call.metadata
            ]);
            digest(&json!([call.client, to, content, how]))
        };
        either(call.send_at, with)
    }

    /// As [`NormalizedRequest::earlier_send`], for a bulk order.
    pub(super) fn earlier_bulk(
        &self,
        region: Option<Region>,
        request: &BulkRequest,
    ) -> Vec<String> {
        let written = self
            .0
            .get("recipients")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let digits: Option<Vec<String>> = written
            .map(|one| earlier_digits(region, one.get("to")?.as_str()?))
            .collect();
        let Some(digits) = digits else { return vec![] };
        let recipients: Vec<_> = digits
            .iter()
            .zip(&request.recipients)
            .map(|(to, (_, variables))| (to, variables))
            .collect();
        let with = |send_at: Option<Timestamp>| {
            let message = BulkMessage {
                send_at,
                ..request.message.clone()
            };
            digest(&json!([request.client, message, recipients]))
        };
        either(request.message.send_at, with)
    }
}

/// The content as it was serialized for those digests, which covered these kinds only. It must
/// never change, even if the present serialization does.
fn earlier_content(content: &Content) -> Option<Value> {
    match content {
        Content::Text(Text {
            body,
            mentions,
            preview_links,
        }) => Some(
            json!({"kind": "text", "body": body, "mentions": mentions, "preview_links": preview_links}),
        ),
        Content::Location(Location {
            latitude,
            longitude,
            name,
        }) => Some(
            json!({"kind": "location", "latitude": latitude, "longitude": longitude, "name": name}),
        ),
        Content::Contact(Contact {
            display_name,
            vcard,
        }) => Some(json!({"kind": "contact", "display_name": display_name, "vcard": vcard})),
        _ => None,
    }
}

/// The recipient as earlier versions read it: its digits only, with the calling code of the region
/// added to national numbers.
fn earlier_digits(region: Option<Region>, written: &str) -> Option<String> {
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    let digits = match region.map(Region::calling_code) {
        Some(prefix) if digits.starts_with('0') && !written.trim_start().starts_with('+') => {
            match digits.strip_prefix("00") {
                Some(rest) => rest.to_owned(),
                None => format!("{prefix}{}", digits.trim_start_matches('0')),
            }
        }
        _ => digits,
    };
    (!digits.is_empty()).then_some(digits)
}

fn either(send_at: Option<Timestamp>, with: impl Fn(Option<Timestamp>) -> String) -> Vec<String> {
    let mut digests = vec![with(send_at)];
    digests.extend(send_at.map(|_| with(None)));
    digests
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::model::Priority;

    #[test]
    fn rows_of_earlier_versions_are_found_by_the_digests_those_made() {
        let at = 4_070_941_200_000_i64;
        let normalized = NormalizedRequest::message(
            "default",
            json!({"to": "0151 23456789", "text": "hi", "sendAt": at})
                .to_string()
                .as_bytes(),
        )
        .expect("an object");
        let call = SendRequest {
            client: "default".parse().expect("id"),
            to: "4915123456789".parse().expect("number"),
            content: Requested::Content(Content::text("hi")),
            reply_to: None,
            send_at: Some(Timestamp(at)),
            expires_at: None,
            priority: Priority::Interactive,
            metadata: vec![("a".into(), "b".into())],
            idempotency: None,
        };
        // The text that the last version with one digest has hashed.
        let stored = |send_at: &str| {
            let content = r#"{"kind":"text","body":"hi","mentions":[],"preview_links":true}"#;
            let content: Value = serde_json::from_str(content).expect("json");
            let text = format!(
                r#"["default","4915123456789",{content},[null,{send_at},null,"interactive",[["a","b"]]]]"#
            );
            hex::encode(Sha256::digest(text))
        };
        assert_eq!(
            normalized.earlier_send("DE".parse().ok(), &call),
            [stored("4070941200000"), stored("null")]
        );
        let soon = SendRequest {
            send_at: None,
            ..call
        };
        assert_eq!(
            normalized.earlier_send("DE".parse().ok(), &soon),
            [stored("null")]
        );
        assert_eq!(
            normalized.earlier_send(None, &soon).len(),
            1,
            "a number that could not be read has no row"
        );
    }
}
