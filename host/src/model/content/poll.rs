//! A question with options to choose from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kind::{Kind, NotYet, drop_default, forms, opaque};

/// A question with options to choose from.
#[derive(Clone, PartialEq, Eq)]
pub struct Poll {
    /// The question.
    pub question: String,
    /// The options, in order.
    pub options: Vec<String>,
    /// How many options one person may choose; 0: any number.
    pub selectable: u32,
}

impl Kind for Poll {
    type Asked = NotYet;
    type Shown = ShownPoll;
    forms!(stored: 1 => Stored1; bridge: Bridge);

    fn body(&self) -> Option<&str> {
        Some(&self.question)
    }

    fn conceal(&mut self) {
        self.question.clear();
        self.options.clear();
    }

    fn shown(&self) -> ShownPoll {
        let Self {
            question,
            options,
            selectable,
        } = self.clone();
        ShownPoll {
            question,
            options,
            selectable,
        }
    }

    fn tidy(fields: &mut Map<String, Value>) {
        drop_default(fields, "selectable", 0);
    }
}

opaque!(ShownPoll);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Poll")]
struct Stored1 {
    question: String,
    options: Vec<String>,
    #[serde(default)]
    selectable: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Poll")]
struct Bridge {
    question: String,
    options: Vec<String>,
    #[serde(default)]
    selectable: u32,
}

/// A poll in responses.
#[derive(Clone, Serialize, JsonSchema)]
pub struct ShownPoll {
    /// The question.
    pub question: String,
    /// The options, in order.
    pub options: Vec<String>,
    /// How many options one person may choose; 0: any number.
    pub selectable: u32,
}
