//! `wharf health`: asks the gateway that runs on this configuration for its health, for supervisors
//! that probe with a command, such as a container's health check.

use reqwest::StatusCode;
use serde_json::Value;

use super::local::LocalGateway;
use crate::config::{Config, Sources};

/// What one probe requests, and what a good answer says.
#[derive(Debug, Clone, Copy)]
struct Probe {
    path: &'static str,
    /// The `status` of a good answer.
    status: &'static str,
    /// What a good answer means.
    good: &'static str,
}

const LIVE: Probe = Probe {
    path: "/livez",
    status: "ok",
    good: "alive",
};

const READY: Probe = Probe {
    path: "/readyz",
    status: "ready",
    good: "ready",
};

/// Requests `/readyz`, or `/livez` if `live` is set, and returns the line to show.
///
/// # Errors
/// The line to show when no gateway answers, when another program answers, or when the gateway does
/// not accept messages.
pub async fn run(config: &Config, sources: &Sources, live: bool) -> Result<String, String> {
    let gateway = LocalGateway::of(config, sources).map_err(|error| error.to_string())?;
    let probe = if live { LIVE } else { READY };
    let (status, said) = gateway
        .probe(probe.path)
        .await
        .map_err(|error| error.to_string())?;
    verdict(&gateway, probe, status, &said)
}

/// Requires the words of this gateway: a status alone says nothing, because another program may
/// answer 200 to every path.
fn verdict(
    gateway: &LocalGateway,
    Probe { status, good, .. }: Probe,
    answered: StatusCode,
    said: &Value,
) -> Result<String, String> {
    let base = gateway.base();
    match said["status"].as_str() {
        Some(word) if word == status && answered.is_success() => Ok(format!("{good}: {base}")),
        Some("not_ready") if !answered.is_success() => {
            let parts = [said["code"].as_str(), said["problems"][0].as_str()];
            let why: Vec<&str> = parts.into_iter().flatten().collect();
            Err(format!("not {good}: {base}: {}", why.join(": ")))
        }
        _ => Err(gateway.foreign(answered).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake::{FakeProgram, json};

    async fn asked(live: bool, status: u16, body: &'static str) -> Result<String, String> {
        let program = FakeProgram::start(move |_| json(status, body)).await;
        let said = run(&program.config(), &FakeProgram::sources(), live).await;
        assert!(program.keys_received().is_empty(), "a probe needs no key");
        // The port differs from run to run.
        let port = program.config().server.port;
        let plain = |line: String| line.replace(&format!("127.0.0.1:{port}"), "here");
        said.map(plain).map_err(plain)
    }

    #[tokio::test]
    async fn a_refusal_has_its_code_and_another_program_is_told_apart() {
        assert_eq!(
            asked(false, 200, r#"{"status":"ready","problems":[]}"#).await,
            Ok("ready: http://here".into())
        );
        assert_eq!(
            asked(true, 200, r#"{"status":"ok"}"#).await,
            Ok("alive: http://here".into())
        );
        let full =
            r#"{"status":"not_ready","code":"storage_full","problems":["the disk is full"]}"#;
        assert_eq!(
            asked(false, 503, full).await,
            Err("not ready: http://here: storage_full: the disk is full".into())
        );
        for (live, status, body) in [
            // A development server that answers 200 to every path.
            (false, 200, "<html></html>"),
            (true, 200, "<html></html>"),
            (false, 200, r#"{"status":"ok"}"#),
            (false, 200, full),
            (true, 200, r#"{"status":"ready"}"#),
            (true, 404, ""),
            // Another program's errors have a code too.
            (false, 503, r#"{"code":"maintenance"}"#),
        ] {
            let said = asked(live, status, body).await.expect_err(body);
            assert!(
                said.contains("another program answers at http://here"),
                "{said}"
            );
        }
    }

    #[tokio::test]
    async fn nobody_is_asked_where_the_port_is_not_known() {
        let mut config = Config::default();
        config.server.port = 0;
        let said = run(&config, &Sources::default(), false)
            .await
            .expect_err("no port");
        assert!(said.contains("[server] port = 0"), "{said}");
    }
}
