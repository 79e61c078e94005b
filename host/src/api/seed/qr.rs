//! The QR code that links a session, in the original service's format or as an image.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::Serialize;

use super::envelope::Success;
use crate::{
    api::{
        error::{ApiError, Code},
        extract::Client,
        openapi::{Operation, Output},
        route::{Need::Of, Routes},
        session::find,
        time::Time,
    },
    config::Scope::Control,
    model::{SessionState, Timestamp},
    qr,
    services::Sessions,
    session::Snapshot,
};

pub(super) fn routes() -> Routes {
    let operation = Operation::new("seedGetQr", "The QR code that can be scanned now")
        .more("As JSON, or as an image if the header `Accept` names `image/png` or `image/svg+xml`. Anybody who sees it can link a phone.")
        .refuses(&[Code::UnknownClient, Code::QrNotAvailable]);
    Routes::new().get("/api/whatsapp/qr", Of(Control), qr, operation)
}

/// A QR code that can be scanned now. It is a credential.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct QrCode {
    /// The image as a data URL, `data:image/png;base64,…`.
    qr_code: String,
    /// The text of the QR code.
    qr_text: String,
    /// When it expires. A new one takes its place.
    expires_at: Time,
    /// Its number in this linking, from 1.
    attempt: u32,
    /// The state of the session.
    connection_status: SessionState,
    /// The time of the response.
    timestamp: Time,
}

/// The session is linked: there is nothing to scan.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct NoQrCode {
    /// Always null.
    qr_code: Option<String>,
    /// The state of the session.
    connection_status: SessionState,
    /// The time of the response.
    timestamp: Time,
}

/// A QR code in the media type that the caller accepts. Caches must not store it.
#[derive(Debug)]
pub(in crate::api) enum QrPicture {
    Svg(String),
    Png(Vec<u8>),
    Json(Box<Success<QrCodeAnswer>>),
}

/// The QR code as JSON, or that the session is already linked.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::api) enum QrCodeAnswer {
    Code(QrCode),
    Linked(NoQrCode),
}

impl IntoResponse for QrPicture {
    fn into_response(self) -> Response {
        let no_store = (header::CACHE_CONTROL, "no-store");
        match self {
            Self::Svg(picture) => {
                ([(header::CONTENT_TYPE, "image/svg+xml"), no_store], picture).into_response()
            }
            Self::Png(picture) => {
                ([(header::CONTENT_TYPE, "image/png"), no_store], picture).into_response()
            }
            Self::Json(answer) if matches!(answer.data(), QrCodeAnswer::Linked(_)) => {
                (*answer).into_response()
            }
            Self::Json(answer) => ([no_store], *answer).into_response(),
        }
    }
}

impl Output for QrPicture {
    fn describe(operation: Operation) -> Operation {
        operation
            .answers::<Success<QrCodeAnswer>>(StatusCode::OK)
            .or("image/png")
            .or("image/svg+xml")
    }
}

fn wants(headers: &HeaderMap, kind: &str) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains(kind))
}

/// The QR code that can be scanned now, in the media type that the caller accepts; none when there
/// is none.
pub(in crate::api) fn picture(
    session: &Snapshot,
    headers: &HeaderMap,
) -> Result<Option<QrPicture>, ApiError> {
    let Some(code) = session
        .qr
        .as_ref()
        .filter(|code| code.expires_at > Timestamp::now())
    else {
        return Ok(None);
    };
    if wants(headers, "image/svg+xml") {
        return Ok(Some(QrPicture::Svg(
            qr::svg(&code.code).map_err(ApiError::internal)?,
        )));
    }
    let picture = qr::png(&code.code).map_err(ApiError::internal)?;
    if wants(headers, "image/png") {
        return Ok(Some(QrPicture::Png(picture)));
    }
    let data = QrCode {
        qr_code: format!("data:image/png;base64,{}", BASE64_STANDARD.encode(picture)),
        qr_text: code.code.clone(),
        expires_at: code.expires_at.into(),
        attempt: code.attempt,
        connection_status: session.state,
        timestamp: Time::now(),
    };
    Ok(Some(QrPicture::Json(Box::new(Success::new(
        QrCodeAnswer::Code(data),
        "QR code generated successfully",
    )))))
}

/// `GET /api/whatsapp/qr`: the QR code that can be scanned now, as JSON, PNG or SVG.
async fn qr(
    State(sessions): State<Arc<dyn Sessions>>,
    Client(client): Client,
    headers: HeaderMap,
) -> Result<QrPicture, ApiError> {
    let session = find(&*sessions, &client)?;
    if let Some(picture) = picture(&session, &headers)? {
        return Ok(picture);
    }
    if matches!(
        session.state,
        SessionState::Authenticated | SessionState::Ready
    ) && !wants(&headers, "image/")
    {
        let data = NoQrCode {
            qr_code: None,
            connection_status: session.state,
            timestamp: Time::now(),
        };
        return Ok(QrPicture::Json(Box::new(Success::new(
            QrCodeAnswer::Linked(data),
            "Already authenticated",
        ))));
    }
    let words = format!("the session is {}: {}", session.state, session.reason);
    let error = ApiError::new(Code::QrNotAvailable, words).with("state", session.state.as_str());
    Err(error.with("timestamp", Timestamp::now().rfc3339()))
}
