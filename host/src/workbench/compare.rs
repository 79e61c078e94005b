//! Compares an answer with what a case expects of it. Expected are the fields that the case names,
//! so that it says only what it is about; a list has to be given whole.

use serde_json::Value;

/// The differences, each with its place. None means that the answer is as expected.
pub(super) fn differences(expected: &Value, actual: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", expected, actual, &mut found);
    found
}

fn compare(place: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    let inside = |name: &str| match place {
        "" => name.to_owned(),
        place => format!("{place}.{name}"),
    };
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (name, expected) in expected {
                match actual.get(name) {
                    Some(actual) => compare(&inside(name), expected, actual, found),
                    None => {
                        let has: Vec<&str> = actual.keys().map(String::as_str).collect();
                        found.push(format!(
                            "{}: expected {expected}, but there is no such field; there are {}",
                            inside(name),
                            has.join(", ")
                        ));
                    }
                }
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (at, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                compare(&format!("{place}[{at}]"), expected, actual, found);
            }
        }
        _ if same(expected, actual) => {}
        _ => {
            let place = if place.is_empty() {
                "the answer"
            } else {
                place
            };
            found.push(format!("{place}: expected {expected}, got {actual}"));
        }
    }
}

/// Whether two values are equal; `1` and `1.0` are.
fn same(expected: &Value, actual: &Value) -> bool {
    expected == actual
        || matches!((expected, actual), (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_expected_is_compared_and_a_difference_has_its_place() {
        let answer = json!({"verdict": "reject", "code": "a", "list": [1, {"x": 2, "y": 3}]});
        for expected in [
            json!({}),
            json!({"verdict": "reject"}),
            json!({"list": [1.0, {"x": 2}]}),
        ] {
            assert_eq!(
                differences(&expected, &answer),
                Vec::<String>::new(),
                "{expected}"
            );
        }
        for (expected, words) in [
            (json!({"code": "b"}), r#"code: expected "b", got "a""#),
            (
                json!({"cod": "a"}),
                r#"cod: expected "a", but there is no such field; there are code, list, verdict"#,
            ),
            (
                json!({"list": [1, {"x": 4}]}),
                "list[1].x: expected 4, got 2",
            ),
            (
                json!({"list": [1]}),
                r#"list: expected [1], got [1,{"x":2,"y":3}]"#,
            ),
            (
                json!([]),
                r#"the answer: expected [], got {"code":"a","list":[1,{"x":2,"y":3}],"verdict":"reject"}"#,
            ),
        ] {
            assert_eq!(differences(&expected, &answer), [words], "{expected}");
        }
    }
}
