//! Whose account an event or a session belongs to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The account an event belongs to, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// `…@c.us`.
    pub pn: Option<String>,
    /// `…@lid`.
    pub lid: Option<String>,
    /// The name the account gives itself.
    pub push_name: Option<String>,
}

impl Account {
    /// Whether both are the same account: a number or an opaque id that both have is the same. Two
    /// of which neither has what the other has are taken for different ones.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        // `49151…:12@c.us` is a device of `49151…@c.us`.
        let user = |wid: &Option<String>| {
            wid.as_ref()
                .and_then(|wid| wid.split([':', '@']).next().map(str::to_owned))
        };
        let same = |mine: Option<String>, theirs: Option<String>| mine.is_some() && mine == theirs;
        same(user(&self.pn), user(&other.pn)) || same(user(&self.lid), user(&other.lid))
    }

    /// The account with what only an earlier look at it knew.
    #[must_use]
    pub fn over(&self, earlier: Self) -> Self {
        let this = self.clone();
        Self {
            pn: this.pn.or(earlier.pn),
            lid: this.lid.or(earlier.lid),
            push_name: this.push_name.or(earlier.push_name),
        }
    }
}
