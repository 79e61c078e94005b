//! A content whose kind this version does not model, with WhatsApp's own name for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::{Kind, NotYet, forms};

/// A content whose kind this version does not model.
#[derive(Clone, PartialEq, Eq)]
pub struct OtherContent {
    /// WhatsApp's own type name, e.g. `multi_vcard`.
    pub kind: String,
    /// The content as a JSON object.
    pub json: String,
}

impl Kind for OtherContent {
    type Asked = NotYet;
    type Shown = ShownOther;
    forms!(stored: 1 => Stored1; bridge: Bridge);

    fn body(&self) -> Option<&str> {
        None
    }

    fn conceal(&mut self) {
        self.json = "{}".into();
    }

    fn shown(&self) -> ShownOther {
        ShownOther {
            kind: self.kind.clone(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OtherContent")]
struct Stored1 {
    // `kind` is already the name of the content's kind.
    #[serde(rename = "type")]
    kind: String,
    json: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OtherContent")]
struct Bridge {
    #[serde(rename = "type")]
    kind: String,
    json: String,
}

/// Such a content in responses.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ShownOther {
    /// WhatsApp's own type name.
    #[serde(rename = "type")]
    pub kind: String,
}
