//! Checks every answer that a test receives against the gateway's OpenAPI document: an undocumented
//! status, code or field fails the test that received it.

use std::{
    collections::HashMap,
    process::Command,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::{api::Answer, gateway};

/// The document as `wharf openapi` prints it, or why it could not be read.
static DOCUMENT: LazyLock<Result<Value, String>> =
    LazyLock::new(|| read().map_err(|error| format!("{error:#}")));

/// Compiled validators by the JSON pointer of their schema in the document.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

fn read() -> Result<Value> {
    let printed = Command::new(gateway::program()?)
        .arg("openapi")
        .output()
        .context("wharf openapi")?;
    ensure!(
        printed.status.success(),
        "wharf openapi: {}",
        String::from_utf8_lossy(&printed.stderr)
    );
    Ok(serde_json::from_slice(&printed.stdout)?)
}

/// Requires that the document describes this answer to this call. Calls that the document does not
/// have are not checked.
///
/// # Errors
/// When the document does not describe the answer.
pub(crate) fn check(method: &str, path: &str, answer: &Answer) -> Result<()> {
    let document = DOCUMENT
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let head = method == "HEAD";
    let method = if head {
        "get".to_owned()
    } else {
        method.to_ascii_lowercase()
    };
    let Some(template) = template(document, path)
        .filter(|template| document["paths"][template][&method].is_object())
    else {
        return Ok(());
    };
    let call = format!("{method} {template}");
    let response = &document["paths"][template][&method]["responses"][answer.status.to_string()];
    ensure!(
        response.is_object(),
        "{call} answers {}, which its document does not have: {}",
        answer.status,
        answer.json
    );
    // Nothing else of an answer to `HEAD` is described: it never has a body.
    if head {
        return Ok(());
    }
    let promised = response["content"]
        .as_object()
        .is_some_and(|content| !content.is_empty());
    if answer.body.is_empty() {
        ensure!(
            !promised,
            "{call} answers {} without a body, and its document has one",
            answer.status
        );
        return Ok(());
    }
    let kind = answer
        .header("content-type")
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    ensure!(
        response["content"][&kind].is_object(),
        "{call} answers {} with {kind:?}, which its document does not have",
        answer.status
    );
    if !kind.ends_with("json") {
        return Ok(());
    }
    let place = format!(
        "/paths/{}/{method}/responses/{}/content/{}/schema",
        escaped(template),
        answer.status,
        escaped(&kind)
    );
    let validator = validator(document, &place)?;
    let wrong: Vec<String> = validator
        .iter_errors(&answer.json)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    ensure!(
        wrong.is_empty(),
        "{call} answers {} with a body that its document does not have: {wrong:#?}\n{}",
        answer.status,
        answer.json
    );
    Ok(())
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn validator(document: &Value, place: &str) -> Result<Arc<Validator>> {
    let mut known = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(validator) = known.get(place) {
        return Ok(Arc::clone(validator));
    }
    let mut schema = document
        .pointer(place)
        .with_context(|| format!("no schema at {place}"))?
        .clone();
    schema["components"] = json!({"schemas": document["components"]["schemas"]});
    let validator = Arc::new(
        jsonschema::validator_for(&schema).with_context(|| format!("the schema at {place}"))?,
    );
    known.insert(place.to_owned(), Arc::clone(&validator));
    Ok(validator)
}

/// The path template of the document that matches `path`; of two, the one with fewer parameters.
fn template<'a>(document: &'a Value, path: &str) -> Option<&'a str> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |template: &&String| {
        let known: Vec<&str> = template.split('/').collect();
        known.len() == parts.len()
            && known
                .iter()
                .zip(&parts)
                .all(|(known, part)| known == part || (known.starts_with('{') && !part.is_empty()))
    };
    let all = document["paths"].as_object()?.keys().filter(fits);
    all.min_by_key(|template| template.matches('{').count())
        .map(String::as_str)
}
