//! Limits of the length of messages, in UTF-16 units, as WhatsApp and the gateway count.

use wharf_plugin::{ConfigIssues, Content, Rejection};

use crate::config::Text;

#[derive(Debug)]
pub(crate) struct Limits(Text);

impl Limits {
    pub(crate) fn new(text: Text, issues: &mut ConfigIssues) -> Self {
        if let (Some(fewest), Some(most)) = (text.min_length, text.max_length)
            && fewest > most
        {
            issues.add(
                "/text/min_length",
                format!("is more than max_length, so no text could be sent: {fewest} > {most}"),
            );
        }
        Self(text)
    }

    pub(crate) fn refusal(&self, content: &Content) -> Option<Rejection> {
        match content {
            Content::Text(text) => self.text(&text.body),
            Content::Edit(edit) => self.text(&edit.text.body),
            Content::Media(media) => too_long(
                "caption",
                units(&media.caption.as_ref()?.body),
                self.0.max_caption_length,
            ),
            Content::Poll(poll) => too_long("question", units(&poll.question), self.0.max_length),
            // The text of other kinds has the limit of a text message.
            other => too_long("text", units(other.body()?), self.0.max_length),
        }
    }

    fn text(&self, body: &str) -> Option<Rejection> {
        let length = units(body);
        too_short(length, self.0.min_length).or_else(|| too_long("text", length, self.0.max_length))
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn limit(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn too_short(length: usize, fewest: Option<u32>) -> Option<Rejection> {
    let fewest = fewest?;
    (length < limit(fewest)).then(|| {
        Rejection::new(
            "message_too_short",
            format!("the text has {length} characters, fewer than the {fewest} it needs"),
        )
    })
}

fn too_long(what: &str, length: usize, most: Option<u32>) -> Option<Rejection> {
    let most = most?;
    (length > limit(most)).then(|| {
        Rejection::new(
            "message_too_long",
            format!("the {what} has {length} characters, more than the {most} allowed"),
        )
    })
}

#[cfg(test)]
mod tests {
    use wharf_plugin::{Edit, Media, MediaKind};

    use super::*;

    fn code(text: Text, content: &Content) -> Option<String> {
        Limits(text)
            .refusal(content)
            .map(|rejection| rejection.code)
    }

    #[test]
    fn text_is_counted_in_utf16_units() {
        let limits = Text {
            min_length: Some(2),
            max_length: Some(4),
            max_caption_length: None,
        };
        for (body, want) in [
            ("a", Some("message_too_short")),
            ("ab", None),
            ("\u{1f600}", None),
            ("abcd", None),
            ("abc\u{1f600}", Some("message_too_long")),
        ] {
            assert_eq!(
                code(limits, &Content::text(body)).as_deref(),
                want,
                "{body}"
            );
            let text = wharf_plugin::Text::new(body);
            assert_eq!(
                code(limits, &Content::Edit(Edit::new("3EB0", text))).as_deref(),
                want,
                "the edit: {body}"
            );
        }
    }

    #[test]
    fn captions_have_a_limit_of_their_own() {
        let limits = Text {
            min_length: Some(2),
            max_length: Some(2),
            max_caption_length: Some(3),
        };
        let media = |caption: Option<&str>| {
            let file = Media::new(MediaKind::Image, "image/png");
            Content::Media(match caption {
                Some(caption) => file.caption(caption),
                None => file,
            })
        };
        assert_eq!(code(limits, &media(None)), None);
        assert_eq!(code(limits, &media(Some("abc"))), None);
        assert_eq!(
            code(limits, &media(Some("abcd"))).as_deref(),
            Some("message_too_long")
        );
    }

    #[test]
    fn limits_that_exclude_everything_are_an_issue() {
        let mut issues = ConfigIssues::new();
        let _ = Limits::new(
            Text {
                min_length: Some(3),
                max_length: Some(2),
                max_caption_length: None,
            },
            &mut issues,
        );
        assert_eq!(issues.into_vec().len(), 1);
    }
}
