//! The compatibility lines of the contract with plugins.
//!
//! The gateway works with the types of the present line, which are in `bindings.rs` and beside each
//! extension point. Each older line is a module here that only converts to and from them, so
//! nothing else differs between the lines. `wit/README.md` has the rule of what may change.

#[cfg(test)]
mod frozen;
pub(super) mod v0_1;

use std::fmt;

/// A compatibility line: all versions of the package that differ in nothing that a plugin sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    V0_1,
    V0_2,
}

impl Line {
    /// Every line that this gateway serves, the oldest first.
    pub(super) const ALL: [Self; 2] = [Self::V0_1, Self::V0_2];

    /// The line of a version of the package; none when this gateway does not serve it.
    pub(super) fn of(version: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|line| {
            version
                .strip_prefix(line.as_str())
                .is_some_and(|rest| rest.starts_with('.'))
        })
    }

    /// The name of the line: `0.1`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1 => "0.1",
            Self::V0_2 => "0.2",
        }
    }

    /// The versions that this gateway serves, for error messages: `0.1.x and 0.2.x`.
    pub(super) fn served() -> String {
        Self::ALL.map(|line| format!("{line}.x")).join(" and ")
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_belongs_to_the_line_of_its_first_two_numbers() {
        for (version, line) in [
            ("0.1.0", Some(Line::V0_1)),
            ("0.1.12", Some(Line::V0_1)),
            ("0.2.0", Some(Line::V0_2)),
            ("0.10.0", None),
            ("0.1", None),
            ("0.3.0", None),
            ("1.0.1", None),
            ("", None),
        ] {
            assert_eq!(Line::of(version), line, "{version}");
        }
        assert_eq!(Line::served(), "0.1.x and 0.2.x");
    }
}
