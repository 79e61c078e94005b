//! The helper page: for a person with a link and no key. It walks through signing in the browser that knows the passkey,
//! takes what comes back, and lets a code be confirmed.
//!
//! It is one document without external parts, and its policy lets it run its own script and call its own address alone. The
//! token in the address opens this one challenge; it dies with it.

mod limit;

use std::sync::LazyLock;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(super) use self::limit::Limit;
use crate::{
    api::{App, access::is_json, extract::Body, object, problem::Problem, v1::passkey::NO_STORE},
    model::{ClientId, Timestamp},
    session::PasskeyView,
};

const STYLE: &str = include_str!("helper.css");
const SCRIPT: &str = include_str!("helper.js");
const SNIPPET: &str = include_str!("snippet.js");

static PAGE: LazyLock<String> = LazyLock::new(|| include_str!("helper.html").replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", SCRIPT));
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

/// What a token opens.
enum Opened {
    Now(ClientId, Box<PasskeyView>),
    Past(String),
}

fn open(app: &App, token: &str) -> Result<Opened, Problem> {
    app.helper.take().map_err(|seconds| {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "too many calls of helper pages; wait a little").after(Some(seconds))
    })?;
    for (client, now) in app.core.sessions() {
        if let Some(view) = now.passkey.filter(|view| view.token.as_deref() == Some(token)) {
            return Ok(Opened::Now(client, Box::new(view)));
        }
        if let Some(past) = now.past_passkeys.into_iter().find(|past| past.token == token) {
            return Ok(Opened::Past(past.reason));
        }
    }
    Err(Problem::new(StatusCode::NOT_FOUND, "unknown_token", "this link opens nothing (any more): ask whoever runs the gateway for the newest one"))
}

/// The document, whatever the token is worth, or with `Accept: application/json` the state of its challenge.
pub(in crate::api) async fn page(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let opened = open(&app, &token);
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.contains("application/json") {
        return match opened {
            Ok(Opened::Now(_, view)) => (NO_STORE, Json(state(&view))).into_response(),
            Ok(Opened::Past(reason)) => (NO_STORE, Json(over(&reason))).into_response(),
            Err(problem) => problem.into_response(),
        };
    }
    let status = if opened.is_ok() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(PAGE.as_str())).into_response()
}

/// What the page needs to know; the rest of the ceremony is the operator's.
fn state(view: &PasskeyView) -> Value {
    let snippet = view.public_key.as_ref().filter(|_| view.is_pending()).map(|options| SNIPPET.replace("{OPTIONS}", &options.to_string()));
    json!({
        "stage": view.stage, "purpose": view.purpose, "code": view.code, "reason": view.reason, "snippet": snippet,
        "secondsLeft": view.expires_at.since(Timestamp::now()) / 1000,
        "secondsWithoutCode": view.code_without.map(|until| until.since(Timestamp::now()) / 1000),
    })
}

fn need(opened: Opened, headers: &HeaderMap) -> Result<ClientId, Problem> {
    if !is_json(headers) {
        let words = "the body must be JSON, with Content-Type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", words));
    }
    match opened {
        Opened::Now(client, _) => Ok(client),
        Opened::Past(reason) => Err(Problem::new(StatusCode::GONE, "challenge_expired", format!("this link's challenge is over: {reason}"))),
    }
}

pub(in crate::api) async fn answer(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let client = need(open(&app, &token)?, &headers)?;
    let view = app.core.answer_passkey(&client, &body).await?;
    Ok((StatusCode::ACCEPTED, NO_STORE, Json(state(&view))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Comparison {
    code: String,
    same: bool,
}

/// `{"code":"ABCD-EFGH","same":true}` confirms; with `false` the ceremony is given up: somebody else's phone is at work.
pub(in crate::api) async fn confirm(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let client = need(open(&app, &token)?, &headers)?;
    let Comparison { code, same } = object::from_slice(&body)?;
    if !same {
        app.core.cancel_passkey(&client).await?;
        return Ok((StatusCode::ACCEPTED, NO_STORE, Json(over("given up: the codes differ"))).into_response());
    }
    let view = app.core.confirm_passkey(&client, &code).await?;
    Ok((StatusCode::ACCEPTED, NO_STORE, Json(state(&view))).into_response())
}

/// What the helper page shows of a challenge that is over.
fn over(reason: &str) -> Value {
    json!({"stage": "done", "reason": reason})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_no_external_part_and_its_policy_knows_its_script() {
        for part in [PAGE.as_str(), SNIPPET] {
            for sign in ["src=\"http", "href=\"http", "url(", "import "] {
                assert!(!part.contains(sign), "{sign}");
            }
        }
        assert!(PAGE.contains(&format!("<script>{SCRIPT}</script>")) && PAGE.contains(&format!("<style>{STYLE}</style>")));
        assert!(POLICY.contains("default-src 'none'") && !POLICY.contains("unsafe"));
    }

    #[test]
    fn the_snippet_can_be_read_in_a_minute() {
        assert!(SNIPPET.lines().count() < 50, "{} lines", SNIPPET.lines().count());
        assert_eq!(SNIPPET.matches("{OPTIONS}").count(), 1);
        assert_eq!(SNIPPET.matches("{ADDRESS}").count(), 1);
        for call in ["fetch(", "XMLHttpRequest", "cookie", "localStorage", "indexedDB", "eval("] {
            assert!(!SNIPPET.contains(call), "{call}");
        }
    }
}
