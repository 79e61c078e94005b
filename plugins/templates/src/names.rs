//! Finds filters and tests that do not exist. The template engine reports them only when rendering
//! reaches them, which may first happen for the one customer to whom an `if` applies.

use std::collections::BTreeSet;

use minijinja::{Environment, ErrorKind};

/// The issues with the filters and tests of a body.
pub(crate) fn unknown(environment: &Environment<'_>, body: &str) -> Vec<String> {
    // Everything between `raw` and `endraw` is plain text, so a body with both is not checked.
    if body.contains("raw") && body.contains("endraw") {
        return Vec::new();
    }
    let names = tags(body).flat_map(names).collect::<BTreeSet<_>>();
    names
        .into_iter()
        .filter(|name| !exists(environment, *name))
        .map(|(kind, name)| format!("there is no {} {name:?}", kind.word()))
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Filter,
    Test,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Test => "test",
        }
    }
}

/// Whether the engine has a filter or test. Evaluating an expression is the only way to find out.
fn exists(environment: &Environment<'_>, (kind, name): (Kind, &str)) -> bool {
    let expression = match kind {
        Kind::Filter => format!("1|{name}"),
        Kind::Test => format!("1 is {name}"),
    };
    let outcome = environment
        .compile_expression(&expression)
        .and_then(|expression| expression.eval(()));
    !matches!(outcome, Err(error) if matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest))
}

/// The contents of `{{ }}` and `{% %}`.
fn tags(body: &str) -> impl Iterator<Item = &str> {
    let mut rest = body;
    std::iter::from_fn(move || {
        loop {
            let open = rest.find('{')?;
            let after = rest.get(open + 1..)?;
            let (close, is_tag) = match after.bytes().next() {
                Some(b'{') => ("}}", true),
                Some(b'%') => ("%}", true),
                Some(b'#') => ("#}", false),
                _ => {
                    rest = after;
                    continue;
                }
            };
            let inside = after.get(1..)?;
            let end = inside.find(close).unwrap_or(inside.len());
            rest = inside.get(end..)?;
            if is_tag {
                return inside.get(..end);
            }
        }
    })
}

/// The names after `|` and after `is` in a tag, outside quotes.
fn names(tag: &str) -> Vec<(Kind, &str)> {
    let mut found = Vec::new();
    let mut expected = None;
    let mut rest = tag;
    while let Some(c) = rest.chars().next() {
        let word = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let length = match c {
            '"' | '\'' => rest
                .get(1..)
                .and_then(|inside| inside.find(c))
                .map_or(rest.len(), |end| end + 2),
            _ if word > 0 => word,
            _ => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        match (token, expected) {
            ("|", _) => expected = Some(Kind::Filter),
            ("is", None) => expected = Some(Kind::Test),
            (_, Some(kind)) if word > 0 && token != "not" => {
                found.push((kind, token));
                expected = None;
            }
            _ => {}
        }
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_filters_and_tests_are_found_wherever_they_stand() {
        let environment = Environment::new();
        for (body, want) in [
            (
                "{{ a|upper }} {% if a is defined and b is not none %}x{% endif %}",
                &[][..],
            ),
            ("{{ a | upper|shout }}", &["there is no filter \"shout\""]),
            (
                "{% if a is not loud %}{{ 'is |x' }}{% endif %}",
                &["there is no test \"loud\""],
            ),
            ("{# a|shout #} {a|shout} is loud | shout", &[]),
            ("{% raw %}{{ a|shout }}{% endraw %}", &[]),
            ("{{ a|default(\"it's\")|trim|join(', ') }}", &[]),
        ] {
            assert_eq!(unknown(&environment, body), want, "{body}");
        }
    }
}
