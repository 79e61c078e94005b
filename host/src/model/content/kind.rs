//! What each kind of content defines, so that no other file needs a list of kinds.
//!
//! Each kind has one file, with its type, its limits and its four forms: in the database, at the
//! bridge, in requests, and in responses. The forms are separate types, most of them made by
//! serde's "remote" derive: the compiler compares their fields with those of the kind, and renaming
//! a field of one form leaves the others unchanged.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};

use crate::model::{message_id::MessageId, region::Region};

/// A kind of content.
pub trait Kind: Clone + PartialEq + Sized {
    /// The form in requests. [`NotYet`] marks a kind that this version cannot send.
    type Asked: Asked<Self>;
    /// The form in responses.
    type Shown: Serialize + JsonSchema;
    /// The version of the stored form that is written.
    const STORED: u32;

    /// The text that a person reads first, to which limits and policies apply. `None` if the kind
    /// has no such text, or it is absent.
    fn body(&self) -> Option<&str>;

    /// Removes everything that a person wrote, and keeps what is needed to recognise the kind of
    /// message. Plugins without the `bodies` grant receive the rest, and `Debug` shows it.
    fn conceal(&mut self);

    /// Converts to the form in responses.
    fn shown(&self) -> Self::Shown;

    /// Normalises the fields of a request by removing those that say no more than their absence.
    /// Digests of requests depend on the result, so this must never change for a field that callers
    /// may have sent.
    fn tidy(fields: &mut Map<String, Value>) {
        let _ = fields;
    }

    /// Writes the stored form of [`Kind::STORED`].
    ///
    /// # Errors
    /// When the serializer fails.
    fn store<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;

    /// Reads a stored form of any version that this kind knows.
    ///
    /// # Errors
    /// When the version is unknown, or the form cannot be read.
    fn restore<'de, D: Deserializer<'de>>(version: u32, from: D) -> Result<Self, D::Error>;

    /// Writes the form for the bridge.
    ///
    /// # Errors
    /// When the serializer fails.
    fn to_bridge<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;

    /// Reads the form from the bridge.
    ///
    /// # Errors
    /// When the form cannot be read.
    fn from_bridge<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

/// Implements the methods of [`Kind`] for the stored form and the bridge's form, given as "remote"
/// types. The versions of the stored form are listed with the newest first.
macro_rules! forms {
    (stored: $now:literal => $form:ident $(, $before:literal => $old:ident)*; bridge: $bridge:ident) => {
        const STORED: u32 = $now;

        fn store<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            $form::serialize(self, to)
        }

        fn restore<'de, D: serde::Deserializer<'de>>(version: u32, from: D) -> Result<Self, D::Error> {
            match version {
                $now => $form::deserialize(from),
                $($before => $old::deserialize(from).map(Into::into),)*
                _ => Err(crate::model::content::kind::newer(version)),
            }
        }

        fn to_bridge<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            $bridge::serialize(self, to)
        }

        fn from_bridge<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            $bridge::deserialize(from)
        }
    };
}
pub(super) use forms;

pub(super) fn newer<E: serde::de::Error>(version: u32) -> E {
    E::custom(format_args!(
        "version {version} of this kind is not known here"
    ))
}

/// Implements `Debug` for forms that contain what a person wrote: it shows only their type's name.
macro_rules! opaque {
    ($($Form:ident),+) => {
        $(impl std::fmt::Debug for $Form {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($Form))
            }
        })+
    };
}
pub(super) use opaque;

/// The form of a kind in requests; unknown fields are refused.
pub trait Asked<K>: for<'de> Deserialize<'de> + JsonSchema {
    /// Whether this version can send the kind.
    const CAN_BE_SENT: bool = true;
    /// The error codes that [`Asked::check`] returns.
    const CODES: &'static [ContentCode];

    /// Validates the request and converts it to a content. `region` completes national phone
    /// numbers.
    ///
    /// # Errors
    /// When it violates a limit of the kind.
    fn check(self, region: Option<Region>) -> Result<K, InvalidContent>;
}

/// The form in requests of a kind that this version cannot send; it has no values.
#[derive(Debug, Clone, Copy)]
pub enum NotYet {}

impl<'de> Deserialize<'de> for NotYet {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("this kind of message cannot be sent yet"))
    }
}

impl JsonSchema for NotYet {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NotYet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        false.into()
    }
}

impl<K> Asked<K> for NotYet {
    const CAN_BE_SENT: bool = false;
    const CODES: &'static [ContentCode] = &[];

    fn check(self, _: Option<Region>) -> Result<K, InvalidContent> {
        match self {}
    }
}

/// An error code for an invalid content in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentCode {
    /// The code for programs, in `snake_case`.
    pub name: &'static str,
    /// The meaning for people.
    pub title: &'static str,
}

impl ContentCode {
    pub(super) const fn new(name: &'static str, title: &'static str) -> Self {
        Self { name, title }
    }

    pub(super) fn because(self, message: impl Into<String>) -> InvalidContent {
        InvalidContent {
            code: self,
            message: message.into(),
        }
    }
}

/// Why a content in a request is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidContent {
    /// One of [`Asked::CODES`], or [`INVALID_TARGET`].
    pub code: ContentCode,
    /// What is wrong and what is accepted.
    pub message: String,
}

/// The code for a reference to a message that is not a message id.
pub const INVALID_TARGET: ContentCode =
    ContentCode::new("invalid_message_id", "Invalid message id");

/// Parses a reference to a message in a request.
///
/// # Errors
/// When the text is neither a bare message id nor a key.
pub fn target(text: &str) -> Result<MessageId, InvalidContent> {
    let message =
        "a message is named by its WhatsApp id (3EB0…), or by its key (false_77@lid_3EB0…)";
    MessageId::written(text).ok_or_else(|| INVALID_TARGET.because(message))
}

/// Removes a field that has its default value.
pub(super) fn drop_default(fields: &mut Map<String, Value>, name: &str, default: impl Into<Value>) {
    if fields.get(name) == Some(&default.into()) {
        fields.remove(name);
    }
}

/// Formats a content for `Debug`: its name, the length of its text and its concealed form. What a
/// person wrote never appears in a log.
pub(super) fn debug<K: Kind>(name: &str, kind: &K, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut concealed = kind.clone();
    concealed.conceal();
    let rest = concealed
        .store(serde_json::value::Serializer)
        .map_err(|_| fmt::Error)?;
    match kind.body() {
        Some(body) => write!(f, "{name} of {} characters {rest}", body.chars().count()),
        None => write!(f, "{name} {rest}"),
    }
}
