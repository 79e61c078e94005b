//! The account that an event or a session belongs to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The account an event belongs to, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The phone-number form, `…@c.us`.
    pub pn: Option<String>,
    /// The opaque form, `…@lid`.
    pub lid: Option<String>,
    /// The name the account gives itself.
    pub push_name: Option<String>,
}

impl Account {
    /// Whether both are the same account: they have the same number or the same opaque id. Two
    /// accounts without a form in common count as different ones.
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

    /// Fills in what is missing from what was known of the account earlier.
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
