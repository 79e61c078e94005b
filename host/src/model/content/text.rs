//! Text with mentions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kind::{Asked, ContentCode, InvalidContent, Kind, drop_default, forms, opaque};
use crate::model::{recipient::Recipient, region::Region};

/// Maximum number of mentions in one text.
const MAX_MENTIONS: usize = 50;

const TOO_MANY_MENTIONS: ContentCode = ContentCode::new("too_many_mentions", "Too many mentions");
const INVALID_MENTION: ContentCode = ContentCode::new("invalid_mention", "Invalid mention");
const MENTION_NOT_IN_TEXT: ContentCode =
    ContentCode::new("mention_not_in_text", "Mention not in text");

/// Text with mentions.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// The text. A request may have at most `[send] max_length` UTF-16 units.
    pub body: String,
    /// Ids of the people who are mentioned in the body as `@<user>`.
    pub mentions: Vec<String>,
    /// Whether a link may have a preview.
    pub preview_links: bool,
}

impl Kind for Text {
    type Asked = TextFields;
    type Shown = ShownText;
    forms!(stored: 1 => Stored1; bridge: Bridge);

    fn body(&self) -> Option<&str> {
        Some(&self.body)
    }

    fn conceal(&mut self) {
        self.body.clear();
    }

    fn shown(&self) -> ShownText {
        let Self {
            body,
            mentions,
            preview_links,
        } = self.clone();
        ShownText {
            text: body,
            mentions,
            link_preview: preview_links,
        }
    }

    fn tidy(fields: &mut Map<String, Value>) {
        drop_default(fields, "linkPreview", true);
    }
}

opaque!(TextFields, ShownText);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Text")]
pub(super) struct Stored1 {
    body: String,
    #[serde(default)]
    mentions: Vec<String>,
    #[serde(default)]
    preview_links: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Text")]
pub(super) struct Bridge {
    body: String,
    #[serde(default)]
    mentions: Vec<String>,
    #[serde(default)]
    preview_links: bool,
}

/// A text in requests. It has no object of its own: its fields are directly in the request.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TextFields {
    /// The text.
    pub text: String,
    /// Phone numbers or ids of people; at most 50. Each must occur in the text as `@<user>`.
    #[serde(default)]
    pub mentions: Vec<String>,
    /// Whether a link may have a preview. Default true.
    pub link_preview: Option<bool>,
}

/// A text in responses.
#[derive(Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownText {
    /// The text.
    pub text: String,
    /// Ids of the people who are mentioned.
    pub mentions: Vec<String>,
    /// Whether a link may have a preview.
    pub link_preview: bool,
}

impl Asked<Text> for TextFields {
    const CODES: &'static [ContentCode] =
        &[TOO_MANY_MENTIONS, INVALID_MENTION, MENTION_NOT_IN_TEXT];

    /// Refuses mentions that do not occur in the text.
    fn check(self, region: Option<Region>) -> Result<Text, InvalidContent> {
        let Self {
            text: body,
            mentions,
            link_preview,
        } = self;
        if mentions.len() > MAX_MENTIONS {
            let message = format!(
                "a text may have at most {MAX_MENTIONS} mentions, but this one has {}",
                mentions.len()
            );
            return Err(TOO_MANY_MENTIONS.because(message));
        }
        let mut wids = Vec::with_capacity(mentions.len());
        for (place, written) in mentions.iter().enumerate() {
            let wrong = |why| INVALID_MENTION.because(format!("mentions[{place}]: {why}"));
            let (user, server) = mentioned(written, region).map_err(wrong)?;
            if !stands_in(&body, &user) {
                let message = format!(
                    "mentions[{place}] must occur in the text as @{user}, where the name is to be shown"
                );
                return Err(MENTION_NOT_IN_TEXT.because(message));
            }
            let wid = format!("{user}@{server}");
            if !wids.contains(&wid) {
                wids.push(wid);
            }
        }
        Ok(Text {
            body,
            mentions: wids,
            preview_links: link_preview.unwrap_or(true),
        })
    }
}

/// The id of a person who is mentioned in a request. `None` if the text cannot be read or names a
/// group.
#[must_use]
pub fn mention(written: &str, region: Option<Region>) -> Option<String> {
    mentioned(written, region)
        .ok()
        .map(|(user, server)| format!("{user}@{server}"))
}

/// User and server of a person who is mentioned in a request.
fn mentioned(written: &str, region: Option<Region>) -> Result<(String, &'static str), String> {
    let wrong = |error| {
        format!(
            "it must be a phone number, or an id like 4915123456789@c.us or 123456789@lid: {error}"
        )
    };
    match Recipient::read(written, region).map_err(wrong)? {
        Recipient::Number(number) => Ok((number.digits().to_owned(), "c.us")),
        Recipient::Chat(chat) if chat.is_group() => {
            Err("a group cannot be mentioned; a person can".into())
        }
        Recipient::Chat(chat) => Ok((chat.as_str().trim_end_matches("@lid").to_owned(), "lid")),
    }
}

/// Whether `@user` occurs in the text, and not only as the beginning of a longer number.
fn stands_in(body: &str, user: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_digit());
    body.split('@')
        .skip(1)
        .any(|rest| rest.strip_prefix(user).is_some_and(ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_stands_in_the_text_as_a_whole_number() {
        for (body, stands) in [
            ("hi @4915!", true),
            ("@4915", true),
            ("hi @49151 and @4915", true),
            ("hi @49151", false),
            ("hi 4915", false),
            ("@ 4915", false),
        ] {
            assert_eq!(stands_in(body, "4915"), stands, "{body}");
        }
    }
}
