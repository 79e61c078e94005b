//! `/docs`: the API reference, a page that shows the document of [`super::openapi`].
//!
//! It is Swagger UI, embedded in the binary. Its Content-Security-Policy lets it load from and call
//! only its own origin: it works without internet access, and a manipulated document could not send
//! an API key elsewhere. Neither the page nor the document needs a key, because a browser that
//! opens an address sends none, and both contain nothing but what is in the source code.

mod document;

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};

pub(super) use self::document::Document;
use super::{
    error::{ApiError, Code},
    openapi::{Operation, Output},
    route::{Need::Nothing, Routes},
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(
            "/openapi.json",
            Nothing,
            openapi,
            Operation::new("getOpenApi", "This document"),
        )
        .get(
            "/docs",
            Nothing,
            page,
            Operation::new(
                "getReference",
                "The reference page, which shows this document",
            ),
        )
        .get(
            "/docs/{asset}",
            Nothing,
            asset,
            Operation::new("getReferencePart", "A file of the reference page")
                .part("asset", "The name of a file of the page.")
                .refuses(&[Code::NotFound]),
        )
}

/// The response with the document.
#[derive(Debug)]
struct Json(Bytes);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        (
            [
                (header::CONTENT_TYPE, "application/json"),
                (header::CACHE_CONTROL, "no-cache"),
            ],
            self.0,
        )
            .into_response()
    }
}

impl Output for Json {
    fn describe(operation: Operation) -> Operation {
        operation.answers_with(
            StatusCode::OK,
            "The OpenAPI 3.1 document of this version of the gateway.",
            Some("application/json"),
        )
    }
}

/// `GET /openapi.json`
async fn openapi(State(document): State<Arc<Document>>) -> Json {
    Json(document.json())
}

const PAGE: &str = include_str!("index.html");

/// Swagger UI sets inline styles on elements, which hashes in a policy cannot cover.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const LICENCE: &str = concat!(
    include_str!(concat!(env!("OUT_DIR"), "/NOTICE")),
    "\n\n",
    include_str!(concat!(env!("OUT_DIR"), "/LICENSE"))
);

/// The files of the page: name, media type, content.
const ASSETS: [(&str, &str, &str); 5] = [
    (
        "swagger-ui-bundle.js",
        "text/javascript; charset=utf-8",
        include_str!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js")),
    ),
    (
        "swagger-ui.css",
        "text/css; charset=utf-8",
        include_str!(concat!(env!("OUT_DIR"), "/swagger-ui.css")),
    ),
    (
        "start.js",
        "text/javascript; charset=utf-8",
        include_str!("start.js"),
    ),
    (
        "page.css",
        "text/css; charset=utf-8",
        include_str!("page.css"),
    ),
    ("licence.txt", "text/plain; charset=utf-8", LICENCE),
];

/// The page.
#[derive(Debug)]
struct Page;

impl Output for Page {
    fn describe(operation: Operation) -> Operation {
        operation.answers_with(StatusCode::OK, "The page.", Some("text/html"))
    }
}

/// `GET /docs`
async fn page() -> Page {
    Page
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers: [(HeaderName, &str); 4] = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        (headers, PAGE).into_response()
    }
}

/// A file of the page.
#[derive(Debug)]
struct Asset {
    kind: &'static str,
    text: &'static str,
}

impl IntoResponse for Asset {
    fn into_response(self) -> Response {
        (
            [
                (header::CONTENT_TYPE, self.kind),
                (header::CACHE_CONTROL, "max-age=3600"),
            ],
            self.text,
        )
            .into_response()
    }
}

impl Output for Asset {
    fn describe(operation: Operation) -> Operation {
        operation
            .answers_with(StatusCode::OK, "The file.", Some("text/javascript"))
            .or("text/css")
            .or("text/plain")
    }
}

/// `GET /docs/{asset}`
async fn asset(Path(name): Path<String>) -> Result<Asset, ApiError> {
    let found = ASSETS.iter().find(|(known, ..)| *known == name);
    let (_, kind, text) = found
        .ok_or_else(|| ApiError::new(Code::NotFound, "the reference page has no such file"))?;
    Ok(Asset { kind, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_its_own_parts_alone_and_each_is_there() {
        let named: Vec<&str> = PAGE
            .split("=\"docs/")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(named.len(), 4, "{named:?}");
        for name in &named {
            assert!(
                ASSETS
                    .iter()
                    .any(|(known, _, text)| known == name && !text.is_empty()),
                "{name}"
            );
        }
        for (name, text) in [
            ("index.html", PAGE),
            ("start.js", include_str!("start.js")),
            ("page.css", include_str!("page.css")),
        ] {
            assert!(!text.contains("://"), "{name}");
        }
        assert!(
            POLICY.starts_with("default-src 'none'")
                && !POLICY.contains("http")
                && !POLICY.contains('*')
                && !POLICY.contains("unsafe-eval")
        );
    }

    #[test]
    fn what_is_handed_on_has_its_licence() {
        assert!(
            LICENCE.contains("swagger-ui") && LICENCE.contains("Apache License"),
            "{}",
            LICENCE.get(..80).unwrap_or_default()
        );
    }
}
