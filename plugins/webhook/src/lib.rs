//! Tells web services of events.

use serde_json::json;
use wharf_plugin::{AttemptResult, CallContext, ConfigIssues, Envelope, Error, HttpRequest, Info, Judgement, Notifier, Plugin};

/// The plugin.
#[derive(Debug)]
pub struct Webhook {
    targets: Vec<Target>,
}

/// Its configuration.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    targets: Vec<Target>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    name: String,
    url: String,
}

impl Plugin for Webhook {
    const INFO: Info = Info::new("webhook", env!("CARGO_PKG_VERSION"), "Tells web services of events.").events(&["*"]);
    type Config = Config;

    fn new(config: Config) -> Result<Self, ConfigIssues> {
        Ok(Self { targets: config.targets })
    }
}

impl Notifier for Webhook {
    fn route(&self, _: &CallContext, _: &Envelope) -> Result<Vec<String>, Error> {
        Ok(self.targets.iter().map(|target| target.name.clone()).collect())
    }

    fn request(&self, ctx: &CallContext, target: &str, envelope: &Envelope) -> Result<HttpRequest, Error> {
        let target = self.targets.iter().find(|known| known.name == target).ok_or_else(|| Error::InvalidInput(format!("no target {target:?}")))?;
        let body = json!({"id": envelope.id, "timestamp": envelope.at, "event": envelope.kind, "session": ctx.session}).to_string().into_bytes();
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Ok(HttpRequest { method: "POST".into(), url: target.url.clone(), headers, body, timeout_ms: None })
    }

    fn judge(&self, _: &CallContext, _: &str, attempt: &AttemptResult) -> Result<Judgement, Error> {
        Ok(match attempt {
            AttemptResult::Answered(answer) if (200..300).contains(&answer.status) => Judgement::Delivered,
            AttemptResult::Answered(_) | AttemptResult::Unreachable(_) => Judgement::RetryAfter(5000),
        })
    }
}

wharf_plugin::export!(Webhook: notifier);
