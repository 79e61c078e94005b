//! Finds a body by language with the "lookup" scheme of RFC 4647: `de-AT` matches `de-AT`,
//! otherwise `de`.

use std::collections::BTreeMap;

/// The issue of a text that is not a language tag.
pub(crate) const NO_TAG: &str =
    "is no language tag; write one of BCP 47, such as \"de\" or \"pt-BR\"";

/// Whether a text looks like a BCP 47 language tag.
pub(crate) fn is_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().is_some_and(|first| {
        (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic())
    });
    language
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

/// The best matching tag among the keys. Subtags of `wanted` are removed from the end until one
/// matches.
pub(crate) fn find<'a, T>(bodies: &'a BTreeMap<String, T>, wanted: &str) -> Option<&'a str> {
    // Many programs write `de_AT` instead of `de-AT`.
    let wanted = wanted.replace('_', "-");
    let mut range = wanted.as_str();
    loop {
        if let Some(found) = bodies.keys().find(|tag| tag.eq_ignore_ascii_case(range)) {
            return Some(found);
        }
        range = range.rsplit_once('-')?.0;
        // A single letter introduces an extension and has no meaning without it.
        if let Some((shorter, last)) = range.rsplit_once('-')
            && last.len() == 1
        {
            range = shorter;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_tag_answers() {
        let bodies: BTreeMap<String, ()> = ["de", "de-AT", "pt-BR", "zh-Hant"]
            .map(|tag| (tag.to_owned(), ()))
            .into();
        for (wanted, want) in [
            ("de-AT", Some("de-AT")),
            ("DE_at", Some("de-AT")),
            ("de-CH-1996", Some("de")),
            ("zh-Hant-TW", Some("zh-Hant")),
            ("zh-Hant-x-private", Some("zh-Hant")),
            ("zh", None),
            ("pt", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(find(&bodies, wanted), want, "{wanted}");
        }
    }

    #[test]
    fn tags_are_told_from_other_text() {
        for tag in ["de", "de-AT", "zh-Hant-TW", "es-419", "de-CH-x-a"] {
            assert!(is_tag(tag), "{tag}");
        }
        for text in [
            "",
            "d",
            "de_AT",
            "de-",
            "german language",
            "1e",
            "de-abcdefghi",
        ] {
            assert!(!is_tag(text), "{text}");
        }
    }
}
