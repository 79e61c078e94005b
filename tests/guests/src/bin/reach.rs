//! A plugin of every extension point that tries to reach something in each function, as its config
//! says, and answers with what it saw: in a rejection, a text, the name of a target, the body of a
//! request, and the reason for giving up.
//!
//! It is made with the SDK, so the SDK's functions are what a real component calls.

#[cfg(target_family = "wasm")]
mod guest {
    use std::{collections::BTreeMap, time::Duration};

    use wharf_plugin::prelude::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        /// `http`, `kv`, `secret` or `event`.
        what: String,
        url: String,
        method: Option<String>,
        headers: BTreeMap<String, String>,
        /// The bytes of the request's body.
        body: usize,
        /// How many requests are made, one after the other.
        times: Option<u32>,
        /// The longest wait for an answer, in milliseconds.
        wait: Option<u64>,
    }

    #[derive(Debug)]
    struct Reach(Config);

    impl Plugin for Reach {
        const INFO: Info = Info::new("reach", "0.0.1", "reaches out").events(&["*"]);
        type Config = Config;

        fn new(config: Config) -> Result<Self, ConfigIssues> {
            Ok(Self(config))
        }
    }

    impl Reach {
        /// What this call reached.
        fn seen(&self) -> String {
            match self.0.what.as_str() {
                "http" => {
                    let mut seen = String::new();
                    for _ in 0..self.0.times.unwrap_or(1) {
                        seen = self.ask();
                    }
                    seen
                }
                "kv" => match kv::add("n", 1, None) {
                    Ok(count) => format!("count {count}"),
                    Err(kv::Error::NotGranted) => "kv is not granted".into(),
                    Err(error) => format!("{error:?}"),
                },
                "secret" => secrets::get("WHARF_TEST_SECRET").unwrap_or_else(|| "no secret".into()),
                other => format!("nothing to reach in {other:?}"),
            }
        }

        fn ask(&self) -> String {
            let Config {
                url,
                method,
                headers,
                body,
                wait,
                ..
            } = &self.0;
            let mut request = http::Request::new(method.as_deref().unwrap_or("GET"), url);
            for (name, value) in headers {
                request = request.header(name, value);
            }
            if *body > 0 {
                request = request.body(vec![b'b'; *body]);
            }
            if let Some(wait) = wait {
                request = request.timeout(Duration::from_millis(*wait));
            }
            match request.send() {
                Ok(answer) => {
                    let text = String::from_utf8_lossy(&answer.body);
                    let start: String = text.chars().take(100).collect();
                    format!("{} {} {start}", answer.status, answer.body.len())
                }
                Err(error) => format!("{error:?}"),
            }
        }
    }

    impl Validator for Reach {
        fn validate(&self, _: &CallContext, _: &OutboundMessage) -> Result<Verdict, Error> {
            Ok(Rejection::new("seen", self.seen()).into())
        }
    }

    impl Templater for Reach {
        fn templates(&self) -> Vec<TemplateInfo> {
            vec![TemplateInfo::new("reach")]
        }

        fn render(&self, _: &CallContext, _: &RenderRequest) -> Result<Content, RenderError> {
            Ok(Content::text(self.seen()))
        }
    }

    impl Notifier for Reach {
        fn route(&self, _: &CallContext, envelope: &Envelope) -> Result<Vec<String>, Error> {
            Ok(vec![match &envelope.event {
                Event::MessageReceived(message) if self.0.what == "event" => {
                    format!("body {:?}", message.content.body().unwrap_or_default())
                }
                Event::Qr(qr) => format!("code {}", qr.code),
                _ => self.seen(),
            }])
        }

        fn request(&self, _: &CallContext, _: &str, _: &Envelope) -> Result<HttpRequest, Error> {
            Ok(HttpRequest::new("POST", "https://nobody.example/").body(self.seen()))
        }

        fn judge(&self, _: &CallContext, _: &str, _: &AttemptResult) -> Result<Judgement, Error> {
            Ok(Judgement::GiveUp(self.seen()))
        }
    }

    wharf_plugin::export!(Reach: validator, templater, notifier);
}

fn main() {}
