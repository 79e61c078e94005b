//! Regions by their ISO 3166 code, with the numbering plans of Google's libphonenumber.

use std::{fmt, str::FromStr};

use phonenumber::{country, metadata::DATABASE};

/// A region that has a numbering plan.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Region(country::Id);

/// The text is not the code of a region, or the region has no numbering plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a region is written as two letters of ISO 3166, such as DE")]
pub struct UnknownRegion;

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id: country::Id = text
            .to_ascii_uppercase()
            .parse()
            .map_err(|_| UnknownRegion)?;
        if DATABASE.by_id(id.as_ref()).is_some() {
            Ok(Self(id))
        } else {
            Err(UnknownRegion)
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Region {
    /// The region's calling code, e.g. 49; 0 if it is not known.
    #[must_use]
    pub fn calling_code(self) -> u16 {
        DATABASE
            .by_id(self.0.as_ref())
            .map_or(0, phonenumber::Metadata::country_code)
    }

    pub(super) fn id(self) -> country::Id {
        self.0
    }

    /// The length of the region's exit code at the beginning of the digits; `None` if they do not
    /// begin with it.
    pub(super) fn exit_code(self, digits: &str) -> Option<usize> {
        let prefix = DATABASE.by_id(self.0.as_ref())?.international_prefix()?;
        prefix
            .find(digits)
            .filter(|found| found.start() == 0)
            .map(|found| found.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_read_in_both_cases_and_known() {
        assert_eq!(
            "de".parse::<Region>()
                .map(|region| region.to_string())
                .as_deref(),
            Ok("DE")
        );
        for none in ["", "D", "XX", "DE49", "001"] {
            assert_eq!(none.parse::<Region>(), Err(UnknownRegion), "{none}");
        }
    }

    #[test]
    fn regions_have_calling_codes() {
        let code = |region: &str| region.parse::<Region>().expect("region").calling_code();
        assert_eq!(["DE", "US", "CI"].map(code), [49, 1, 225]);
    }

    #[test]
    fn each_region_has_its_own_exit_code() {
        let code =
            |region: &str, digits| region.parse::<Region>().expect("region").exit_code(digits);
        assert_eq!(code("DE", "0049151"), Some(2));
        assert_eq!(code("US", "01149151"), Some(3));
        assert_eq!(code("AU", "001149151"), Some(4));
        assert_eq!(code("AU", "0049151"), None);
    }
}
