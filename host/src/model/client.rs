//! The operator's name for one linked WhatsApp account.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of one WhatsApp login: 1 to 64 characters of `A-Z a-z 0-9 _ -`. No other character is
/// allowed, because the name is also a folder name (`session-<id>`) and a path segment of the API.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("pattern" = "^[A-Za-z0-9_-]{1,64}$"))]
pub struct ClientId(Arc<str>);

/// An invalid client id, cut to 80 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("client id {0:?} must be 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'")]
pub struct InvalidClientId(String);

impl ClientId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the two are equal if upper and lower case are not distinguished, as people and some
    /// file systems do.
    #[must_use]
    pub fn is_taken_for(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// Finds two ids that differ only in upper and lower case.
    #[must_use]
    pub fn differ_in_case_only<'a>(ids: &[&'a Self]) -> Option<(&'a Self, &'a Self)> {
        let mut seen: BTreeMap<String, &Self> = BTreeMap::new();
        ids.iter()
            .find_map(|id| match seen.insert(id.0.to_ascii_lowercase(), id) {
                Some(other) if other != *id => Some((other, *id)),
                _ => None,
            })
    }
}

impl FromStr for ClientId {
    type Err = InvalidClientId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(InvalidClientId(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for ClientId {
    type Error = InvalidClientId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_not_a_client_id() {
        for bad in ["", "..", "a/b", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<ClientId>().is_err(), "{bad:?}");
        }
        assert!("rafi-scheme_manager1".parse::<ClientId>().is_ok());
    }

    #[test]
    fn ids_that_differ_in_case_only_are_one_to_people_and_folders() {
        let id = |text: &str| text.parse::<ClientId>().expect(text);
        let (sales, upper, other) = (id("sales"), id("Sales"), id("sale"));
        assert!(
            sales.is_taken_for(&upper) && sales.is_taken_for(&sales) && !sales.is_taken_for(&other)
        );
        assert_eq!(
            ClientId::differ_in_case_only(&[&sales, &other, &sales]),
            None
        );
        assert_eq!(
            ClientId::differ_in_case_only(&[&sales, &other, &upper]),
            Some((&sales, &upper))
        );
    }
}
