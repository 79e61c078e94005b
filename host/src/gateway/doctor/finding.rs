//! The result of one check of the doctor.

use std::fmt;

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was found.
    pub seen: String,
    /// What to do about it; `None` when nothing is wrong.
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
