//! How large a request of a plugin may be. Looked at before anything is built of it: the types of the `http` crate panic
//! beyond their own limits, and what a component says must never do that to the gateway.

use crate::plugins::NotifyRequest;

/// Header lines. Receivers take about a hundred.
const MAX_HEADERS: usize = 100;
/// Bytes of all names and values. Servers commonly refuse more than 8 to 32 KiB.
const MAX_HEADER_BYTES: usize = 32 << 10;
/// Bytes of the address.
const MAX_URL: usize = 8 << 10;
/// Bytes of the method.
const MAX_METHOD: usize = 32;
/// Bytes of the body.
const MAX_BODY: usize = 2 << 20;

/// Why a request is too large to be made; none: it is not.
pub(super) fn fault(request: &NotifyRequest) -> Option<String> {
    let NotifyRequest { method, url, headers, body, .. } = request;
    let header_bytes: usize = headers.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
    [
        ("bytes of method", method.len(), MAX_METHOD),
        ("bytes of URL", url.len(), MAX_URL),
        ("headers", headers.len(), MAX_HEADERS),
        ("bytes of headers", header_bytes, MAX_HEADER_BYTES),
        ("bytes of body", body.len(), MAX_BODY),
    ]
    .into_iter()
    .find(|(_, is, most)| is > most)
    .map(|(what, is, most)| format!("the plugin's request has {is} {what}, and may have {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::HttpGrant;

    #[test]
    fn each_part_of_a_request_is_measured() {
        let request = |headers: usize, value: usize, url: usize, body: usize| NotifyRequest {
            method: "POST".into(),
            url: "u".repeat(url),
            headers: (0..headers).map(|n| (format!("x-{n:05}"), "v".repeat(value))).collect(),
            body: vec![0; body],
            timeout: None,
            allowed: HttpGrant::default(),
        };
        assert_eq!(fault(&request(100, 300, 8 << 10, 2 << 20)), None);
        for (request, said) in [
            (request(101, 1, 9, 0), "101 headers, and may have 100"),
            (request(26_000, 1, 9, 0), "26000 headers"),
            (request(1, 40 << 10, 9, 0), "bytes of headers"),
            (request(0, 0, 9 << 10, 0), "bytes of URL"),
            (request(0, 0, 9, 3 << 20), "bytes of body"),
            (NotifyRequest { method: "X".repeat(33), ..request(0, 0, 9, 0) }, "bytes of method"),
        ] {
            assert!(fault(&request).is_some_and(|fault| fault.contains(said)), "{said}");
        }
    }
}
