//! Request bodies with one mistake each, and the words in which `/v1` and the original service's
//! calls refuse them.

use anyhow::{Context, Result, ensure};
use wharf_e2e::{Answer, Api};

use super::{SEED, SEND, envelope, raw};

/// Words that mean something to the gateway's developers, not to its callers.
const RUST: [&str; 26] = [
    "serde",
    "struct ",
    "enum ",
    "f64",
    "u32",
    "u64",
    "i64",
    "usize",
    "String",
    "Vec<",
    "Option",
    "Some(",
    "None",
    "BTreeMap",
    "tuple",
    "newtype",
    "sequence",
    "invalid type",
    "invalid value",
    "missing field",
    "unknown field",
    "duplicate field",
    "unknown variant",
    "deserialize",
    "at line",
    "`",
];

/// Checks bodies with one mistake each, and the words of the refusal.
pub(super) async fn wrong_bodies(api: &Api) -> Result<()> {
    let words = |code: &'static str, said: &'static str| (code, said);
    let own = [
        (
            r#""hello""#,
            words(
                "invalid_body",
                "the body must be a JSON object; it is a string",
            ),
        ),
        (
            "",
            words(
                "invalid_body",
                "the body must be a JSON object; it is empty",
            ),
        ),
        (
            r#"{"to": "1", "text": "x""#,
            words("invalid_body", "the body is not JSON: line 1, column"),
        ),
        (
            r#"{"to": "1", "text": "x"} {}"#,
            words("invalid_body", "the body is not JSON"),
        ),
        (r#"{"text": "x"}"#, words("invalid_body", "to is missing")),
        (
            r#"{"to": null, "text": "x"}"#,
            words("invalid_body", "to is missing"),
        ),
        (
            r#"{"to": true, "text": "x"}"#,
            words(
                "invalid_body",
                "to must be a string or a whole number; it is true",
            ),
        ),
        (
            r#"{"to": 1.5, "text": "x"}"#,
            words("invalid_body", "to must be a string, such as"),
        ),
        (
            r#"{"to": "1", "text": 5}"#,
            words("invalid_body", "text must be a string; it is a number"),
        ),
        (
            r#"{"to": "1", "text": "x", "mentions": "2"}"#,
            words("invalid_body", "mentions must be an array; it is a string"),
        ),
        (
            r#"{"to": "1", "text": "x", "mentions": ["2", {}]}"#,
            words(
                "invalid_body",
                "mentions[1] must be a string; it is an object",
            ),
        ),
        (
            r#"{"to": "1", "text": "x", "linkPreview": 1}"#,
            words(
                "invalid_body",
                "linkPreview must be true or false; it is a number",
            ),
        ),
        (
            r#"{"to": "1", "text": "x", "priority": "urgent"}"#,
            words("invalid_body", "priority must be one of interactive, bulk"),
        ),
        (
            r#"{"to": "1", "text": "x", "metadata": {"a": 1}}"#,
            words(
                "invalid_body",
                "metadata.a must be a string; it is a number",
            ),
        ),
        (
            r#"{"to": "1", "text": "x", "metadata": []}"#,
            words(
                "invalid_body",
                "metadata must be a JSON object; it is an array",
            ),
        ),
        (
            r#"{"to": "1", "text": "x", "sendAt": {}}"#,
            words("invalid_time", "sendAt must be a time: RFC 3339"),
        ),
        (
            r#"{"to": "1", "text": "x", "sendat": 1}"#,
            words("invalid_body", "sendat is unknown; did you mean sendAt?"),
        ),
        (
            r#"{"to": "1", "sticker": {}}"#,
            words(
                "invalid_body",
                "sticker is unknown; expected one of to, text, mentions",
            ),
        ),
        (
            r#"{"to": "1", "text": "x", "text": "y"}"#,
            words("duplicate_field", "text is given twice"),
        ),
        (
            r#"{"to": "1", "text": "x", "metadata": {"a": "1", "a": "2"}}"#,
            words("duplicate_field", "metadata.a is given twice"),
        ),
        (
            r#"{"to": "1", "template": "greeting", "variables": {"a": [{"b": 1, "b": 1}]}}"#,
            words("duplicate_field", "variables.a[0].b is given twice"),
        ),
        (
            r#"{"to": "1", "location": {"latitude": "north", "longitude": 1}}"#,
            words(
                "invalid_body",
                "location.latitude must be a number from -90 to 90",
            ),
        ),
        (
            r#"{"to": "1", "location": {"latitude": 1}}"#,
            words("invalid_body", "location.longitude is missing"),
        ),
        (
            r#"{"to": "1", "location": [1, 2]}"#,
            words(
                "invalid_body",
                "location must be a JSON object; it is an array",
            ),
        ),
        (
            r#"{"to": "1", "location": {"latitude": 1, "longitude": 2, "lat": 3}}"#,
            words("invalid_body", "location.lat is unknown"),
        ),
        (
            r#"{"to": "1", "contact": {"vcard": "x"}}"#,
            words("invalid_body", "contact.displayName is missing"),
        ),
        (
            r#"{"to": "1", "template": "greeting", "variables": "x"}"#,
            words(
                "invalid_body",
                "variables must be a JSON object; it is a string",
            ),
        ),
        (
            r#"{"to": "1", "text": "\ud800"}"#,
            words("invalid_body", "half of a surrogate pair"),
        ),
        (
            "{\"to\": \"1\", \"text\": \"\u{1}\"}",
            words("invalid_body", "the body is not JSON"),
        ),
    ];
    for (body, (code, said)) in own {
        let answer = raw(api, SEND, body).await?;
        let detail = answer
            .problem_detail(400, code)
            .with_context(|| body.to_owned())?;
        ensure!(detail.contains(said), "{body}: {detail}");
        plain(&answer, body)?;
        // The same mistake is refused by the original service's call too, in that service's form.
        let seed = raw(
            api,
            SEED,
            &body
                .replace("\"to\"", "\"number\"")
                .replace("\"text\"", "\"message\""),
        )
        .await?;
        ensure!(
            seed.json["success"] == false && seed.json["code"].is_string(),
            "{body}: {}",
            seed.json
        );
        plain(&seed, body)?;
    }
    for (path, body, code, said) in [
        (
            "/v1/sessions",
            r#"{"id": 7}"#,
            "invalid_body",
            "id must be a string; it is a number",
        ),
        (
            "/v1/sessions",
            r#"{"id": "../x"}"#,
            "invalid_body",
            "1 to 64 characters",
        ),
        (
            "/v1/sessions",
            r#"{"id": "a", "start": "yes"}"#,
            "invalid_body",
            "start must be true or false; it is a string",
        ),
        (
            "/v1/sessions",
            r#"{"id": "a", "id": "b"}"#,
            "duplicate_field",
            "id is given twice",
        ),
        (
            "/v1/sessions/default/pairing-code",
            "{}",
            "invalid_body",
            "number is missing",
        ),
        (
            "/v1/sessions/default/pairing-code",
            r#"{"number": "1", "clientId": "x"}"#,
            "invalid_body",
            "clientId is unknown",
        ),
        (
            "/v1/sessions/default/passkey/confirm",
            r#"{"code": 1}"#,
            "invalid_body",
            "code must be a string; it is a number",
        ),
        (
            "/v1/bulk",
            r#"{"text": "x", "recipients": []}"#,
            "invalid_body",
            "session is missing",
        ),
        (
            "/v1/bulk",
            r#"{"session": "default", "text": "x", "recipients": "1"}"#,
            "invalid_body",
            "recipients must be an array; it is a string",
        ),
        (
            "/v1/bulk",
            r#"{"session": "default", "text": "x", "recipients": [{"to": "1"}, "2"]}"#,
            "invalid_body",
            "recipients[1] must be a JSON object",
        ),
        (
            "/v1/bulk",
            r#"{"session": "default", "text": "x", "recipients": [{"to": "1", "to": "2"}]}"#,
            "duplicate_field",
            "recipients[0].to is given",
        ),
        (
            "/v1/bulk",
            r#"{"session": "default", "text": "x", "recipients": [{"To": "1"}]}"#,
            "invalid_body",
            "did you mean to?",
        ),
        (
            "/v1/bulk",
            r#"{"session": "default", "template": "a", "recipients": [{"to": "1", "variables": []}]}"#,
            "invalid_body",
            "recipients[0].variables",
        ),
    ] {
        let answer = raw(api, path, body).await?;
        let detail = answer
            .problem_detail(400, code)
            .with_context(|| format!("{path} {body}"))?;
        ensure!(detail.contains(said), "{path} {body}: {detail}");
        plain(&answer, body)?;
    }
    let twice = raw(
        api,
        SEED,
        r#"{"number": "4915123456789", "message": "x", "message": "y"}"#,
    )
    .await?;
    ensure!(
        envelope(&twice, 400, "duplicate_field")?.contains("message is given twice"),
        "{}",
        twice.json
    );
    let deep = format!(
        r#"{{"to": "1", "template": "a", "variables": {{"a": {}{}}}}}"#,
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    ensure!(
        raw(api, SEND, &deep)
            .await?
            .problem_detail(400, "invalid_body")?
            .contains("levels deep")
    );
    Ok(())
}

/// Checks that an answer has no words of the gateway's programming language.
fn plain(answer: &Answer, body: &str) -> Result<()> {
    let words = answer.json["detail"]
        .as_str()
        .or(answer.json["message"].as_str())
        .context("no words")?;
    let foreign: Vec<&str> = RUST
        .into_iter()
        .filter(|word| words.contains(word))
        .collect();
    ensure!(foreign.is_empty(), "{foreign:?} of {body}: {words}");
    Ok(())
}
