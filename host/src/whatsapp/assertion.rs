//! Validates a passkey assertion before the page gets it: WhatsApp allows one cheap attempt, and
//! its refusal does not say what was wrong.
//!
//! The signature itself cannot be verified here, because only WhatsApp knows the public key of the
//! passkey.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The origin on which passkeys of WhatsApp accounts sign.
const ORIGIN: &str = "https://web.whatsapp.com";
/// The relying party id for options that name none: the host of the origin.
const DEFAULT_RP_ID: &str = "web.whatsapp.com";
/// The largest assertion in JSON, in bytes.
const LARGEST: usize = 16 << 10;
/// The length of rpIdHash, flags and counter together.
const SHORTEST_AUTHENTICATOR_DATA: usize = 37;
const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 4;

/// An assertion in the JSON form of the WebAuthn standard (base64url without padding), reduced to
/// the fields that the page reads.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assertion {
    id: String,
    raw_id: String,
    response: Response,
    authenticator_attachment: Option<String>,
    client_extension_results: Map<String, Value>,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    authenticator_data: String,
    signature: String,
    user_handle: Option<String>,
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion").finish_non_exhaustive()
    }
}

/// What is wrong with an assertion. The error repeats no text of the assertion except the origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionFault {
    /// Not JSON, too large, or a field with an invalid value.
    #[error("{field} must be {expected}")]
    Field {
        /// The path of the field in the JSON.
        field: &'static str,
        /// What the field must be.
        expected: &'static str,
    },
    /// The assertion answers another challenge.
    #[error(
        "it was made for another challenge than the one that is open: sign again with the newest options"
    )]
    WrongChallenge,
    /// The assertion was made on another page.
    #[error("it was made on {0}: WhatsApp accepts only what was signed on {ORIGIN}")]
    WrongOrigin(String),
    /// The assertion was made in a frame of another page.
    #[error("it was made in a frame inside of another page: open {ORIGIN} itself")]
    CrossOrigin,
    /// The assertion is of the passkey of another site.
    #[error("authenticatorData is for another site than the one the options name in rpId")]
    WrongSite,
    /// The authenticator reports that no user was present.
    #[error("authenticatorData says that no user was present (flag UP)")]
    NotPresent,
    /// The authenticator did not verify the user by fingerprint, face or PIN.
    #[error(
        "authenticatorData says that the user was not verified by fingerprint, face or PIN (flag UV), which the options require"
    )]
    NotVerified,
}

/// Reads an assertion that answers `options` (`PublicKeyCredentialRequestOptions` as JSON).
/// Standard base64 and padding are converted; fields that the page does not read are dropped.
///
/// # Errors
/// The first [`AssertionFault`] that is found.
pub fn check_assertion(json: &[u8], options: &Value) -> Result<Assertion, AssertionFault> {
    let whole = AssertionFault::Field {
        field: "the assertion",
        expected: "a JSON object as PublicKeyCredential.toJSON() makes it, up to 16 KiB",
    };
    if json.len() > LARGEST {
        return Err(whole);
    }
    let given: Value = serde_json::from_slice(json).map_err(|_| whole.clone())?;
    if !given.is_object() {
        return Err(whole);
    }
    if given["type"] != "public-key" {
        return Err(AssertionFault::Field {
            field: "type",
            expected: "\"public-key\"",
        });
    }
    let raw_id = bytes(&given["rawId"], "rawId")?;
    if raw_id.is_empty() || bytes(&given["id"], "id")? != raw_id {
        return Err(AssertionFault::Field {
            field: "id",
            expected: "the same bytes as rawId, and not empty",
        });
    }
    let response = &given["response"];
    let client_data = bytes(&response["clientDataJSON"], "response.clientDataJSON")?;
    let authenticator_data = bytes(&response["authenticatorData"], "response.authenticatorData")?;
    let signature = bytes(&response["signature"], "response.signature")?;
    if signature.is_empty() {
        return Err(AssertionFault::Field {
            field: "response.signature",
            expected: "not empty",
        });
    }
    let user_handle = match &response["userHandle"] {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        given => Some(bytes(given, "response.userHandle")?),
    };
    check_client_data(&client_data, options)?;
    check_authenticator_data(&authenticator_data, options)?;
    let attachment = given["authenticatorAttachment"]
        .as_str()
        .filter(|kind| matches!(*kind, "platform" | "cross-platform"));
    let id = BASE64URL.encode(raw_id);
    Ok(Assertion {
        raw_id: id.clone(),
        id,
        response: Response {
            client_data_json: BASE64URL.encode(client_data),
            authenticator_data: BASE64URL.encode(authenticator_data),
            signature: BASE64URL.encode(signature),
            user_handle: user_handle.map(|handle| BASE64URL.encode(handle)),
        },
        authenticator_attachment: attachment.map(ToOwned::to_owned),
        client_extension_results: prf(&given["clientExtensionResults"])?,
    })
}

fn check_client_data(client_data: &[u8], options: &Value) -> Result<(), AssertionFault> {
    let field = "response.clientDataJSON";
    let said: Value = serde_json::from_slice(client_data).map_err(|_| AssertionFault::Field {
        field,
        expected: "JSON inside",
    })?;
    if said["type"] != "webauthn.get" {
        return Err(AssertionFault::Field {
            field,
            expected: "of the type webauthn.get: the answer of navigator.credentials.get",
        });
    }
    let signed = bytes(&said["challenge"], field)?;
    let asked = options["challenge"]
        .as_str()
        .and_then(decode)
        .unwrap_or_default();
    if asked.is_empty() || signed != asked {
        return Err(AssertionFault::WrongChallenge);
    }
    match said["origin"].as_str() {
        Some(ORIGIN) => {}
        Some(other) => {
            return Err(AssertionFault::WrongOrigin(
                other
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(200)
                    .collect(),
            ));
        }
        None => {
            return Err(AssertionFault::Field {
                field,
                expected: "with an origin",
            });
        }
    }
    if said["crossOrigin"] == true {
        return Err(AssertionFault::CrossOrigin);
    }
    Ok(())
}

fn check_authenticator_data(data: &[u8], options: &Value) -> Result<(), AssertionFault> {
    let short = AssertionFault::Field {
        field: "response.authenticatorData",
        expected: "at least 37 bytes",
    };
    let (Some(rp_id_hash), Some(flags)) = (
        data.get(..32),
        data.get(32)
            .filter(|_| data.len() >= SHORTEST_AUTHENTICATOR_DATA),
    ) else {
        return Err(short);
    };
    let rp_id = options["rpId"].as_str().unwrap_or(DEFAULT_RP_ID);
    if rp_id_hash != Sha256::digest(rp_id).as_slice() {
        return Err(AssertionFault::WrongSite);
    }
    if flags & USER_PRESENT == 0 {
        return Err(AssertionFault::NotPresent);
    }
    if flags & USER_VERIFIED == 0 && options["userVerification"] == "required" {
        return Err(AssertionFault::NotVerified);
    }
    Ok(())
}

/// Keeps the result of the `prf` extension, the only one that the page reads.
fn prf(extensions: &Value) -> Result<Map<String, Value>, AssertionFault> {
    let mut kept = Map::new();
    let Some(results) = extensions["prf"]["results"].as_object() else {
        return Ok(kept);
    };
    let mut repaired = Map::new();
    for (name, value) in results
        .iter()
        .filter(|(name, value)| matches!(name.as_str(), "first" | "second") && !value.is_null())
    {
        repaired.insert(
            name.clone(),
            BASE64URL
                .encode(bytes(value, "clientExtensionResults.prf.results")?)
                .into(),
        );
    }
    kept.insert("prf".into(), serde_json::json!({"results": repaired}));
    Ok(kept)
}

fn bytes(value: &Value, field: &'static str) -> Result<Vec<u8>, AssertionFault> {
    value
        .as_str()
        .and_then(decode)
        .ok_or(AssertionFault::Field {
            field,
            expected: "base64url",
        })
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let plain: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| {
            if c == '+' {
                '-'
            } else if c == '/' {
                '_'
            } else {
                c
            }
        })
        .collect();
    BASE64URL.decode(plain).ok()
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;
    use serde_json::json;

    use super::*;

    fn options() -> Value {
        json!({"challenge": BASE64URL.encode(b"the challenge?>"), "rpId": "whatsapp.com", "userVerification": "required", "timeout": 600_000})
    }

    fn client_data() -> Value {
        json!({"type": "webauthn.get", "challenge": BASE64URL.encode(b"the challenge?>"), "origin": ORIGIN, "crossOrigin": false})
    }

    fn authenticator_data(rp_id: &str, flags: u8) -> Vec<u8> {
        [Sha256::digest(rp_id).as_slice(), &[flags, 0, 0, 0, 7]].concat()
    }

    fn assertion(client_data: &Value, authenticator_data: &[u8]) -> Value {
        json!({
            "id": BASE64URL.encode([0xfb, 0xff, 0xfe]), "rawId": BASE64URL.encode([0xfb, 0xff, 0xfe]), "type": "public-key",
            "response": {
                "clientDataJSON": BASE64URL.encode(client_data.to_string()), "authenticatorData": BASE64URL.encode(authenticator_data),
                "signature": BASE64URL.encode(b"signed"), "userHandle": null,
            },
        })
    }

    fn good() -> Value {
        assertion(
            &client_data(),
            &authenticator_data("whatsapp.com", USER_PRESENT | USER_VERIFIED),
        )
    }

    fn check(given: &Value) -> Result<Assertion, AssertionFault> {
        check_assertion(given.to_string().as_bytes(), &options())
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut given = good();
        *given.pointer_mut(pointer).expect("a field") = value;
        given
    }

    #[test]
    fn what_a_browser_makes_is_taken_and_the_rest_dropped() {
        let mut given = good();
        given["authenticatorAttachment"] = json!("platform");
        given["response"]["userHandle"] = json!("AQ");
        given["response"]["attestationObject"] = json!("surplus");
        given["cookies"] = json!("never");
        given["clientExtensionResults"] = json!({"uvm": [], "prf": {"enabled": true, "results": {"first": "-_8=", "third": "x"}}});
        let read = serde_json::to_value(check(&given).expect("good")).expect("JSON");
        assert_eq!(read["response"]["userHandle"], "AQ");
        assert_eq!(
            read["clientExtensionResults"],
            json!({"prf": {"results": {"first": "-_8"}}})
        );
        assert!(
            !read.to_string().contains("surplus") && !read.to_string().contains("never"),
            "{read}"
        );
        assert!(
            !format!("{:?}", check(&given)).contains("c2lnbmVk"),
            "a signature is not for logs"
        );
    }

    #[test]
    fn standard_base64_and_padding_are_repaired() {
        let standard = BASE64_STANDARD.encode([0xfb, 0xff, 0xfe, 1]);
        assert!(standard.contains('+') && standard.ends_with('='));
        let mut given = good();
        (given["id"], given["rawId"]) = (json!(standard), json!(standard));
        assert_eq!(
            check(&given).expect("good").id,
            BASE64URL.encode([0xfb, 0xff, 0xfe, 1])
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let said = |change: fn(&mut Value)| {
            let mut said = client_data();
            change(&mut said);
            assertion(
                &said,
                &authenticator_data("whatsapp.com", USER_PRESENT | USER_VERIFIED),
            )
        };
        let data =
            |rp_id: &str, flags: u8| assertion(&client_data(), &authenticator_data(rp_id, flags));
        let table: [(Value, &str); 21] = [
            (json!(7), "the assertion must be a JSON object"),
            (
                with("/type", json!("password")),
                "type must be \"public-key\"",
            ),
            (with("/rawId", json!(7)), "rawId must be base64url"),
            (with("/rawId", json!("ä")), "rawId must be base64url"),
            (
                with("/id", json!("AAAA")),
                "id must be the same bytes as rawId",
            ),
            (
                with("/response", json!(null)),
                "response.clientDataJSON must be base64url",
            ),
            (
                with("/response/clientDataJSON", json!("AAAA")),
                "response.clientDataJSON must be JSON inside",
            ),
            (
                with("/response/authenticatorData", json!(null)),
                "response.authenticatorData must be base64url",
            ),
            (
                with("/response/authenticatorData", json!("AAAA")),
                "response.authenticatorData must be at least 37 bytes",
            ),
            (
                with("/response/signature", json!("")),
                "response.signature must be not empty",
            ),
            (
                with("/response/signature", json!({"bytes": []})),
                "response.signature must be base64url",
            ),
            (
                with("/response/userHandle", json!(3)),
                "response.userHandle must be base64url",
            ),
            (
                said(|said| said["type"] = json!("webauthn.create")),
                "navigator.credentials.get",
            ),
            (
                said(|said| said["challenge"] = json!("AAAA")),
                "another challenge",
            ),
            (
                said(|said| said["origin"] = json!("https://whatsapp.com")),
                "made on https://whatsapp.com",
            ),
            (
                said(|said| said["origin"] = json!("https://web.whatsapp.com.evil.example")),
                "evil.example",
            ),
            (said(|said| said["origin"] = json!(null)), "with an origin"),
            (
                said(|said| said["crossOrigin"] = json!(true)),
                "a frame inside of another page",
            ),
            (data("web.whatsapp.com", 5), "another site"),
            (data("whatsapp.com", USER_VERIFIED), "(flag UP)"),
            (data("whatsapp.com", USER_PRESENT), "(flag UV)"),
        ];
        for (given, words) in table {
            let fault = check(&given).expect_err(words).to_string();
            assert!(fault.contains(words), "{words}: {fault}");
        }
        let large = with("/response/signature", json!("A".repeat(LARGEST)));
        assert!(check(&large).is_err(), "16 KiB are enough for anybody");
        assert!(check_assertion(b"{", &options()).is_err());
    }

    #[test]
    fn what_the_options_leave_open_is_left_open() {
        let preferred =
            json!({"challenge": options()["challenge"], "userVerification": "preferred"});
        let unverified = assertion(
            &client_data(),
            &authenticator_data("web.whatsapp.com", USER_PRESENT),
        )
        .to_string();
        assert!(
            check_assertion(unverified.as_bytes(), &preferred).is_ok(),
            "no rpId: the host; preferred: not required"
        );
        assert_eq!(
            check_assertion(unverified.as_bytes(), &json!({})),
            Err(AssertionFault::WrongChallenge),
            "no challenge is open"
        );
    }
}
