//! The content of a message: one closed type, and the only list of its kinds.
//!
//! Everything about a kind is in the kind's own file, as its [`Kind`]: limits, the text that
//! policies see, what is concealed, whether it can be sent, and its forms. The list below gives
//! each kind its name and its variant of [`Content`]. Whatever else needs all kinds is derived from
//! the list, so a kind that lacks something does not compile.
//!
//! A content has three forms, which change independently of each other. The stored form (`stored`)
//! has a version in each row. The bridge's form (`bridge`) belongs to the script that comes with
//! the gateway. The API's forms, [`Kind::Asked`] and [`Kind::Shown`], belong to the version of the
//! API. `Content` itself implements no serialization, so that no form can be used in place of
//! another.

pub(crate) mod bridge;
mod contact;
mod delete;
mod edit;
mod kind;
mod location;
mod media;
mod other;
mod poll;
mod reaction;
pub(crate) mod stored;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod vcard;

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer, de};
use serde_json::{Map, Value};

pub use contact::{Contact, ContactFields};
pub use delete::{Delete, ShownDelete};
pub use edit::{Edit, ShownEdit};
pub use kind::{Asked, ContentCode, INVALID_TARGET, InvalidContent, Kind, NotYet, target};
pub use location::{Location, LocationFields, ShownLocation};
pub use media::{Media, MediaDetails, MediaKind, MediaTrait, ShownMedia};
pub use other::{OtherContent, ShownOther};
pub use poll::{Poll, ShownPoll};
pub use reaction::{Reaction, ShownReaction};
pub use text::{ShownText, Text, TextFields, mention};

use super::region::Region;

/// Defines [`Content`], [`CallFields`] and everything else that needs all kinds.
macro_rules! kinds {
    (
        in_the_call { $($call:tt)* }
        in_a_field { $($(#[$doc:meta])* $name:ident => $Variant:ident($Kind:ident),)+ }
        in_no_call { $($hidden:tt)* }
    ) => {
        kinds! { @content $($call)* $($(#[$doc])* $name => $Variant($Kind),)+ $($hidden)* }

        /// The fields of a request that are named like the kinds.
        #[derive(Default, Deserialize)]
        #[serde(default)]
        pub struct CallFields {
            $($(#[$doc])* pub $name: Option<<$Kind as Kind>::Asked>,)+
        }

        impl CallFields {
            /// The names of the fields whose kind this version can send, or of those whose kind it
            /// cannot send yet.
            #[must_use]
            pub fn names(can_be_sent: bool) -> Vec<&'static str> {
                let all = [$((stringify!($name), self::can_be_sent::<$Kind>())),+];
                all.into_iter().filter(|(_, can)| *can == can_be_sent).map(|(name, _)| name).collect()
            }

            /// The schemas of the fields whose kind this version can send, with the fields' names.
            pub fn schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
                let all = [$((stringify!($name), self::can_be_sent::<$Kind>(), described::<<$Kind as Kind>::Asked>(generator))),+];
                all.into_iter().filter(|(_, can, _)| *can).map(|(name, _, schema)| (name, schema)).collect()
            }

            /// Validates the fields that are set. Returns each content with the name of its field.
            pub fn contents(self, region: Option<Region>) -> impl Iterator<Item = (&'static str, Result<Content, InvalidContent>)> {
                let all = [$((stringify!($name), self.$name.map(|asked| asked.check(region).map(Content::$Variant)))),+];
                all.into_iter().filter_map(|(name, content)| Some((name, content?)))
            }

            /// Normalises the value of the field with that name; see [`Kind::tidy`].
            pub fn tidy(name: &str, fields: &mut Map<String, Value>) {
                match name {
                    $(stringify!($name) => <$Kind as Kind>::tidy(fields),)+
                    _ => {}
                }
            }
        }
    };
    (@content $($(#[$doc:meta])* $name:ident => $Variant:ident($Kind:ident),)+) => {
        /// The content of a message: the type that the API, the plugins, the outbox and the bridge
        /// share.
        #[derive(Clone, PartialEq)]
        pub enum Content {
            $($(#[$doc])* $Variant($Kind),)+
        }

        impl Content {
            /// The names of all kinds.
            #[must_use]
            pub fn kinds() -> Vec<&'static str> {
                vec![$(stringify!($name)),+]
            }

            /// The names of the kinds that this version can send.
            #[must_use]
            pub fn sendable() -> Vec<&'static str> {
                let all = [$((stringify!($name), can_be_sent::<$Kind>())),+];
                all.into_iter().filter(|(_, can)| *can).map(|(name, _)| name).collect()
            }

            /// The error codes for invalid contents in requests.
            #[must_use]
            pub fn codes() -> Vec<ContentCode> {
                [$(<<$Kind as Kind>::Asked as Asked<$Kind>>::CODES,)+ &[INVALID_TARGET]].concat()
            }

            /// The name of the kind in the API, in the database and at the bridge.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$Variant(_) => stringify!($name),)+
                }
            }

            /// Whether this version can send this kind.
            #[must_use]
            pub fn can_be_sent(&self) -> bool {
                match self {
                    $(Self::$Variant(_) => can_be_sent::<$Kind>(),)+
                }
            }

            /// The text that a person reads first: a body, a caption, a poll's question, or the new
            /// text of an edit. Limits and word filters apply to it.
            #[must_use]
            pub fn body(&self) -> Option<&str> {
                match self {
                    $(Self::$Variant(kind) => kind.body(),)+
                }
            }

            /// Removes everything that a person wrote; see [`Kind::conceal`].
            pub fn conceal(&mut self) {
                match self {
                    $(Self::$Variant(kind) => kind.conceal(),)+
                }
            }

            /// The form in responses, without the name of the kind.
            ///
            /// # Errors
            /// When a part of it cannot be written as JSON.
            pub fn shown(&self) -> Result<Value, serde_json::Error> {
                match self {
                    $(Self::$Variant(kind) => serde_json::to_value(kind.shown()),)+
                }
            }

            /// For each kind its name and the function that creates the schema of its form in
            /// responses.
            #[must_use]
            pub fn schemas() -> Vec<(&'static str, CreateSchema)> {
                vec![$((stringify!($name), described::<<$Kind as Kind>::Shown> as CreateSchema)),+]
            }

            fn store<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let kind = self.kind();
                match self {
                    $(Self::$Variant(form) => Tagged { kind, v: Some($Kind::STORED), form: StoredForm(form) }.serialize(to),)+
                }
            }

            fn restore<E: de::Error>(kind: &str, version: u32, form: Value) -> Result<Self, E> {
                match kind {
                    $(stringify!($name) => $Kind::restore(version, form).map(Self::$Variant).map_err(E::custom),)+
                    _ => Err(E::custom("this kind of content is not known here")),
                }
            }

            fn to_bridge<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let kind = self.kind();
                match self {
                    $(Self::$Variant(form) => Tagged { kind, v: None, form: BridgeForm(form) }.serialize(to),)+
                }
            }

            fn from_bridge(kind: &str, form: Value) -> Option<Self> {
                match kind {
                    $(stringify!($name) => $Kind::from_bridge(form).map(Self::$Variant).ok(),)+
                    _ => None,
                }
            }
        }

        impl fmt::Debug for Content {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$Variant(kind) => fmt::Debug::fmt(kind, f),)+
                }
            }
        }

        $(impl fmt::Debug for $Kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                kind::debug(stringify!($Kind), self, f)
            }
        })+
    };
}

kinds! {
    // The fields of this kind are directly in a request.
    in_the_call {
        /// Text, with mentions.
        text => Text(Text),
    }
    // A request has a field with the name of each of these kinds.
    in_a_field {
        /// A media file, by reference.
        media => Media(Media),
        /// A geographic location.
        location => Location(Location),
        /// A contact card.
        contact => Contact(Contact),
        /// A question with options to choose from.
        poll => Poll(Poll),
        /// An emoji on a message.
        reaction => Reaction(Reaction),
        /// A new text for a message that was already sent.
        edit => Edit(Edit),
        /// The deletion of a message.
        delete => Delete(Delete),
    }
    // No request can contain these kinds.
    in_no_call {
        /// A kind that this version does not model.
        other => Other(OtherContent),
    }
}

impl Content {
    /// A text without mentions.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text(Text {
            body: body.into(),
            mentions: Vec::new(),
            preview_links: true,
        })
    }

    /// Replaces a content that was deleted because of its age; the message itself can still be
    /// looked up.
    #[must_use]
    pub fn redacted() -> Self {
        Self::Other(OtherContent {
            kind: "redacted".into(),
            json: "{}".into(),
        })
    }
}

impl fmt::Debug for CallFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallFields")
    }
}

/// A form with the name of its kind, and with its version if the form has one.
#[derive(Serialize)]
struct Tagged<F: Serialize> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<u32>,
    #[serde(flatten)]
    form: F,
}

struct StoredForm<'a, K>(&'a K);

impl<K: Kind> Serialize for StoredForm<'_, K> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.store(to)
    }
}

struct BridgeForm<'a, K>(&'a K);

impl<K: Kind> Serialize for BridgeForm<'_, K> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.to_bridge(to)
    }
}

/// Creates the schema of one type.
pub type CreateSchema = fn(&mut SchemaGenerator) -> Schema;

/// The schema of a type, with the description repeated beside the reference.
fn described<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<T>();
    if let Some(description) = T::json_schema(generator).get("description").cloned() {
        schema.insert("description".into(), description);
    }
    schema
}

/// Whether this version can send the kind.
fn can_be_sent<K: Kind>() -> bool {
    <K::Asked as Asked<K>>::CAN_BE_SENT
}
