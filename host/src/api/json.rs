//! JSON as its caller wrote it: numbers keep their digits, and a name stands once in an object.
//!
//! serde's own readers take the last of two equal names and make floating-point numbers of digits.
//! So the text is checked by `serde_json` and cut here: the cutting can rely on it, and decides
//! nothing about what JSON is.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::fault::Fault;

/// Objects and lists within each other.
const DEEPEST: usize = 64;

/// One value.
#[derive(Clone)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    /// Its digits, as they stand in the text.
    Number(&'a str),
    Text(Cow<'a, str>),
    /// The value of a query's parameter: a text, of which numbers and truth values can be read.
    Word(Cow<'a, str>),
    List(Vec<Self>),
    Object(Vec<(Cow<'a, str>, Self)>),
}

/// Reads a body; a byte order mark before it is no part of it.
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

/// What is left of a text that was found to be JSON.
struct Cut<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cut<'a> {
    /// The next byte that says something; 0 at the end.
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

    /// A text in quotes, without them.
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
        read.map(Cow::Owned).ok_or_else(|| Fault::whole("has a text with half of a surrogate pair (\\ud800 to \\udfff), which is no character"))
    }
}

/// The text was found to be JSON, so this is never said.
fn broken() -> Fault {
    Fault::whole("is not JSON")
}

/// Which of two equal names is meant nobody knows.
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
