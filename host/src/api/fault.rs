//! The error type of parsing a body or a query. It says which field is wrong, what was expected and
//! what was found.

use std::{borrow::Cow, fmt};

use serde::de::{Expected, Unexpected};

use super::error::{ApiError, Code};

/// The most characters of a caller's field name that an error repeats.
const SHOWN: usize = 80;
/// The most steps of a path that an error names.
const STEPS: usize = 10;

/// A fault in a body or a query.
#[derive(Debug)]
pub(super) struct Fault(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    /// The path of the fault, innermost step first.
    path: Vec<Step>,
    /// The message after the path.
    words: String,
    /// For an unknown field: the names that are accepted in its place.
    known: &'static [&'static str],
}

/// The kinds of faults that have different error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wrong,
    Unknown,
    Twice,
}

#[derive(Debug)]
enum Step {
    Name(String),
    Place(usize),
}

impl Fault {
    fn new(kind: Kind, path: Vec<Step>, words: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            path,
            words: words.into(),
            known: &[],
        }))
    }

    /// A fault of the whole value.
    pub(super) fn whole(words: impl Into<String>) -> Self {
        Self::new(Kind::Wrong, vec![], words)
    }

    /// A name that is given twice in one object.
    pub(super) fn twice(name: &str) -> Self {
        Self::new(
            Kind::Twice,
            vec![Step::Name(name.to_owned())],
            "is given twice; give it once",
        )
    }

    pub(super) fn within(mut self, name: &str) -> Self {
        self.0.path.push(Step::Name(name.to_owned()));
        self
    }

    /// Adds names to those that an unknown field of the outermost object could have had.
    pub(super) fn beside(mut self, others: &[&'static str]) -> Self {
        if self.0.kind == Kind::Unknown
            && let [Step::Name(name)] = self.0.path.as_slice()
        {
            self.0.words = known(name, &[self.0.known, others].concat());
        }
        self
    }

    pub(super) fn at(mut self, place: usize) -> Self {
        self.0.path.push(Step::Place(place));
        self
    }

    /// The path of the fault, such as `location.latitude` or `recipients[3].to`; none when it
    /// concerns the whole value.
    fn place(&self) -> Option<String> {
        let mut place = String::new();
        for step in self.0.path.iter().rev().take(STEPS) {
            match step {
                Step::Place(number) => place += &format!("[{number}]"),
                Step::Name(name) => {
                    let dot = if place.is_empty() { "" } else { "." };
                    place += &format!("{dot}{}", shown(name));
                }
            }
        }
        if self.0.path.len() > STEPS {
            place.push('…');
        }
        Some(place).filter(|place| !place.is_empty())
    }

    /// The message; `what` names the value that was read, for a fault of the whole.
    pub(super) fn says(&self, what: &str) -> String {
        format!(
            "{} {}",
            self.place().as_deref().unwrap_or(what),
            self.0.words
        )
    }

    /// Whether the fault concerns the whole body: it is not a JSON object.
    pub(super) fn is_of_whole(&self) -> bool {
        self.0.path.is_empty()
    }

    /// Whether it is an unknown name.
    pub(super) fn is_unknown(&self) -> bool {
        self.0.kind == Kind::Unknown
    }

    /// Whether it is a name given twice in one object.
    pub(super) fn is_twice(&self) -> bool {
        self.0.kind == Kind::Twice
    }

    /// Whether it is in this field of the outermost object.
    pub(super) fn is_within(&self, field: &str) -> bool {
        matches!(self.0.path.last(), Some(Step::Name(name)) if name == field)
    }

    /// The API error for a fault in a query.
    pub(super) fn of_query(&self) -> ApiError {
        let code = match self.0.kind {
            Kind::Unknown => Code::UnknownParameter,
            Kind::Twice => Code::DuplicateParameter,
            Kind::Wrong => Code::InvalidQuery,
        };
        self.refuse(code, "the query", "parameter")
    }

    /// The API error for a fault in a body. `code` is the code that the call uses, except for a
    /// field that is given twice.
    pub(super) fn of_body(&self, code: Code) -> ApiError {
        match self.0.kind {
            Kind::Twice => self.refuse(Code::DuplicateField, "the body", "field"),
            Kind::Wrong | Kind::Unknown => self.refuse(code, "the body", "field"),
        }
    }

    fn refuse(&self, code: Code, what: &str, member: &'static str) -> ApiError {
        let error = ApiError::new(code, self.says(what));
        self.place()
            .into_iter()
            .fold(error, |error, place| error.with(member, place))
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        fault.of_body(Code::InvalidBody)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says("it"))
    }
}

impl std::error::Error for Fault {}

/// A name fit for a message: as it is if it is short and plain, otherwise quoted, escaped and cut.
pub(super) fn shown(name: &str) -> Cow<'_, str> {
    let plain = !name.is_empty()
        && name.len() <= SHOWN
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    if plain {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!(
            "{:?}",
            name.chars().take(SHOWN).collect::<String>()
        ))
    }
}

/// The message for an unknown name: the most similar known name, if any is close, and all known
/// names.
pub(super) fn known(name: &str, known: &[&str]) -> String {
    let cut: String = name.chars().take(SHOWN).collect();
    let nearest = known
        .iter()
        .map(|known| {
            (
                strsim::osa_distance(&cut.to_lowercase(), &known.to_lowercase()),
                known,
            )
        })
        .min();
    let meant = nearest
        .filter(|(distance, known)| *distance * 2 < known.len())
        .map(|(_, known)| format!("did you mean {known}? "));
    let all = if known.is_empty() {
        "none is accepted".to_owned()
    } else {
        format!("expected one of {}", known.join(", "))
    };
    format!("is unknown; {}{all}", meant.unwrap_or_default())
}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self::whole(format!("is not understood: {words}"))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::whole(format!("must be {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::whole(format!("must be {expected}"))
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        let mut fault = Self::new(
            Kind::Unknown,
            vec![Step::Name(name.to_owned())],
            known(name, expected),
        );
        fault.0.known = expected;
        fault
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(Kind::Wrong, vec![Step::Name(name.to_owned())], "is missing")
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self::twice(name)
    }
}
