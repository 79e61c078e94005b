//! A simulated authenticator with one passkey. Unlike a real browser, it signs for any origin.

use anyhow::{Context, Result};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64URL},
};
use p256::{
    SecretKey,
    ecdsa::{DerSignature, SigningKey, signature::Signer},
    pkcs8::EncodePrivateKey,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Credential;

/// One passkey.
pub struct Authenticator {
    key: SigningKey,
    secret: SecretKey,
    id: [u8; 16],
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

/// The properties of an assertion that a test can choose.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// The origin of the page that asked.
    pub origin: String,
    /// The relying party whose passkey signs.
    pub rp_id: String,
    /// The authenticator flags: UP (user present) is 1, UV (user verified) is 4.
    pub flags: u8,
    /// The result of the prf extension.
    pub prf: Option<Vec<u8>>,
}

impl Default for Circumstances {
    fn default() -> Self {
        Self {
            origin: "https://web.whatsapp.com".into(),
            rp_id: "whatsapp.com".into(),
            flags: 5,
            prf: None,
        }
    }
}

impl Authenticator {
    /// Makes a new passkey.
    ///
    /// # Errors
    /// When 32 random bytes are not a private key, which happens once in 2^32 calls.
    pub fn new() -> Result<Self> {
        let secret =
            SecretKey::from_slice(&rand::random::<[u8; 32]>()).context("no private key")?;
        Ok(Self {
            key: SigningKey::from(&secret),
            secret,
            id: rand::random(),
        })
    }

    /// The public half of the passkey, for the stand-in's settings.
    #[must_use]
    pub fn credential(&self) -> Credential {
        Credential {
            id: BASE64URL.encode(self.id),
            public_key: BASE64URL.encode(self.key.verifying_key().to_sec1_bytes()),
        }
    }

    /// The passkey's id and its private key as PKCS#8, both in standard base64, for a browser's
    /// virtual authenticator.
    ///
    /// # Errors
    /// When the key cannot be encoded.
    pub fn secrets(&self) -> Result<(String, String)> {
        let key = self.secret.to_pkcs8_der().context("PKCS#8")?;
        Ok((
            BASE64_STANDARD.encode(self.id),
            BASE64_STANDARD.encode(key.as_bytes()),
        ))
    }

    /// The answer of `navigator.credentials.get` to these options (JSON), as JSON.
    #[must_use]
    pub fn sign(&self, options: &Value, circumstances: &Circumstances) -> Value {
        let challenge = options["challenge"].as_str().unwrap_or_default();
        let client_data = json!({"type": "webauthn.get", "challenge": challenge, "origin": circumstances.origin, "crossOrigin": false}).to_string();
        let data = [
            Sha256::digest(&circumstances.rp_id).as_slice(),
            &[circumstances.flags, 0, 0, 0, 1],
        ]
        .concat();
        let signed = [data.as_slice(), Sha256::digest(&client_data).as_slice()].concat();
        let signature: DerSignature = self.key.sign(&signed);
        let id = BASE64URL.encode(self.id);
        let results = circumstances
            .prf
            .as_ref()
            .map(|first| json!({"prf": {"results": {"first": BASE64URL.encode(first)}}}));
        json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "response": {
                "clientDataJSON": BASE64URL.encode(&client_data), "authenticatorData": BASE64URL.encode(&data),
                "signature": BASE64URL.encode(signature.as_bytes()), "userHandle": BASE64URL.encode(b"user"),
            },
            "clientExtensionResults": results.unwrap_or_else(|| json!({})),
        })
    }
}
