//! What a message says, as callers write it and read it: a field for each kind.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, Unexpected},
};
use serde_json::{Value, json};

use super::{
    error::{ApiError, Code},
    object, vcard,
};
use crate::{
    model::{Contact, Content, Location, MessageId, Recipient, Region, Text},
    outbox::{AcceptError, Requested},
    plugins::RenderRequest,
    services::SendFailure,
};

/// Mentions of one text.
const MAX_MENTIONS: usize = 50;
/// Bytes of a contact card.
const MAX_VCARD: usize = 64 << 10;
/// Bytes of a name that is shown.
const MAX_NAME: usize = 1000;

/// The fields of a call of which exactly one is given.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) text: Option<Words>,
    pub(super) template: Option<RenderRequest>,
    pub(super) location: Option<LocationFields>,
    pub(super) contact: Option<ContactFields>,
}

/// A text with what belongs to it.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) text: String,
    pub(super) mentions: Vec<String>,
    pub(super) link_preview: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Location")]
pub(super) struct LocationFields {
    #[serde(deserialize_with = "latitude")]
    #[schemars(range(min = -90, max = 90))]
    latitude: f64,
    #[serde(deserialize_with = "longitude")]
    #[schemars(range(min = -180, max = 180))]
    longitude: f64,
    #[schemars(length(max = 1000))]
    name: Option<String>,
}

fn latitude<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    degrees(deserializer, "a number from -90 to 90")
}

fn longitude<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    degrees(deserializer, "a number from -180 to 180")
}

/// The range is looked at with the rest of the place.
fn degrees<'de, D: Deserializer<'de>>(deserializer: D, expected: &str) -> Result<f64, D::Error> {
    let wrong = || de::Error::invalid_value(Unexpected::Other("another value"), &expected);
    Value::deserialize(deserializer)?.as_f64().ok_or_else(wrong)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Contact")]
pub(super) struct ContactFields {
    #[schemars(length(min = 1, max = 1000))]
    display_name: String,
    #[schemars(length(min = 1, max = 65536))]
    vcard: String,
}

/// The kinds that have their fields already and cannot be sent by this version.
const NOT_YET: [&str; 5] = ["poll", "reaction", "edit", "delete", "media"];

/// Refuses a body with such a kind whatever else it says: nothing that could be mended in the call would help.
pub(super) fn not_yet(body: &[u8]) -> Option<ApiError> {
    given(body, &NOT_YET).map(|kind| SendFailure::from(AcceptError::KindNotSupported { kind }).into())
}

/// As [`not_yet`], for an order: it knows fewer kinds.
pub(super) fn not_to_many(body: &[u8]) -> Option<ApiError> {
    let kind = given(body, &["location", "contact"]).or_else(|| given(body, &NOT_YET))?;
    let message = format!("a bulk order sends a text or a template; a message of the kind {kind} cannot be sent to many yet");
    Some(ApiError::new(Code::KindNotSupported, message))
}

/// The first of `kinds` that a body has a field of.
fn given(body: &[u8], kinds: &[&'static str]) -> Option<&'static str> {
    let fields: BTreeMap<String, IgnoredAny> = object::from_slice(body).ok()?;
    kinds.iter().copied().find(|kind| fields.contains_key(*kind))
}

/// What shall be sent: the one field that is given, checked.
pub(super) fn requested(region: Option<Region>, said: Said) -> Result<Requested, ApiError> {
    let fields = [
        ("text", said.text.map(|text| words(region, text).map(Content::Text))),
        ("location", said.location.map(location)),
        ("contact", said.contact.map(contact)),
    ];
    let template = said.template.map(|template| ("template", Ok(Requested::Template(template))));
    let kinds = fields.into_iter().filter_map(|(name, content)| Some((name, content?.map(Requested::Content))));
    let mut given = kinds.chain(template);
    match (given.next(), given.next()) {
        (None, _) => {
            let message = format!("to is required, and one of {} or template", Content::SENDABLE.join(", "));
            Err(ApiError::new(Code::MissingFields, message))
        }
        (Some((first, _)), Some((second, _))) => {
            let code = if (first, second) == ("text", "template") { Code::MessageAndTemplate } else { Code::SeveralKinds };
            Err(ApiError::new(code, format!("a message says one thing: give {first} or {second}, not both")))
        }
        (Some((_, requested)), None) => requested,
    }
}

/// The fields of a text, from a call that has others too.
pub(super) fn text(text: Option<String>, mentions: Option<Vec<String>>, link_preview: Option<bool>) -> Result<Option<Words>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        if mentions.is_some() || link_preview.is_some() {
            return Err(ApiError::new(Code::TextMissing, "mentions and linkPreview belong to a text, and there is none"));
        }
        return Ok(None);
    };
    Ok(Some(Words { text, mentions: mentions.unwrap_or_default(), link_preview }))
}

/// A text whose mentions stand in it.
pub(super) fn words(region: Option<Region>, words: Words) -> Result<Text, ApiError> {
    let Words { text: body, mentions, link_preview } = words;
    if mentions.len() > MAX_MENTIONS {
        return Err(ApiError::new(Code::TooManyMentions, format!("a text may have {MAX_MENTIONS} mentions; these are {}", mentions.len())));
    }
    let mut wids = Vec::with_capacity(mentions.len());
    for (place, mention) in mentions.iter().enumerate() {
        let (user, server) = mentioned(region, mention).map_err(|why| ApiError::new(Code::InvalidMention, format!("mentions[{place}]: {why}")))?;
        if !stands_in(&body, &user) {
            let message = format!("mentions[{place}] must stand in the text as @{user}, where its name is to be shown");
            return Err(ApiError::new(Code::MentionNotInText, message));
        }
        let wid = format!("{user}@{server}");
        if !wids.contains(&wid) {
            wids.push(wid);
        }
    }
    Ok(Text { body, mentions: wids, preview_links: link_preview.unwrap_or(true) })
}

/// The id of whom is mentioned; none: it is not understood.
pub(super) fn mention(region: Option<Region>, text: &str) -> Option<String> {
    mentioned(region, text).ok().map(|(user, server)| format!("{user}@{server}"))
}

/// User and server of whom is mentioned.
fn mentioned(region: Option<Region>, text: &str) -> Result<(String, &'static str), String> {
    let wrong = |error| format!("it must be a phone number, or an id like 4915123456789@c.us or 123456789@lid: {error}");
    match Recipient::read(text, region).map_err(wrong)? {
        Recipient::Number(number) => Ok((number.digits().to_owned(), "c.us")),
        Recipient::Chat(chat) if chat.is_group() => Err("a group cannot be mentioned; a person can".into()),
        Recipient::Chat(chat) => Ok((chat.as_str().trim_end_matches("@lid").to_owned(), "lid")),
    }
}

/// Whether `@user` is in the text, and not only as the beginning of a longer number.
fn stands_in(body: &str, user: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_digit());
    body.split('@').skip(1).any(|rest| rest.strip_prefix(user).is_some_and(ends))
}

fn location(LocationFields { latitude, longitude, name }: LocationFields) -> Result<Content, ApiError> {
    let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    if !on_earth || name.as_ref().is_some_and(|name| name.len() > MAX_NAME) {
        let message = format!("a location has a latitude of -90 to 90, a longitude of -180 to 180, and a name of at most {MAX_NAME} bytes");
        return Err(ApiError::new(Code::InvalidLocation, message));
    }
    Ok(Content::Location(Location { latitude, longitude, name: name.filter(|name| !name.is_empty()) }))
}

fn contact(ContactFields { display_name, vcard }: ContactFields) -> Result<Content, ApiError> {
    let wrong = |message: String| ApiError::new(Code::InvalidContact, message);
    if !(1..=MAX_NAME).contains(&display_name.len()) {
        return Err(wrong(format!("contact.displayName must have 1 to {MAX_NAME} bytes")));
    }
    if vcard.len() > MAX_VCARD {
        return Err(wrong(format!("contact.vcard must have at most {MAX_VCARD} bytes")));
    }
    vcard::check(&vcard).map_err(|why| wrong(format!("contact.vcard is no card that a phone can open: {why}")))?;
    Ok(Content::Contact(Contact { display_name, vcard }))
}

/// The bare id of a message that a caller names: it may be written as a key (`false_77@lid_3EB0…`), which is what events say.
pub(super) fn bare(text: &str) -> Result<MessageId, ApiError> {
    let key = text.strip_prefix("true_").or_else(|| text.strip_prefix("false_"));
    let id = key.map_or(Some(text), |key| key.split('_').nth(1)).unwrap_or_default();
    let is_id = (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if is_id {
        return Ok(MessageId(id.to_owned()));
    }
    Err(ApiError::new(Code::InvalidMessageId, "a message is named by its WhatsApp id (3EB0…), or by its key (false_77@lid_3EB0…)"))
}

/// What a message says, in the fields of a call.
pub(super) fn shape(content: &Content) -> Value {
    let mut said = match content {
        Content::Text(text) => written(text),
        Content::Media(media) => json!({"media": {
            "kind": media.kind, "mimeType": media.mime_type, "sizeBytes": media.size_bytes, "fileName": media.file_name, "caption": media.caption,
        }}),
        Content::Location(place) => json!({"location": {"latitude": place.latitude, "longitude": place.longitude, "name": place.name}}),
        Content::Contact(card) => json!({"contact": {"displayName": card.display_name, "vcard": card.vcard}}),
        Content::Poll(poll) => json!({"poll": {"question": poll.question, "options": poll.options, "selectable": poll.selectable}}),
        Content::Reaction(reaction) => json!({"reaction": {"messageId": reaction.target, "emoji": reaction.emoji}}),
        Content::Edit(edit) => {
            let mut fields = written(&edit.text);
            fields["messageId"] = json!(edit.target);
            json!({"edit": fields})
        }
        Content::Delete(delete) => json!({"delete": {"messageId": delete.target, "forEveryone": delete.for_everyone}}),
        Content::Other(other) => json!({"other": {"type": other.kind}}),
    };
    said["kind"] = content.kind().into();
    said
}

fn written(text: &Text) -> Value {
    json!({"text": text.body, "mentions": text.mentions, "linkPreview": text.preview_links})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_stands_in_the_text_as_a_whole_number() {
        for (body, stands) in
            [("hi @4915!", true), ("@4915", true), ("hi @49151 and @4915", true), ("hi @49151", false), ("hi 4915", false), ("@ 4915", false)]
        {
            assert_eq!(stands_in(body, "4915"), stands, "{body}");
        }
    }

    #[test]
    fn a_message_is_named_by_its_id_or_its_key() {
        for (text, id) in [
            ("3EB0AA", Some("3EB0AA")),
            ("false_77@lid_3EB0AA", Some("3EB0AA")),
            ("false_12-3@g.us_AB-12.3_77@lid", Some("AB-12.3")),
            ("", None),
            ("true_77@lid", None),
            ("out_01kaz", None),
            ("77@lid", None),
        ] {
            assert_eq!(bare(text).ok().map(|id| id.0).as_deref(), id, "{text}");
        }
    }

    #[test]
    fn places_and_cards_are_checked() {
        let place = |latitude, longitude| location(LocationFields { latitude, longitude, name: Some(String::new()) });
        assert!(matches!(place(90.0, -180.0), Ok(Content::Location(place)) if place.name.is_none()));
        assert!(place(90.1, 0.0).is_err() && place(0.0, f64::NAN).is_err());
        let card = |name: &str, vcard: &str| contact(ContactFields { display_name: name.into(), vcard: vcard.into() });
        assert!(card("Ada", "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEND:VCARD\n").is_ok());
        assert!(card("", "BEGIN:VCARD\nEND:VCARD").is_err() && card("Ada", "FN:Ada").is_err());
    }
}
