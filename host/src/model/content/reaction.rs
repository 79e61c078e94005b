//! A reaction: an emoji on a message.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Kind, NotYet, forms, opaque};
use crate::model::message_id::MessageId;

/// A reaction: an emoji on a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Reaction {
    /// The message that the reaction is on.
    pub target: MessageId,
    /// One emoji; empty if the reaction is removed.
    pub emoji: String,
}

impl Kind for Reaction {
    type Asked = NotYet;
    type Shown = ShownReaction;
    forms!(stored: 1 => Stored1; bridge: Bridge);

    fn body(&self) -> Option<&str> {
        None
    }

    fn conceal(&mut self) {
        self.emoji.clear();
    }

    fn shown(&self) -> ShownReaction {
        let Self { target, emoji } = self.clone();
        ShownReaction {
            message_id: target,
            emoji,
        }
    }
}

opaque!(ShownReaction);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Reaction")]
struct Stored1 {
    target: MessageId,
    emoji: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Reaction")]
struct Bridge {
    target: MessageId,
    emoji: String,
}

/// A reaction in responses.
#[derive(Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownReaction {
    /// The message that the reaction is on.
    pub message_id: MessageId,
    /// One emoji; empty if the reaction is removed.
    pub emoji: String,
}
