//! A new text for a message that was already sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    kind::{Kind, NotYet, forms, opaque},
    text::{self, ShownText, Text},
};
use crate::model::message_id::MessageId;

/// A new text for a message that was already sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Edit {
    /// The message that is changed.
    pub target: MessageId,
    /// The new text.
    pub text: Text,
}

impl Kind for Edit {
    type Asked = NotYet;
    type Shown = ShownEdit;
    forms!(stored: 1 => Stored1; bridge: Bridge);

    fn body(&self) -> Option<&str> {
        self.text.body()
    }

    fn conceal(&mut self) {
        self.text.conceal();
    }

    fn shown(&self) -> ShownEdit {
        ShownEdit {
            message_id: self.target.clone(),
            text: self.text.shown(),
        }
    }

    fn tidy(fields: &mut Map<String, Value>) {
        Text::tidy(fields);
    }
}

opaque!(ShownEdit);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Edit")]
struct Stored1 {
    target: MessageId,
    #[serde(with = "text::Stored1")]
    text: Text,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Edit")]
struct Bridge {
    target: MessageId,
    #[serde(with = "text::Bridge")]
    text: Text,
}

/// An edit in responses.
#[derive(Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownEdit {
    /// The message that is changed.
    pub message_id: MessageId,
    /// The new text; its fields are beside the id.
    #[serde(flatten)]
    pub text: ShownText,
}
