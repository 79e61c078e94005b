//! What each kind of content defines, so that no other file needs a list of kinds.
//!
//! A kind has one file, with its type, its limits and four forms: in the database, to and from the
//! bridge, as a caller writes it, and as a caller reads it. The forms are types of their own, most
//! of them serde's "remote" derive: the compiler compares their fields with those of the kind, and
//! renaming a field of one form leaves the others as they are.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};

use crate::model::{message_id::MessageId, region::Region};

/// A kind of content.
pub trait Kind: Clone + PartialEq + Sized {
    /// What a caller writes to send one. [`NotYet`] makes it a kind that this version cannot send.
    type Asked: Asked<Self>;
    /// What a caller reads of one.
    type Shown: Serialize;
    /// The version of the stored form that is written.
    const STORED: u32;

    /// The text a person reads first, which limits and policies look at. None: the kind has no such
    /// text, or it is absent.
    fn body(&self) -> Option<&str>;

    /// Removes everything that a person wrote, and keeps what the message needs to be recognised as
    /// what it is. Plugins without the `bodies` grant get what is left, and `Debug` shows it.
    fn conceal(&mut self);

    /// For callers.
    fn shown(&self) -> Self::Shown;

    /// Makes two spellings of one request the same, in what a caller wrote: removes what says no
    /// more than its absence. Digests of requests depend on it, so it never changes for a field
    /// that callers may have sent.
    fn tidy(fields: &mut Map<String, Value>) {
        let _ = fields;
    }

    /// Writes the stored form of [`Kind::STORED`].
    ///
    /// # Errors
    /// Those of the serializer.
    fn store<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;

    /// Reads a stored form of any version that this one knows.
    ///
    /// # Errors
    /// When the version is a newer one, or the form cannot be read.
    fn restore<'de, D: Deserializer<'de>>(version: u32, from: D) -> Result<Self, D::Error>;

    /// Writes the form that the bridge gets.
    ///
    /// # Errors
    /// Those of the serializer.
    fn to_bridge<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;

    /// Reads what the bridge tells.
    ///
    /// # Errors
    /// When it cannot be read.
    fn from_bridge<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

/// The forms of a kind in the database, the newest version first, and at the bridge: the names of
/// "remote" types.
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

/// `Debug` of forms that hold what a person wrote: their name and nothing else.
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

/// What a caller writes to send one of a kind; unknown fields are refused.
pub trait Asked<K>: for<'de> Deserialize<'de> + JsonSchema {
    /// Whether this version can send the kind.
    const CAN_BE_SENT: bool = true;
    /// The codes of [`Asked::check`].
    const CODES: &'static [ContentCode];

    /// Checks what was written and makes a content of it. `region` completes national phone
    /// numbers.
    ///
    /// # Errors
    /// When it breaks a limit of the kind.
    fn check(self, region: Option<Region>) -> Result<K, InvalidContent>;
}

/// What a caller can write of a kind that this version cannot send: nothing.
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

/// A code under which what a caller wrote of a content is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentCode {
    /// For programs, `snake_case`.
    pub name: &'static str,
    /// The same in words.
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

/// Why what a caller wrote is no content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidContent {
    /// One of [`Asked::CODES`], or [`INVALID_TARGET`].
    pub code: ContentCode,
    /// What is wrong and what is accepted.
    pub message: String,
}

/// A message that is named by something else than its id.
pub const INVALID_TARGET: ContentCode =
    ContentCode::new("invalid_message_id", "Invalid message id");

/// The message that a caller names.
///
/// # Errors
/// When the text is neither a bare id nor a key.
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

/// Shows a content by its name, the length of its text and its concealed form: what a person wrote
/// is never in a log.
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
