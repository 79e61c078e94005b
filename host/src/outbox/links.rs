//! Detects messages that may contain a link. For those the page is asked for a preview before they
//! are sent.

use crate::model::Content;

/// Whether the page may find a link in a message that may have a preview. A false positive only
/// costs a request that the page answers at once.
pub(super) fn may_have_link(content: &Content) -> bool {
    let Content::Text(text) = content else {
        return false;
    };
    text.preview_links && (text.body.contains("://") || has_domain(&text.body))
}

/// Whether there is a dot between a letter or digit and two letters.
fn has_domain(body: &str) -> bool {
    let behind = |rest: &str| rest.chars().take(2).filter(|c| c.is_alphabetic()).count() == 2;
    body.match_indices('.').any(|(at, dot)| {
        body[..at].ends_with(char::is_alphanumeric) && behind(&body[at + dot.len()..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Text;

    #[test]
    fn links_are_suspected_where_there_may_be_one() {
        let suspected = |body: &str, preview_links| {
            may_have_link(&Content::Text(Text {
                body: body.into(),
                mentions: vec![],
                preview_links,
            }))
        };
        for body in [
            "see example.org",
            "https://example.org/a",
            "http://10.0.0.1/",
            "größe.köln",
            "mail@example.org",
        ] {
            assert!(suspected(body, true), "{body}");
            assert!(!suspected(body, false), "{body}");
        }
        for body in [
            "code 123456",
            "Hello. How are you?",
            "3.50 EUR",
            "…",
            "a.",
            ".",
            "1.b",
        ] {
            assert!(!suspected(body, true), "{body}");
        }
    }
}
