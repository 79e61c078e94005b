//! What was seen, and what to do about it.

use std::fmt;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was seen.
    pub seen: String,
    /// What to do; none: all is well.
    pub advice: Option<String>,
}

impl Finding {
    pub(super) fn good(seen: impl Into<String>) -> Self {
        Self {
            seen: seen.into(),
            advice: None,
        }
    }

    pub(super) fn look(seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            seen: seen.into(),
            advice: Some(advice.into()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.advice {
            None => write!(f, "ok    {}", self.seen),
            Some(advice) => write!(f, "LOOK  {}\n      -> {advice}", self.seen),
        }
    }
}
