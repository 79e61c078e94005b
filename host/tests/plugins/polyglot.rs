//! Plugins in other languages than Rust in the same host: each language's plugin has the same rules
//! (`tests/polyglot`), so one test holds for all.
//!
//! `cargo xtask test` builds the components. Where the tools of a language could not be had, its
//! component is missing and its test is left out, which xtask and the test say.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tracing_subscriber::layer::SubscriberExt;
use wharf::{
    model::{Address, Content, Envelope, Event, EventId, InboundMessage, MessageId, Timestamp},
    plugins::{AttemptResult, Judgement, Notifiers, Pipeline, PluginHost, PluginState},
};

use crate::{
    calls::Lines,
    support::{Place, allowed, rejected, subject, text},
    web::Web,
};

/// A plugin of `tests/polyglot`.
struct Guest {
    name: &'static str,
    /// The source in which it crashes when it is told to, and a part of the words of that.
    source: &'static str,
    words: &'static str,
}

/// The component; none if it was not built.
fn component(name: &str) -> Option<Vec<u8>> {
    let built = env::var_os("WHARF_TEST_POLYGLOT").map_or_else(
        || {
            let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
            target.expect("the target folder").join("polyglot")
        },
        PathBuf::from,
    );
    let path = built.join(format!("{}.wasm", name.replace('-', "_")));
    let found = fs::read(&path).ok();
    if found.is_none() {
        println!("LEFT OUT: {} is not built", path.display());
    }
    found
}

impl Guest {
    fn entry(&self, words: &str, settings: &str) -> String {
        format!(
            "[[plugin]]\nname = \"{}\"\nmay_modify = true\ntimeout = \"30s\"\ncpu = \"10s\"\n{settings}\n\
             config = {{ words = [{words}], service = \"http://127.0.0.1:1/\" }}\n",
            self.name
        )
    }

    /// The whole contract of the language. It is one test, because the component is compiled once.
    async fn keeps_the_contract(self) {
        let Some(component) = component(self.name) else {
            return;
        };
        let place = Place::with(&[]).await;
        let file = format!("{}.wasm", self.name.replace('-', "_"));
        fs::write(place.plugins().join(file), component).expect("a copy");
        let load = async |entry: String| {
            // An unoptimised compiler needs a minute for an interpreter.
            place
                .load(&format!("[plugins]\nload_timeout = \"10m\"\n{entry}"))
                .await
        };

        let refused = load(self.entry("\"fine\", \" \"", "")).await;
        let refused = refused.expect_err("a blank word").to_string();
        assert!(
            refused.contains("config at /words/1: must not be blank"),
            "{refused}"
        );

        let host = load(self.entry("\"lottery\"", "")).await.expect("it loads");
        let report = host.reports().remove(0);
        assert_eq!(report.state, PluginState::Loaded);
        assert_eq!(report.points, ["send-validation", "event-notification"]);
        self.validates(&host).await;
        assert_eq!(told(&host, "secret WHARF_TEST_SECRET").await, "not granted");
        notifies(&host).await;

        let web = Web::start().await;
        let grants = format!(
            "log_stderr = true\ngrants = {{ kv = \"1MiB\", secrets = [\"WHARF_TEST_SECRET\"], http = [\"{}\"], http_private = true }}",
            web.origin()
        );
        let entry = self.entry("\"lottery\"", &grants);
        let host = load(entry.replace("http://127.0.0.1:1/", &web.origin())).await;
        let host = host.expect("it loads");
        assert_eq!(told(&host, "count").await, "1 true");
        assert_eq!(told(&host, "count").await, "2 true");
        assert_eq!(
            told(&host, "secret WHARF_TEST_SECRET").await,
            "11",
            "the length of the secret"
        );
        self.logs(&host).await;
        self.crashes(&host).await;
        assert_eq!(told(&host, "ask /ok").await, "200 hello");
        assert_eq!(told(&host, "ask /length").await, "200 6");
    }

    async fn validates(&self, host: &PluginHost) {
        let (same, verdicts) = allowed(host.validate(&subject("any"), text("hello")).await);
        assert_eq!(
            (same, verdicts[0].verdict),
            (text("hello"), "allow"),
            "{verdicts:?}"
        );
        let (rejection, _) = rejected(host.validate(&subject("any"), text("the LOTTERY")).await);
        assert_eq!(
            (rejection.plugin.as_str(), rejection.code.as_str()),
            (self.name, "banned_word")
        );
        let (changed, _) = allowed(host.validate(&subject("any"), text("shout grüße 👋")).await);
        assert_eq!(changed, text("GRÜSSE 👋"));
        // An error that the plugin returns.
        let (rejection, verdicts) = rejected(
            host.validate(&subject("any"), text("unavailable the tide"))
                .await,
        );
        assert_eq!(rejection.code, "plugin_failed");
        assert_eq!(
            (verdicts[0].verdict, verdicts[0].detail.as_deref()),
            ("failed", Some("the tide"))
        );
    }

    async fn logs(&self, host: &PluginHost) {
        let log = log_of(host, "lottery").await;
        assert!(
            log.contains("stopped a message") && log.contains("\"session\":\"any\""),
            "{log}"
        );
    }

    /// An exception that nobody catches tells the operator its place, and its words where
    /// `log_stderr` allows that.
    async fn crashes(&self, host: &PluginHost) {
        let (rejection, verdicts) = rejected(host.validate(&subject("any"), text("crash")).await);
        assert_eq!(rejection.code, "plugin_failed");
        let detail = verdicts[0].detail.clone().expect("its words");
        assert!(
            verdicts[0].verdict == "trapped" && detail.contains(self.source),
            "{verdicts:?}"
        );
        let log = log_of(host, "crash").await;
        assert!(log.contains(self.words), "{log}");
    }
}

/// The reason of a rejection.
async fn told(host: &PluginHost, message: &str) -> String {
    let (rejection, verdicts) = rejected(host.validate(&subject("any"), text(message)).await);
    assert_eq!(verdicts[0].verdict, "reject", "{message}: {verdicts:?}");
    rejection.reason.into()
}

/// What is logged while a message is refused.
async fn log_of(host: &PluginHost, message: &str) -> String {
    let lines = Lines::default();
    let guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    rejected(host.validate(&subject("any"), text(message)).await);
    drop(guard);
    lines.1.lock().expect("no panic").join("\n")
}

async fn notifies(host: &PluginHost) {
    let name = host.reports().remove(0).name;
    let chat = text("").to;
    let received = |from_me: bool| Envelope {
        id: EventId("evt_1".into()),
        at: Timestamp(1_700_000_000_000),
        session: "any".parse().expect("a client id"),
        account: None,
        replayed: false,
        event: Event::MessageReceived(InboundMessage {
            id: MessageId("3EB0".into()),
            sender: Address::clone(&chat),
            chat: Address::clone(&chat),
            from_me,
            push_name: None,
            sent_at: Timestamp(1_700_000_000_000),
            content: Content::text("hello"),
            reply_to: None,
        }),
    };
    let about = subject("any");
    assert_eq!(host.interested(&received(false)), [name.as_str()]);
    let targets = host.route(&name, &about, &received(false)).await;
    let targets: Vec<String> = targets
        .expect("routed")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(targets, ["service"]);
    let none = host.route(&name, &about, &received(true)).await;
    assert!(none.expect("routed").is_empty());

    let request = host
        .request(&name, &about, "service", &received(false))
        .await
        .expect("shaped");
    assert_eq!(
        (request.method.as_str(), request.url.as_str()),
        ("POST", "http://127.0.0.1:1/")
    );
    let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
    assert_eq!(
        body,
        serde_json::json!({"id": "evt_1", "session": "any", "from": "15551234567@c.us", "text": "hello"})
    );

    let answered = |status| AttemptResult::Answered {
        status,
        headers: vec![],
        body: vec![],
    };
    for (attempt, judgement) in [
        (answered(204), Judgement::Delivered),
        (
            answered(410),
            Judgement::GiveUp("the service is gone".into()),
        ),
        (answered(500), Judgement::RetryAfter(Duration::from_secs(1))),
        (
            AttemptResult::Unreachable("no route".into()),
            Judgement::RetryAfter(Duration::from_secs(1)),
        ),
    ] {
        let judged = host.judge(&name, &about, "service", &attempt).await;
        assert_eq!(judged, Ok(judgement), "{attempt:?}");
    }
}

#[tokio::test]
async fn a_plugin_in_javascript_keeps_the_contract() {
    let guest = Guest {
        name: "in-javascript",
        source: "plugin.js:",
        words: "message.content.val.nothing is undefined",
    };
    guest.keeps_the_contract().await;
}

#[tokio::test]
async fn a_plugin_in_python_keeps_the_contract() {
    let guest = Guest {
        name: "in-python",
        source: "plugin.py:",
        words: "has no attribute",
    };
    guest.keeps_the_contract().await;
}
