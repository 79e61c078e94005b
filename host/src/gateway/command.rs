//! What the commands have in common that ask the running gateway.

use reqwest::Method;
use serde_json::Value;

use super::local::{LocalError, LocalGateway, RunningGateway};
use crate::config::{Config, Sources};

/// The gateway that runs on this configuration.
pub(super) async fn connect(config: &Config, sources: &Sources) -> Result<RunningGateway, String> {
    let gateway = LocalGateway::of(config, sources).map_err(|error| error.to_string())?;
    gateway.recognise().await.map_err(|error| match error {
        LocalError::Silent { base, why } => format!(
            "no gateway answers at {base} ({why}): this command works through the running gateway. Start it, or check [server] host and port"
        ),
        other => other.to_string(),
    })
}

/// Calls the API.
pub(super) async fn call(
    gateway: &RunningGateway,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
) -> Result<Value, String> {
    let answer = gateway.json(method, path, query).await;
    answer.map_err(|error| error.to_string())
}

/// The list of this name in an answer. An answer without it is an error: to the operator, an empty
/// list would look the same as no answer.
pub(super) fn array<'a>(answer: &'a Value, name: &str) -> Result<&'a [Value], String> {
    let rows = answer[name].as_array().map(Vec::as_slice);
    rows.ok_or_else(|| lacks(name))
}

/// The number of this name in an answer.
pub(super) fn number(answer: &Value, name: &str) -> Result<u64, String> {
    answer[name].as_u64().ok_or_else(|| lacks(name))
}

/// The text of this name in an answer.
pub(super) fn text<'a>(answer: &'a Value, name: &str) -> Result<&'a str, String> {
    answer[name].as_str().ok_or_else(|| lacks(name))
}

pub(super) fn lacks(name: &str) -> String {
    format!(
        "the gateway's answer has no {name:?}: what it did is not known; is it of the same version as this program?"
    )
}

/// A path below that of a plugin. A name with other characters than plugins can have is refused:
/// without them it could be the name of another one.
pub(super) fn plugin_path(plugin: &str, rest: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if plugin.is_empty() || !plugin.chars().all(is_name) || plugin.starts_with('.') {
        return Err(format!(
            "{plugin:?} is not the name of a plugin: a name consists of letters, digits, '-', '_' and '.', as in its entry of gateway.toml"
        ));
    }
    Ok(format!("/v1/plugins/{plugin}{rest}"))
}
