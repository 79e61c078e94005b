//! The content of a message in requests and responses: one field for each kind. The kinds
//! themselves define the fields and the values they may have.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{
    error::{ApiError, Code},
    object,
};
use crate::{
    model::{
        Asked, CallFields, Content, InvalidContent, MessageId, Region, ShownText, Text, TextFields,
    },
    outbox::{AcceptError, Requested},
    plugins::RenderRequest,
    services::SendFailure,
};

/// The content fields of a call, of which exactly one must be given.
#[derive(Debug, Default)]
pub(super) struct ContentFields {
    pub(super) text: Option<TextFields>,
    pub(super) template: Option<RenderRequest>,
    pub(super) kinds: CallFields,
}

/// The codes of contents that their kind refuses.
pub(super) fn codes() -> Vec<Code> {
    let codes = Content::codes();
    let named = codes.iter().filter_map(|code| Code::named(code.name));
    named.collect()
}

/// The table of codes contains the codes of the kinds as well; a test compares the two.
impl From<InvalidContent> for ApiError {
    fn from(InvalidContent { code, message }: InvalidContent) -> Self {
        Self::new(
            Code::named(code.name).unwrap_or(Code::InvalidField),
            message,
        )
    }
}

/// Reads the body of a call: the fields of `T`, and the content fields beside them.
pub(super) fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<(T, CallFields), ApiError> {
    object::from_slice_in_two(body, &CallFields::names(true))
        .map_err(|fault| not_yet(body).unwrap_or_else(|| fault.into()))
}

/// The error for a body with a kind that this version cannot send. It takes precedence over other
/// faults of the body, because correcting those would not help.
fn not_yet(body: &[u8]) -> Option<ApiError> {
    given(body, &CallFields::names(false))
        .map(|kind| SendFailure::from(AcceptError::KindNotSupported { kind }).into())
}

/// As [`not_yet`], for a bulk order, which supports fewer kinds.
pub(super) fn not_to_many(body: &[u8]) -> Option<ApiError> {
    let kind =
        given(body, &CallFields::names(true)).or_else(|| given(body, &CallFields::names(false)))?;
    let message = format!(
        "a bulk order sends a text or a template; a message of the kind {kind} cannot be sent to many yet"
    );
    Some(ApiError::new(Code::KindNotSupported, message))
}

/// The first of `kinds` for which the body has a field.
fn given(body: &[u8], kinds: &[&'static str]) -> Option<&'static str> {
    let fields: BTreeMap<String, IgnoredAny> = object::from_slice(body).ok()?;
    kinds
        .iter()
        .copied()
        .find(|kind| fields.contains_key(*kind))
}

/// The content to be sent: the one field that is given, checked.
pub(super) fn requested(
    region: Option<Region>,
    fields: ContentFields,
) -> Result<Requested, ApiError> {
    let text = fields
        .text
        .map(|text| ("text", text.check(region).map(Content::Text)));
    let kinds = text.into_iter().chain(fields.kinds.contents(region));
    let kinds = kinds.map(|(name, content)| (name, content.map(Requested::Content)));
    let template = fields
        .template
        .map(|template| ("template", Ok(Requested::Template(template))));
    let mut given = kinds.chain(template);
    match (given.next(), given.next()) {
        (None, _) => {
            let message = format!(
                "to is required, and one of {} or template",
                Content::sendable().join(", ")
            );
            Err(ApiError::new(Code::MissingFields, message))
        }
        (Some((first, _)), Some((second, _))) => {
            let code = if (first, second) == ("text", "template") {
                Code::MessageAndTemplate
            } else {
                Code::SeveralKinds
            };
            Err(ApiError::new(
                code,
                format!("a message says one thing: give {first} or {second}, not both"),
            ))
        }
        (Some((_, requested)), None) => Ok(requested?),
    }
}

/// The fields of a text message, taken from those of a call. An empty list of mentions counts as
/// absent.
pub(super) fn text(
    text: Option<String>,
    mentions: Option<Vec<String>>,
    link_preview: Option<bool>,
) -> Result<Option<TextFields>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        let has_mentions = mentions.is_some_and(|mentions| !mentions.is_empty());
        if has_mentions || link_preview.is_some() {
            return Err(ApiError::new(
                Code::TextMissing,
                "mentions and linkPreview belong to a text, and there is none",
            ));
        }
        return Ok(None);
    };
    Ok(Some(TextFields {
        text,
        mentions: mentions.unwrap_or_default(),
        link_preview,
    }))
}

/// Checks a text and resolves its mentions.
pub(super) fn words(region: Option<Region>, text: TextFields) -> Result<Text, ApiError> {
    Ok(text.check(region)?)
}

/// The id of a mentioned person; none when the mention cannot be read.
pub(super) fn mention(region: Option<Region>, text: &str) -> Option<String> {
    crate::model::mention(text, region)
}

/// The bare id of a message. Callers may also give its key (`false_77@lid_3EB0…`), which is what
/// events contain.
pub(super) fn bare(text: &str) -> Result<MessageId, ApiError> {
    Ok(crate::model::target(text)?)
}

/// The `kind` of a content that was deleted.
const REDACTED: &str = "redacted";

/// The content of a message in responses: the fields of a request, with the `kind`.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct ShownContent(Value);

impl ShownContent {
    pub(super) fn new(content: &Content) -> Self {
        // Every shown content can be serialized.
        let shown = content.shown().unwrap_or_default();
        let mut fields = match content {
            Content::Text(_) => shown,
            _ => [(content.kind().to_owned(), shown)].into_iter().collect(),
        };
        fields["kind"] = content.kind().into();
        Self(fields)
    }

    /// In place of a content that was deleted.
    pub(super) fn redacted() -> Self {
        Self(json!({"kind": REDACTED}))
    }
}

/// One form for each kind, distinguished by `kind`.
impl JsonSchema for ShownContent {
    fn schema_name() -> Cow<'static, str> {
        "MessageContent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut forms: Vec<Schema> = Vec::new();
        for (kind, schema) in Content::schemas() {
            let fields = if kind == "text" {
                // The fields of a text stand beside `kind`.
                ShownText::json_schema(generator)
            } else {
                let schema = schema(generator);
                let description = schema.get("description").cloned();
                json_schema!({"type": "object", "description": description, "properties": {kind: schema}, "required": [kind]})
            };
            forms.push(form(kind, fields));
        }
        let redacted = json_schema!({"type": "object", "description": "The content was deleted.", "properties": {}, "required": []});
        forms.push(form(REDACTED, redacted));
        json_schema!({"description": "The content of a message, in the fields of a request, with its `kind`.", "oneOf": forms})
    }
}

/// Adds `kind` to the schema of a kind's fields, and the title by which generated clients call the
/// form.
fn form(kind: &str, mut fields: Schema) -> Schema {
    let (first, rest) = kind.split_at_checked(1).unwrap_or_default();
    let title = format!("{}{rest}Content", first.to_uppercase());
    fields.insert("title".into(), title.into());
    if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("kind".into(), json!({"type": "string", "const": kind}));
    }
    if let Some(required) = fields.get_mut("required").and_then(Value::as_array_mut) {
        required.insert(0, "kind".into());
    }
    fields
}

#[cfg(test)]
mod tests {
    use schemars::generate::SchemaSettings;

    use super::*;
    use crate::model::content::tests::every_kind;

    #[test]
    fn every_kind_of_content_in_a_response_matches_its_schema() {
        let generator = SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator();
        let schema = generator.into_root_schema_for::<ShownContent>();
        let validator = jsonschema::validator_for(schema.as_value()).expect("a schema");
        for content in every_kind() {
            let shown = json!(ShownContent::new(&content));
            assert!(validator.is_valid(&shown), "{shown}");
        }
        assert!(validator.is_valid(&json!(ShownContent::redacted())));
        for other in [
            json!({"kind": "text"}),
            json!({"kind": "letter"}),
            json!({}),
        ] {
            assert!(!validator.is_valid(&other), "{other}");
        }
    }

    #[test]
    fn without_a_text_an_empty_list_of_mentions_is_none_and_others_are_refused() {
        let without_text = |mentions: Option<Vec<String>>, link_preview| {
            text(None, mentions, link_preview).map(|text| text.is_some())
        };
        assert!(matches!(without_text(None, None), Ok(false)));
        assert!(matches!(without_text(Some(vec![]), None), Ok(false)));
        for (mentions, link_preview) in [(Some(vec!["4915".into()]), None), (None, Some(true))] {
            let refused = without_text(mentions, link_preview).expect_err("a refusal");
            assert_eq!(refused.code(), Code::TextMissing.as_str());
        }
    }

    #[test]
    fn every_code_of_a_kind_is_in_the_table_of_codes() {
        for code in Content::codes() {
            let known = Code::named(code.name)
                .unwrap_or_else(|| panic!("{} is not in the table", code.name));
            assert_eq!(known.title(), code.title);
        }
    }
}
