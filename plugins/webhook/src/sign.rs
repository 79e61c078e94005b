//! The signature of a body.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

/// The HMAC-SHA-512 of a body in lower-case hexadecimal.
pub(crate) fn hmac_sha512(key: &[u8], body: &[u8]) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("a key");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_vector_holds() {
        let body = br#"{"event":"message","session":"default","engine":"WEBJS"}"#;
        let want = "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89";
        assert_eq!(super::hmac_sha512(b"my-secret-key", body), want);
    }
}
