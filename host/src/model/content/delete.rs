//! The deletion of a message.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kind::{Kind, NotYet, drop_default, forms};
use crate::model::message_id::MessageId;

/// The deletion of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Delete {
    /// The message that is deleted.
    pub target: MessageId,
    /// Whether it is deleted for everyone in the chat, or only on the devices of this account.
    pub for_everyone: bool,
}

impl Kind for Delete {
    type Asked = NotYet;
    type Shown = ShownDelete;
    forms!(stored: 1 => Stored1; bridge: Bridge);

    fn body(&self) -> Option<&str> {
        None
    }

    fn conceal(&mut self) {
        // Contains nothing that a person wrote.
        let Self {
            target: _,
            for_everyone: _,
        } = self;
    }

    fn shown(&self) -> ShownDelete {
        let Self {
            target,
            for_everyone,
        } = self.clone();
        ShownDelete {
            message_id: target,
            for_everyone,
        }
    }

    fn tidy(fields: &mut Map<String, Value>) {
        drop_default(fields, "forEveryone", true);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Delete")]
struct Stored1 {
    target: MessageId,
    for_everyone: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Delete")]
struct Bridge {
    target: MessageId,
    for_everyone: bool,
}

/// A deletion in responses.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownDelete {
    /// The message that is deleted.
    pub message_id: MessageId,
    /// Whether it is deleted for everyone in the chat, or only on the devices of this account.
    pub for_everyone: bool,
}
