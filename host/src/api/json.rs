//! A JSON parser that keeps what the caller wrote: numbers keep their digits, and a name may occur
//! only once in an object.
//!
//! serde's own deserializers take the last of two equal names and convert large numbers to floating
//! point. So `serde_json` validates the text, and this module only splits it into values: it can
//! rely on valid JSON and makes no decision of its own about what JSON is.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::fault::Fault;

/// The deepest nesting of objects and arrays.
const DEEPEST: usize = 64;

/// One JSON value.
#[derive(Clone)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    /// The number as it is written in the text.
    Number(&'a str),
    Text(Cow<'a, str>),
    /// The value of a query parameter: a string from which numbers and booleans can also be read.
    Word(Cow<'a, str>),
    List(Vec<Self>),
    Object(Vec<(Cow<'a, str>, Self)>),
}

/// Parses a body. A leading byte order mark is ignored.
pub(super) fn parse(body: &[u8]) -> Result<Json<'_>, Fault> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err(Fault::whole("must be a JSON object; it is empty"));
    }
    let checked = serde_json::from_slice::<&RawValue>(body);
    let whole = checked.map_err(|error| {
        Fault::whole(format!(
            "is not JSON: line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    Cut {
        text: whole.get(),
        at: 0,
    }
    .value(0)
}

/// A position in a text that is valid JSON.
struct Cut<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cut<'a> {
    /// The next byte that is not whitespace; 0 at the end.
    fn peek(&mut self) -> u8 {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, Fault> {
        if depth > DEEPEST {
            return Err(Fault::whole(format!(
                "is nested more than {DEEPEST} levels deep"
            )));
        }
        let first = self.peek();
        let skip = |this: &mut Self, bytes: usize, value| {
            this.at += bytes;
            Ok(value)
        };
        match first {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.quoted().map(Json::Text),
            b't' => skip(self, 4, Json::Bool(true)),
            b'f' => skip(self, 5, Json::Bool(false)),
            b'n' => skip(self, 4, Json::Null),
            _ => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let end = rest
                    .find(|c: char| matches!(c, ',' | ']' | '}') || c.is_ascii_whitespace())
                    .unwrap_or(rest.len());
                let number = rest
                    .get(..end)
                    .filter(|number| !number.is_empty())
                    .ok_or_else(broken)?;
                skip(self, end, Json::Number(number))
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json<'a>, Fault> {
        let mut list = Vec::new();
        self.at += 1;
        loop {
            match self.peek() {
                b',' => self.at += 1,
                b']' => break self.at += 1,
                _ => list.push(
                    self.value(depth + 1)
                        .map_err(|fault| fault.at(list.len()))?,
                ),
            }
        }
        Ok(Json::List(list))
    }

    fn object(&mut self, depth: usize) -> Result<Json<'a>, Fault> {
        let mut fields = Vec::new();
        self.at += 1;
        loop {
            match self.peek() {
                b',' => self.at += 1,
                b'}' => break self.at += 1,
                _ => {
                    let name = self.quoted()?;
                    if self.peek() != b':' {
                        return Err(broken());
                    }
                    self.at += 1;
                    let value = self.value(depth + 1).map_err(|fault| fault.within(&name))?;
                    fields.push((name, value));
                }
            }
        }
        once(&fields)?;
        Ok(Json::Object(fields))
    }

    /// The content of a quoted string, unescaped.
    fn quoted(&mut self) -> Result<Cow<'a, str>, Fault> {
        let rest = self
            .text
            .get(self.at..)
            .filter(|rest| rest.starts_with('"'))
            .ok_or_else(broken)?;
        let (mut end, mut plain) = (1, true);
        loop {
            match rest.as_bytes().get(end) {
                Some(b'"') => break,
                Some(b'\\') => (end, plain) = (end + 2, false),
                Some(_) => end += 1,
                None => return Err(broken()),
            }
        }
        self.at += end + 1;
        if plain {
            return rest.get(1..end).map(Cow::Borrowed).ok_or_else(broken);
        }
        let read = rest
            .get(..=end)
            .and_then(|quoted| serde_json::from_str(quoted).ok());
        read.map(Cow::Owned).ok_or_else(|| Fault::whole("has a string with half of a surrogate pair (\\ud800 to \\udfff), which is not a character"))
    }
}

/// Never returned for valid JSON, which the text is.
fn broken() -> Fault {
    Fault::whole("is not JSON")
}

/// Refuses two equal names: it is not clear which of the two values is meant.
fn once(fields: &[(Cow<'_, str>, Json<'_>)]) -> Result<(), Fault> {
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    let twice = names.windows(2).find_map(|pair| {
        if let [one, other] = pair
            && one == other
        {
            Some(*one)
        } else {
            None
        }
    });
    twice.map_or(Ok(()), |name| Err(Fault::twice(name)))
}
