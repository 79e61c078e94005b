//! The W3C `traceparent` of a call. A notifier passes it on, so that a receiver sees in its own
//! traces which attempts belong to one delivery.
//!
//! It is derived and not stored, so attempts before and after a restart belong to the same trace. A
//! caller's own `traceparent` is not continued: for a message that is judged again and for a
//! delivery, which are later, it would have to be stored.

use sha2::{Digest, Sha256};

/// The `traceparent` of a call about a subject: the trace id is that of the subject, the parent id
/// that of the call.
///
/// It is marked as sampled, because receivers whose tracing follows the caller would otherwise
/// record nothing of these requests.
pub(super) fn traceparent(subject: &str, call: &str) -> String {
    let (trace, parent) = (Sha256::digest(subject), Sha256::digest(call));
    let hex = |digest: &[u8], bytes: usize| hex::encode(digest.get(..bytes).unwrap_or(digest));
    format!("00-{}-{}-01", hex(&trace, 16), hex(&parent, 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_of_one_subject_share_a_trace_and_each_call_has_its_own_parent() {
        let parts = |subject: &str, call: &str| {
            let made = traceparent(subject, call);
            let parts: Vec<String> = made.split('-').map(str::to_owned).collect();
            let [version, trace, parent, flags] = parts.try_into().expect("four parts");
            assert_eq!((version.as_str(), flags.as_str()), ("00", "01"));
            for (id, length) in [(&trace, 32), (&parent, 16)] {
                assert_eq!(id.len(), length, "{made}");
                assert!(
                    id.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
                        && id.bytes().any(|c| c != b'0'),
                    "{made}"
                );
            }
            (trace, parent)
        };
        let (first, again) = (parts("dlv_1", "call 1"), parts("dlv_1", "call 2"));
        assert_eq!(first.0, again.0);
        assert_ne!(first.1, again.1);
        assert_ne!(parts("dlv_2", "call 3").0, first.0);
    }
}
