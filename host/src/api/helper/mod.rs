//! The helper page, for a person who has a link and no API key. It guides the person through
//! signing in the browser that has the passkey, takes the assertion back, and lets the person
//! confirm a code.
//!
//! It is one document without external parts. Its Content-Security-Policy lets it run only its own
//! script and call only its own origin. The token in the path gives access to one challenge and
//! expires with it.

mod limit;

use std::sync::{Arc, LazyLock};

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub(super) use self::limit::Limit;
use super::{
    error::{ApiError, Code},
    extract::{Body, is_json},
    object,
    openapi::{Operation, Output},
    pairing::NO_STORE,
    route::{Need::Token, Routes},
    v1::Credential,
};
use crate::{
    model::{ClientId, Timestamp},
    services::{Passkeys, Sessions},
    session::{PasskeyStage, PasskeyView},
    whatsapp::PasskeyPurpose,
};

pub(super) fn routes() -> Routes {
    let token = [Code::UnknownToken, Code::TooManyRequests];
    let called = |id, summary| {
        let operation = Operation::new(id, summary).refuses(&token);
        operation.refuses(&[
            Code::ChallengeExpired,
            Code::NoPasskeyAsked,
            Code::UnknownClient,
            Code::PageError,
            Code::InvalidBody,
            Code::DuplicateField,
        ])
    };
    Routes::new()
        .get(
            "/passkey/{token}",
            Token,
            page,
            Operation::new(
                "getHelperPage",
                "The helper page, or with `Accept: application/json` the state of its challenge",
            )
            .refuses(&token),
        )
        .post(
            "/passkey/{token}",
            Token,
            answer,
            called(
                "helperAnswerPasskey",
                "Passes an assertion to WhatsApp's page: the output of `JSON.stringify(credential)`",
            )
            .body::<Credential>()
            .refuses(&[
                Code::NotWaitingForPasskey,
                Code::WrongChallenge,
                Code::InvalidAssertion,
                Code::RefusedByWhatsapp,
            ]),
        )
        .post(
            "/passkey/{token}/confirm",
            Token,
            confirm,
            called(
                "helperConfirmPasskey",
                "Confirms the code, or cancels the ceremony",
            )
            .body::<Comparison>()
            .refuses(&[Code::NotWaitingForCode, Code::WrongCode]),
        )
}

const STYLE: &str = include_str!("helper.css");
const SCRIPT: &str = include_str!("helper.js");
const SNIPPET: &str = include_str!("snippet.js");

static PAGE: LazyLock<String> = LazyLock::new(|| {
    include_str!("helper.html")
        .replace("/*STYLE*/", STYLE)
        .replace("/*SCRIPT*/", SCRIPT)
});
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

/// The challenge that a token gives access to.
enum TokenLookup {
    Now(ClientId, Box<PasskeyView>),
    Past(String),
}

/// Looks tokens up. Only calls with an unknown token count towards the limit: otherwise anybody
/// could keep those out who have a link.
#[derive(Debug)]
struct Tokens {
    sessions: Arc<dyn Sessions>,
    misses: Arc<Limit>,
}

impl Tokens {
    fn open(&self, token: &str) -> Result<TokenLookup, ApiError> {
        let too_many = |seconds: u64| {
            ApiError::new(
                Code::TooManyRequests,
                "too many calls with unknown links; try again in a moment",
            )
            .after(seconds)
        };
        if let Some(found) = self.find(token) {
            return Ok(found);
        }
        self.misses.take().map_err(too_many)?;
        Err(ApiError::new(
            Code::UnknownToken,
            "this link is unknown or no longer valid; ask the operator of the gateway for a new one",
        ))
    }

    fn find(&self, token: &str) -> Option<TokenLookup> {
        // Compared in constant time, so that the duration says nothing about valid tokens.
        let is_it = |known: &str| bool::from(known.as_bytes().ct_eq(token.as_bytes()));
        for (client, now) in self.sessions.all() {
            if let Some(view) = now
                .passkey
                .filter(|view| view.token.as_deref().is_some_and(is_it))
            {
                return Some(TokenLookup::Now(client, Box::new(view)));
            }
            if let Some(past) = now
                .past_passkeys
                .into_iter()
                .find(|past| is_it(&past.token))
            {
                return Some(TokenLookup::Past(past.reason));
            }
        }
        None
    }
}

/// What the page is told of a challenge. The rest of the ceremony is for the operator only.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum HelperState {
    Now(Box<Challenge>),
    Over(Over),
}

/// A challenge in progress.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "HelperChallenge")]
struct Challenge {
    /// Its stage.
    stage: PasskeyStage,
    /// Its purpose.
    purpose: PasskeyPurpose,
    /// The code to compare with the one on the phone, `ABCD-EFGH`.
    code: Option<String>,
    /// Why the ceremony failed or was restarted.
    reason: Option<String>,
    /// The script that signs, to be run on WhatsApp's page; only while an assertion is awaited.
    snippet: Option<String>,
    /// Seconds until the current stage times out.
    seconds_left: u64,
    /// Seconds for which an assertion can be sent without a code having to be compared afterwards;
    /// null: a code will have to be compared.
    seconds_without_code: Option<u64>,
}

/// A challenge that is over.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HelperOver")]
struct Over {
    /// Always `done`.
    stage: &'static str,
    /// Its outcome, for people.
    reason: String,
}

impl HelperState {
    fn now(view: &PasskeyView) -> Self {
        let snippet = view
            .public_key
            .as_ref()
            .filter(|_| view.is_pending())
            .map(|options| SNIPPET.replace("{OPTIONS}", &options.to_string()));
        let seconds = |until: Timestamp| until.since(Timestamp::now()) / 1000;
        Self::Now(Box::new(Challenge {
            stage: view.stage,
            purpose: view.purpose,
            code: view.code.clone(),
            reason: view.reason.clone(),
            snippet,
            seconds_left: seconds(view.expires_at),
            seconds_without_code: view.code_without.map(seconds),
        }))
    }

    fn over(reason: impl Into<String>) -> Self {
        Self::Over(Over {
            stage: "done",
            reason: reason.into(),
        })
    }
}

/// The response 202: the challenge goes on, or was cancelled.
struct Accepted(HelperState);

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, NO_STORE, Json(self.0)).into_response()
    }
}

/// The helper page, or the state of its challenge.
#[derive(Debug)]
struct Shown(Response);

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Output for Shown {
    fn describe(operation: Operation) -> Operation {
        operation
            .answers::<HelperState>(StatusCode::OK)
            .or("text/html")
            .also(StatusCode::NOT_FOUND, "text/html")
            .also(StatusCode::TOO_MANY_REQUESTS, "text/html")
    }
}

impl Output for Accepted {
    fn describe(operation: Operation) -> Operation {
        operation.answers::<HelperState>(StatusCode::ACCEPTED)
    }
}

/// `GET /passkey/{token}`: the page, also for an unknown token (with the status of the error), or
/// with `Accept: application/json` the state of its challenge.
async fn page(
    State(sessions): State<Arc<dyn Sessions>>,
    State(misses): State<Arc<Limit>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Shown {
    let found = Tokens { sessions, misses }.open(&token);
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if accepts.contains("application/json") {
        let state = match found {
            Ok(TokenLookup::Now(_, view)) => HelperState::now(&view),
            Ok(TokenLookup::Past(reason)) => HelperState::over(reason),
            Err(error) => return Shown(error.into_response()),
        };
        return Shown((NO_STORE, Json(state)).into_response());
    }
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let mut page = (headers, Html(PAGE.as_str())).into_response();
    if let Err(error) = found {
        // People see the page, which asks again and shows the error; programs see its status.
        let refused = error.into_response();
        *page.status_mut() = refused.status();
        let retry_after = refused.headers().get(header::RETRY_AFTER);
        let headers = page.headers_mut();
        headers.extend(retry_after.map(|seconds| (header::RETRY_AFTER, seconds.clone())));
    }
    Shown(page)
}

fn need(found: TokenLookup, headers: &HeaderMap) -> Result<ClientId, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::new(
            Code::UnsupportedMediaType,
            "the body must be JSON, with Content-Type: application/json",
        ));
    }
    match found {
        TokenLookup::Now(client, _) => Ok(client),
        TokenLookup::Past(reason) => Err(ApiError::new(
            Code::ChallengeExpired,
            format!("this link's challenge is over: {reason}"),
        )),
    }
}

/// `POST /passkey/{token}`: passes an assertion to WhatsApp's page. The body is JSON as a browser
/// creates it.
async fn answer(
    State(passkeys): State<Arc<dyn Passkeys>>,
    State(sessions): State<Arc<dyn Sessions>>,
    State(misses): State<Arc<Limit>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Accepted, ApiError> {
    let client = need(Tokens { sessions, misses }.open(&token)?, &headers)?;
    let view = passkeys.answer(&client, &body).await?;
    Ok(Accepted(HelperState::now(&view)))
}

/// A person's comparison of the code with the phone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "CodeComparison")]
struct Comparison {
    /// The code that the page shows, `ABCD-EFGH`.
    code: String,
    /// Whether the phone shows the same code. If not, the ceremony is cancelled, because somebody
    /// else's phone may be involved.
    same: bool,
}

/// `POST /passkey/{token}/confirm`: confirms the code, or cancels the ceremony.
async fn confirm(
    State(passkeys): State<Arc<dyn Passkeys>>,
    State(sessions): State<Arc<dyn Sessions>>,
    State(misses): State<Arc<Limit>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Accepted, ApiError> {
    let client = need(Tokens { sessions, misses }.open(&token)?, &headers)?;
    let Comparison { code, same } = object::from_slice(&body)?;
    if !same {
        passkeys.cancel(&client).await?;
        return Ok(Accepted(HelperState::over("cancelled: the codes differ")));
    }
    let view = passkeys.confirm(&client, &code).await?;
    Ok(Accepted(HelperState::now(&view)))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::{
        model::SessionState,
        services::{SessionAction, SessionFailure, SessionInfo},
        session::{Cleanup, ProfileFate, Snapshot},
    };

    /// One session, which waits for an assertion.
    #[derive(Debug)]
    struct Linking;

    const TOKEN: &str = "pk_1";

    #[async_trait]
    impl Sessions for Linking {
        fn get(&self, _: &ClientId) -> Option<Snapshot> {
            None
        }

        fn all(&self) -> Vec<(ClientId, Snapshot)> {
            let now = Timestamp::now();
            let mut view = PasskeyView::new(PasskeyStage::Signing, PasskeyPurpose::Link, now);
            view.token = Some(TOKEN.into());
            let snapshot = Snapshot {
                state: SessionState::QrReady,
                reason: "a test".into(),
                since: now,
                qr: None,
                pairing: None,
                passkey: Some(view),
                past_passkeys: vec![],
                linked: false,
                account: None,
                notices: vec![],
                attempt: 0,
                next_attempt_at: None,
                launches: 1,
                page: None,
                contract: None,
            };
            vec![("default".parse().expect("an id"), snapshot)]
        }

        async fn info(&self, client: &ClientId) -> Result<SessionInfo, SessionFailure> {
            Err(SessionFailure::Unknown(client.clone()))
        }

        async fn create(
            &self,
            client: ClientId,
            _: bool,
            _: Vec<(String, String)>,
        ) -> Result<(), SessionFailure> {
            Err(SessionFailure::Exists(client))
        }

        async fn control(&self, client: &ClientId, _: SessionAction) -> Result<(), SessionFailure> {
            Err(SessionFailure::Unknown(client.clone()))
        }

        async fn delete(
            &self,
            client: &ClientId,
            _: ProfileFate,
        ) -> Result<Cleanup, SessionFailure> {
            Err(SessionFailure::Unknown(client.clone()))
        }
    }

    #[tokio::test]
    async fn unknown_links_are_limited_and_keep_out_nobody_who_has_one() {
        let misses = Arc::new(Limit::new(2));
        let call = async |token: &str, accept: &'static str| {
            let headers = [(header::ACCEPT, accept.parse().expect("a value"))];
            let Shown(response) = page(
                State(Arc::new(Linking)),
                State(Arc::clone(&misses)),
                Path(token.to_owned()),
                HeaderMap::from_iter(headers),
            )
            .await;
            let retry_after = response.headers().contains_key(header::RETRY_AFTER);
            (response.status().as_u16(), retry_after)
        };
        let (html, json) = ("text/html", "application/json");
        for _ in 0..3 {
            assert_eq!(call(TOKEN, json).await, (200, false), "it does not count");
        }
        assert_eq!(call("pk_x", html).await, (404, false));
        assert_eq!(call("pk_x", json).await, (404, false));
        assert_eq!(call("pk_x", json).await, (429, true));
        assert_eq!(call("pk_x", html).await, (429, true));
        assert_eq!(call(TOKEN, html).await, (200, false));
        assert_eq!(call(TOKEN, json).await, (200, false));
    }

    #[test]
    fn the_document_has_no_external_part_and_its_policy_knows_its_script() {
        for part in [PAGE.as_str(), SNIPPET] {
            for sign in ["src=\"http", "href=\"http", "url(", "import "] {
                assert!(!part.contains(sign), "{sign}");
            }
        }
        assert!(
            PAGE.contains(&format!("<script>{SCRIPT}</script>"))
                && PAGE.contains(&format!("<style>{STYLE}</style>"))
        );
        assert!(POLICY.contains("default-src 'none'") && !POLICY.contains("unsafe"));
    }

    #[test]
    fn the_snippet_can_be_read_in_a_minute() {
        assert!(
            SNIPPET.lines().count() < 50,
            "{} lines",
            SNIPPET.lines().count()
        );
        assert_eq!(SNIPPET.matches("{OPTIONS}").count(), 1);
        assert_eq!(SNIPPET.matches("{ADDRESS}").count(), 1);
        for call in [
            "fetch(",
            "XMLHttpRequest",
            "cookie",
            "localStorage",
            "indexedDB",
            "eval(",
        ] {
            assert!(!SNIPPET.contains(call), "{call}");
        }
    }
}
