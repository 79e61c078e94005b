//! The status of the gateway and of a session, in the original service's format.

use std::sync::Arc;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::envelope::Success;
use crate::{
    api::{
        app::Started,
        error::{ApiError, Code},
        extract::Client,
        openapi::{Operation, STORE},
        route::{
            Need::{Of, Probe},
            Routes,
        },
        session::{SessionNow, find},
        time::Time,
    },
    config::Scope::Read,
    model::{ClientId, SessionState},
    services::{self, Sessions},
    session::ProfileFacts,
    whatsapp::{BrowserReport, ContractReport, PageStatus},
};

pub(super) fn routes() -> Routes {
    let of = |id, summary| Operation::new(id, summary).refuses(&[Code::UnknownClient]);
    Routes::new()
        .get(
            "/health",
            Probe,
            server_health,
            Operation::new("getHealth", "The process is alive"),
        )
        .get(
            "/api/whatsapp/status",
            Of(Read),
            status,
            of("seedGetStatus", "The state of a session"),
        )
        .get(
            "/api/whatsapp/health",
            Of(Read),
            health,
            of(
                "seedGetHealth",
                "The status of the service and of a session",
            ),
        )
        .get(
            "/api/whatsapp/session-info",
            Of(Read),
            session_info,
            of("seedGetSessionInfo", "All information about a session").refuses(STORE),
        )
}

/// The process is alive.
#[derive(Debug, Serialize, JsonSchema)]
struct ServerHealth {
    /// Always `ok`.
    status: &'static str,
    /// Seconds since the gateway started, with a fraction.
    uptime: f64,
    /// The gateway's version, `1.2.3`.
    version: &'static str,
    /// The time of the response.
    timestamp: Time,
}

/// `GET /health`: the process is alive.
async fn server_health(State(started): State<Started>) -> Json<ServerHealth> {
    Json(ServerHealth {
        status: "ok",
        uptime: started.seconds(),
        version: env!("CARGO_PKG_VERSION"),
        timestamp: Time::now(),
    })
}

/// The state of a session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SeedStatus")]
struct Status {
    /// Whether it can send.
    is_ready: bool,
    /// Its state.
    connection_status: SessionState,
    /// The time of the response.
    timestamp: Time,
    /// The session.
    client_id: ClientId,
}

/// `GET /api/whatsapp/status`: the state of a session.
async fn status(
    State(sessions): State<Arc<dyn Sessions>>,
    Client(client): Client,
) -> Result<Success<Status>, ApiError> {
    let state = find(&*sessions, &client)?.state;
    let data = Status {
        is_ready: state == SessionState::Ready,
        connection_status: state,
        timestamp: Time::now(),
        client_id: client,
    };
    Ok(Success::new(data, format!("WhatsApp client is {state}")))
}

/// The status of the service and of a session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SeedHealth")]
struct Health {
    /// Always `WhatsApp API`.
    service: &'static str,
    /// Always `operational`.
    status: &'static str,
    /// The state of the session.
    connection_status: SessionState,
    /// Whether the session can send.
    is_ready: bool,
    /// The time of the response.
    timestamp: Time,
    /// Seconds since the gateway started, with a fraction.
    uptime: f64,
}

/// `GET /api/whatsapp/health`: the status of the service and of a session.
async fn health(
    State(sessions): State<Arc<dyn Sessions>>,
    State(started): State<Started>,
    Client(client): Client,
) -> Result<Success<Health>, ApiError> {
    let state = find(&*sessions, &client)?.state;
    let data = Health {
        service: "WhatsApp API",
        status: "operational",
        connection_status: state,
        is_ready: state == SessionState::Ready,
        timestamp: Time::now(),
        uptime: started.seconds(),
    };
    Ok(Success::new(data, "WhatsApp API is operational"))
}

/// All information about a session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct SessionInfo {
    /// The session.
    client_id: ClientId,
    #[serde(flatten)]
    now: SessionNow,
    /// The state, under the original service's name.
    connection_status: SessionState,
    /// The last state transitions, at most 20, newest first.
    transitions: Vec<Transition>,
    /// Its attempts to reconnect.
    reconnect: Reconnect,
    /// The last health checks, at most 20, newest first.
    health: Vec<HealthCheck>,
    /// Its browser, while there is one.
    browser: Option<BrowserReport>,
    /// Its profile folder.
    profile: ProfileFacts,
    /// WhatsApp Web in its page.
    whatsapp: WhatsAppWeb,
    /// The time of the response.
    timestamp: Time,
}

/// A transition of a session from one state to another.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SessionTransition")]
struct Transition {
    /// When it happened. RFC 3339, UTC.
    at: Time,
    /// The state before.
    from: SessionState,
    /// The state after.
    to: SessionState,
    /// Why, for people.
    reason: String,
}

/// A session's attempts to reconnect.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SessionReconnect")]
struct Reconnect {
    /// Failed attempts since it was last ready.
    attempt: u32,
    /// Attempts after which it gives up.
    max_attempts: u32,
    /// Browser launches since the gateway started.
    launches: u64,
    /// When the next attempt begins, if one is scheduled.
    next_attempt_at: Option<Time>,
}

/// The outcome of one health check.
#[derive(Debug, Serialize, JsonSchema)]
struct HealthCheck {
    /// When it happened. RFC 3339, UTC.
    at: Time,
    /// Whether everything responded and was as expected.
    ok: bool,
    /// The findings.
    check: Value,
}

/// WhatsApp Web as it runs in the page.
#[derive(Debug, Serialize, JsonSchema)]
struct WhatsAppWeb {
    /// Its version, `2.3000.1038137223`, while it is known.
    version: Option<String>,
    /// The page's last report about itself.
    page: Option<PageStatus>,
    /// Which parts of the contract with WhatsApp Web hold.
    contract: Option<ContractReport>,
}

impl SessionInfo {
    pub(in crate::api) fn new(client: ClientId, info: services::SessionInfo) -> Self {
        let services::SessionInfo {
            now,
            transitions,
            health,
            browser,
            profile,
            max_attempts,
        } = info;
        let transition = |step: crate::model::Transition| Transition {
            at: step.at.into(),
            from: step.before,
            to: step.after,
            reason: step.reason,
        };
        let check = |check: services::HealthCheck| HealthCheck {
            at: check.at.into(),
            ok: check.ok,
            check: check.detail,
        };
        Self {
            client_id: client,
            now: SessionNow::from(&now),
            connection_status: now.state,
            transitions: transitions.into_iter().map(transition).collect(),
            reconnect: Reconnect {
                attempt: now.attempt,
                max_attempts,
                launches: now.launches,
                next_attempt_at: now.next_attempt_at.map(Time),
            },
            health: health.into_iter().map(check).collect(),
            browser,
            profile,
            whatsapp: WhatsAppWeb {
                version: now.page.as_ref().and_then(|page| page.version.clone()),
                page: now.page,
                contract: now.contract,
            },
            timestamp: Time::now(),
        }
    }
}

/// `GET /api/whatsapp/session-info`: all information about a session.
async fn session_info(
    State(sessions): State<Arc<dyn Sessions>>,
    Client(client): Client,
) -> Result<Success<SessionInfo>, ApiError> {
    let info = sessions.info(&client).await?;
    Ok(Success::new(
        SessionInfo::new(client, info),
        "Session information retrieved successfully",
    ))
}
