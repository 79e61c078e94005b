//! Serves the page's files. `app.js` is one closure of several files, so that its names do not
//! become globals of the page.

use std::{fmt::Write, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use crate::world::World;

const PARTS: [&str; 19] = [
    include_str!("../page/models.js"),
    include_str!("../page/kinds.js"),
    include_str!("../page/ids.js"),
    include_str!("../page/storage.js"),
    include_str!("../page/comms.js"),
    include_str!("../page/altlink.js"),
    include_str!("../page/passkey.js"),
    include_str!("../page/media.js"),
    include_str!("../page/seal.js"),
    include_str!("../page/upload.js"),
    include_str!("../page/mediaobjects.js"),
    include_str!("../page/prep.js"),
    include_str!("../page/messages.js"),
    include_str!("../page/contacts.js"),
    include_str!("../page/chats.js"),
    include_str!("../page/history.js"),
    include_str!("../page/constants.js"),
    include_str!("../page/surface.js"),
    include_str!("../page/boot.js"),
];

pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/app.js", get(|| async { script(app()) }))
        .route(
            "/loader.js",
            get(|| async { script(include_str!("../page/loader.js").to_owned()) }),
        )
        .route("/main-bundle", get(|| async { script(String::new()) }))
        .route(
            "/sw.js",
            get(|| async { script("self.addEventListener('fetch', () => {});".into()) }),
        )
        .route("/report", post(report))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .with_state(Arc::clone(world))
}

async fn index(State(world): State<Arc<World>>) -> Response {
    // Read and counted down under one lock, so that each failure is of one page only.
    let settings = world.change(|state| {
        let settings = state.settings.clone();
        state.settings.storage_failures = settings.storage_failures.saturating_sub(1);
        settings
    });
    if let Some(status) = settings
        .page_status
        .and_then(|code| StatusCode::from_u16(code).ok())
    {
        return status.into_response();
    }
    let site = json!({
        "version": settings.version, "clock": settings.clock, "missing": settings.missing, "blocked": settings.blocked,
        "hiddenSerialized": settings.hidden_serialized, "moduleMap": settings.module_map, "historyDelay": settings.history_delay, "storageFails": settings.storage_failures > 0,
    });
    // As on the real page, whose scripts cannot call other servers.
    let policy = [(
        header::CONTENT_SECURITY_POLICY,
        "connect-src 'self' data: blob:",
    )];
    (
        policy,
        Html(include_str!("../page/index.html").replace("/*SITE_DATA*/", &site.to_string())),
    )
        .into_response()
}

fn app() -> String {
    let mut out = String::from(
        "(() => {\n\"use strict\";\nconst site = JSON.parse(document.getElementById(\"site-data\").textContent);\n",
    );
    for part in PARTS {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{part}");
    }
    out + "})();\n"
}

fn script(text: String) -> Response {
    (
        [
            (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        text,
    )
        .into_response()
}

/// Records what the page reports, as the real page's error reporting would receive it.
async fn report(State(world): State<Arc<World>>, body: String) -> StatusCode {
    world.change(|state| state.reports.push(body));
    StatusCode::NO_CONTENT
}
