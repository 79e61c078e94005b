//! The QR that links a session, in the original service's envelope or as a picture.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use super::client::{Whose, now, session};
use crate::{
    api::{
        App,
        extract::Params,
        reply::{Failure, success},
    },
    model::{SessionState, Timestamp},
    qr,
    session::Snapshot,
};

pub(in crate::api) async fn qr(State(app): State<App>, Params(whose): Params<Whose>, headers: HeaderMap) -> Result<Response, Failure> {
    let (_, session) = session(&app, &whose)?;
    if let Some(picture) = picture(&session, &headers).map_err(Failure::internal)? {
        return Ok(picture);
    }
    let place = json!({"connectionStatus": session.state, "timestamp": now()});
    if matches!(session.state, SessionState::Authenticated | SessionState::Ready) && !wants(&headers, "image/") {
        let data = json!({"qrCode": null, "connectionStatus": session.state, "timestamp": now()});
        return Ok(success(&data, "Already authenticated"));
    }
    let words = format!("the session is {}: {}", session.state, session.reason);
    Err(Failure::new(StatusCode::NOT_FOUND, "qr_not_available", "QR code not available", words).with(place))
}

fn wants(headers: &HeaderMap, kind: &str) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains(kind))
}

/// The QR that can be scanned now, in the form the caller accepts; none: there is none.
pub(in crate::api) fn picture(session: &Snapshot, headers: &HeaderMap) -> Result<Option<Response>, String> {
    let Some(code) = session.qr.as_ref().filter(|code| code.expires_at > Timestamp::now()) else { return Ok(None) };
    let too_long = |error: qr::TooLong| error.to_string();
    // A QR is a credential: nothing on the way may keep it.
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if wants(headers, "image/svg+xml") {
        let picture = qr::svg(&code.code).map_err(too_long)?;
        return Ok(Some(([(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")), no_store], picture).into_response()));
    }
    let picture = qr::png(&code.code).map_err(too_long)?;
    if wants(headers, "image/png") {
        return Ok(Some(([(header::CONTENT_TYPE, HeaderValue::from_static("image/png")), no_store], picture).into_response()));
    }
    let data = json!({
        "qrCode": format!("data:image/png;base64,{}", BASE64_STANDARD.encode(picture)), "qrText": code.code,
        "expiresAt": code.expires_at.rfc3339(), "attempt": code.attempt, "connectionStatus": session.state, "timestamp": now(),
    });
    Ok(Some(([no_store], success(&data, "QR code generated successfully")).into_response()))
}
