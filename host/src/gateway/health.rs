//! `wharf health`: asks the gateway that runs on this configuration for its health, for supervisors
//! that probe with a command, such as a container's health check.

use reqwest::StatusCode;
use serde_json::Value;

use super::local::LocalGateway;
use crate::config::{Config, Sources};

/// Requests `/readyz`, or `/livez` if `live` is set, and returns the line to show.
///
/// # Errors
/// The line to show when no gateway answers, when another program answers, or when the gateway does
/// not accept messages.
pub async fn run(config: &Config, sources: &Sources, live: bool) -> Result<String, String> {
    if config.server.port == 0 {
        return Err("[server] port = 0 lets the system choose a port, so this command cannot know where the gateway listens; set a port".into());
    }
    let gateway = LocalGateway::of(config, sources).map_err(|error| error.to_string())?;
    let (path, good) = if live {
        ("/livez", "alive")
    } else {
        ("/readyz", "ready")
    };
    let base = gateway.base();
    let answer = gateway.probe(path).await.map_err(|error| {
        let why = if error.is_timeout() {
            "it took too long"
        } else {
            "nothing listens there, or the connection was lost"
        };
        format!("no gateway answers at {base}: {why}")
    })?;
    let status = answer.status();
    let said: Value = answer.json().await.unwrap_or_default();
    verdict(base, good, status, &said)
}

fn verdict(base: &str, good: &str, status: StatusCode, said: &Value) -> Result<String, String> {
    if status.is_success() {
        return Ok(format!("{good}: {base}"));
    }
    match (said["code"].as_str(), said["problems"][0].as_str()) {
        (Some(code), Some(problem)) => Err(format!("not {good}: {base}: {code}: {problem}")),
        (Some(code), None) => Err(format!("not {good}: {base}: {code}")),
        (None, _) => Err(format!(
            "another program answers at {base} ({status}); check [server] port"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_has_its_code_and_another_program_is_told_apart() {
        let base = "http://127.0.0.1:3001";
        assert_eq!(
            verdict(base, "ready", StatusCode::OK, &Value::Null),
            Ok("ready: http://127.0.0.1:3001".into())
        );
        let full = json!({"status": "unavailable", "code": "storage_full", "problems": ["the disk is full"]});
        let said =
            verdict(base, "ready", StatusCode::SERVICE_UNAVAILABLE, &full).expect_err("refused");
        assert_eq!(
            said,
            "not ready: http://127.0.0.1:3001: storage_full: the disk is full"
        );
        let said = verdict(base, "alive", StatusCode::NOT_FOUND, &Value::Null)
            .expect_err("another program");
        assert!(
            said.contains("another program answers at http://127.0.0.1:3001 (404 Not Found)"),
            "{said}"
        );
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
