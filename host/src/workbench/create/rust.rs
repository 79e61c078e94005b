//! A project in Rust, with the SDK.

use std::fmt::Write;

use super::plan::{Files, Project};
use crate::cli::Point;

/// The files that only a Rust project has. `sdk` is the value of the dependency in `Cargo.toml`.
pub(super) fn files(project: &Project, sdk: &str) -> Files {
    vec![
        ("Cargo.toml".into(), manifest(project, sdk)),
        ("src/lib.rs".into(), source(project)),
    ]
}

fn manifest(project: &Project, sdk: &str) -> String {
    let serde = if has_config(project) {
        "serde = { version = \"1\", features = [\"derive\"] }\n"
    } else {
        ""
    };
    format!(
        r#"[package]
name = "{}"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

[dependencies]
wharf-plugin = {sdk}
{serde}
# Small and quick to start.
[profile.release]
opt-level = "s"
lto = true

# A workspace of its own, whatever folder it is in.
[workspace]
"#,
        project.name
    )
}

fn has_config(project: &Project) -> bool {
    project.has(Point::Validator) || project.has(Point::Notifier)
}

/// `BannedWords` for `banned-words`. A single word is lengthened, because the SDK and the language
/// have names such as `Config`, `Validator` and `Error`: `ConsentPlugin` for `consent`.
fn type_name(name: &str) -> String {
    let words = name.split('-').map(|part| {
        let (first, rest) = part.split_at_checked(1).unwrap_or((part, ""));
        format!("{}{rest}", first.to_uppercase())
    });
    let camel: String = words.collect();
    if name.contains('-') {
        camel
    } else {
        camel + "Plugin"
    }
}

const VALIDATOR: &str = r#"
impl Validator for @TYPE@ {
    fn validate(&self, _: &CallContext, message: &OutboundMessage) -> Result<Verdict, Error> {
        let body = message.content.body().unwrap_or_default();
        let banned = self.config.words.iter().any(|word| body.contains(word));
        Ok(if banned {
            Rejection::new("banned_word", "the message contains a banned word").into()
        } else {
            Verdict::Allow
        })
    }
}
"#;

const TEMPLATER: &str = r#"
impl Templater for @TYPE@ {
    fn templates(&self) -> Vec<TemplateInfo> {
        let greeting = TemplateInfo::new("greeting")
            .locale("en")
            .variable(Variable::required("name", VariableKind::Text));
        vec![greeting]
    }

    fn render(&self, _: &CallContext, request: &RenderRequest) -> Result<Content, RenderError> {
        if request.template != "greeting" {
            return Err(RenderError::UnknownTemplate(request.template.clone()));
        }
        let name = request.variables.iter().find(|(name, _)| name == "name");
        match name {
            Some((_, Value::Text(name))) => Ok(Content::text(format!("Hello {name}!"))),
            Some(_) => Err(RenderError::BadVariable {
                name: "name".into(),
                reason: "must be a text".into(),
            }),
            None => Err(RenderError::MissingVariable("name".into())),
        }
    }
}
"#;

const NOTIFIER: &str = r#"
impl Notifier for @TYPE@ {
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
            return Err(Error::InvalidInput(format!("{} is not reported", envelope.kind)));
        };
        let body = json!({
            "id": envelope.id,
            "session": ctx.session,
            "from": message.sender.chat,
            "text": message.content.body(),
        });
        Ok(HttpRequest::json(&self.config.url, &body))
    }

    fn judge(
        &self,
        ctx: &CallContext,
        _: &str,
        attempt: &AttemptResult,
    ) -> Result<Judgement, Error> {
        Ok(match attempt {
            AttemptResult::Answered(answer) if answer.status < 300 => Judgement::Delivered,
            AttemptResult::Answered(answer) if answer.status == 410 => {
                Judgement::GiveUp("the service is gone".into())
            }
            _ => Judgement::RetryAfter(1000 * u64::from(ctx.attempt)),
        })
    }
}
"#;

fn source(project: &Project) -> String {
    let kind = type_name(&project.name);
    let summary = project.summary();
    let mut text = format!("//! {summary}\n\nuse wharf_plugin::prelude::*;\n\n#[derive(Debug)]\n");
    if has_config(project) {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "pub struct {kind} {{\n    config: Config,\n}}\n");
        text.push_str("/// `config` of the plugin's entry in gateway.toml.\n");
        text.push_str("#[derive(Debug, Deserialize)]\npub struct Config {\n");
        if project.has(Point::Validator) {
            text.push_str("    /// Words that no message may contain.\n    words: Vec<String>,\n");
        }
        if project.has(Point::Notifier) {
            text.push_str("    /// Where messages are reported.\n    url: String,\n");
        }
        text.push_str("}\n");
    } else {
        let _ = writeln!(text, "pub struct {kind};");
    }
    let events = if project.has(Point::Notifier) {
        "\n    .events(&[\"message.received\"])"
    } else {
        ""
    };
    let (config, new) = if has_config(project) {
        ("Config", "config: Config")
    } else {
        ("NoConfig", "_: NoConfig")
    };
    let made = if has_config(project) {
        "Self { config }"
    } else {
        "Self"
    };
    let _ = write!(
        text,
        r#"
impl Plugin for {kind} {{
    const INFO: Info = Info::new(
        "{}",
        env!("CARGO_PKG_VERSION"),
        "{summary}",
    ){events};
    type Config = {config};

    fn new({new}) -> Result<Self, ConfigIssues> {{
        Ok({made})
    }}
}}
"#,
        project.name
    );
    let parts = [
        (Point::Validator, "validator", VALIDATOR),
        (Point::Templater, "templater", TEMPLATER),
        (Point::Notifier, "notifier", NOTIFIER),
    ];
    let mut words = Vec::new();
    for (point, word, part) in parts {
        if project.has(point) {
            text.push_str(&part.replace("@TYPE@", &kind));
            words.push(word);
        }
    }
    let _ = writeln!(
        text,
        "\nwharf_plugin::export!({kind}: {});",
        words.join(", ")
    );
    text
}
