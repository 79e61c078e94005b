use wharf_plugin::prelude::*;

#[derive(Debug)]
pub struct Teller(Config);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    url: String,
}

impl Plugin for Teller {
    const INFO: Info = Info::new(
        "teller",
        "0.1.0",
        "Tells one web service of messages that arrive.",
    )
    .config_schema(
        r#"{"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}}"#,
    )
    .events(&["message.received"]);
    type Config = Config;

    fn new(config: Config) -> Result<Self, ConfigIssues> {
        Ok(Self(config))
    }
}

impl Notifier for Teller {
    fn route(&self, _: &CallContext, envelope: &Envelope) -> Result<Vec<String>, Error> {
        let from_others =
            matches!(&envelope.event, Event::MessageReceived(message) if !message.from_me);
        Ok(if from_others {
            vec!["service".into()]
        } else {
            vec![]
        })
    }

    fn request(
        &self,
        ctx: &CallContext,
        _: &str,
        envelope: &Envelope,
    ) -> Result<HttpRequest, Error> {
        let Event::MessageReceived(message) = &envelope.event else {
            return Err(Error::InvalidInput(format!(
                "{} is not told by this plugin",
                envelope.kind
            )));
        };
        let body = json!({"id": envelope.id, "session": ctx.session, "from": message.sender.chat, "text": message.content.body()});
        let request = HttpRequest::json(&self.0.url, &body);
        Ok(match secrets::get("TELLER_TOKEN") {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        })
    }

    fn judge(
        &self,
        ctx: &CallContext,
        target: &str,
        attempt: &AttemptResult,
    ) -> Result<Judgement, Error> {
        Ok(match attempt {
            AttemptResult::Answered(answer) if answer.status < 300 => Judgement::Delivered,
            AttemptResult::Answered(answer) if answer.status == 410 => {
                Judgement::GiveUp("the service is gone".into())
            }
            _ => {
                log::info(
                    "not taken, tried again",
                    &[("target", target), ("attempt", &ctx.attempt.to_string())],
                );
                Judgement::RetryAfter(1000 * u64::from(ctx.attempt))
            }
        })
    }
}

wharf_plugin::export!(Teller: notifier);
