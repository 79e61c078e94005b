//! Helpers of the plugin tests: hosts with guests, and calls to them.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tempfile::TempDir;
use wharf::{
    config::Config,
    model::{Address, Content, OutboundMessage},
    plugins::{
        Decision, KvError, KvSpace, KvStore, LoadError, Pipeline, PluginHost, Rejection, Subject,
        Verdict,
    },
    store::Store,
};

/// The folder of the built guests.
fn guests() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target folder")
        .to_owned();
    env::var_os("WHARF_TEST_GUESTS")
        .map_or_else(|| target.join("wasm32-wasip2/plugin"), PathBuf::from)
}

/// The bytes of a guest's component.
pub(crate) fn guest(file: &str) -> Vec<u8> {
    let path = guests().join(file);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; build it: cargo build -p wharf-test-guests -p number-policy -p templates -p webhook --target wasm32-wasip2 --profile plugin", path.display())
    })
}

/// A plugin folder and a store for a host.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) store: Arc<dyn KvStore>,
}

impl Place {
    /// A folder with these guests and an empty store.
    pub(crate) async fn with(files: &[&str]) -> Self {
        let dir = TempDir::new().expect("a folder");
        std::fs::create_dir(dir.path().join("plugins")).expect("the plugin folder");
        for file in files {
            std::fs::write(dir.path().join("plugins").join(file), guest(file)).expect("a copy");
        }
        let store = Store::open(&dir.path().join("wharf.db"))
            .await
            .expect("a store");
        Self {
            store: Arc::new(Stalling(store)),
            dir,
        }
    }

    /// The plugin folder.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.dir.path().join("plugins")
    }

    /// Loads a host with the `[[plugin]]` entries of this text.
    pub(crate) async fn load(&self, entries: &str) -> Result<PluginHost, LoadError> {
        let mut config: Config = toml::from_str(entries).expect("a config");
        config.plugins.dir = self.dir.path().join("plugins");
        let secrets =
            Arc::new(|name: &str| (name == "WHARF_TEST_SECRET").then(|| "open sesame".to_owned()));
        PluginHost::load(
            &config.plugins,
            &config.plugin,
            &cache(),
            Arc::clone(&self.store),
            secrets,
        )
        .await
    }
}

/// The cache of compiled code, which all tests share because an unoptimised compiler is slow.
pub(crate) fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cache")
}

/// A host with the guest `odd` for the session `odd`, and the guest `good` for all sessions.
pub(crate) async fn odd(behaviour: &str, settings: &str) -> PluginHost {
    let place = Place::with(&["odd.wasm", "good.wasm"]).await;
    place
        .load(&odd_and_good(behaviour, settings))
        .await
        .expect("both load")
}

pub(crate) fn odd_and_good(behaviour: &str, settings: &str) -> String {
    format!(
        "[[plugin]]\nname = \"odd\"\nsessions = [\"odd\"]\n{settings}\nconfig.behaviour = \"{behaviour}\"\n[[plugin]]\nname = \"good\"\n"
    )
}

/// Checks both answers of the guest `good`, in a session that `odd` does not serve.
pub(crate) async fn assert_serves_on(host: &PluginHost) {
    assert!(
        matches!(host.validate(&subject("fine"), text("hello")).await, Decision::Allow(_, verdicts) if verdicts.len() == 1)
    );
    let (rejection, _) = rejected(host.validate(&subject("fine"), text("forbidden")).await);
    assert_eq!(
        (rejection.plugin.as_str(), rejection.code.as_str()),
        ("good", "forbidden_word")
    );
    assert_eq!(rejection.retry_after, Some(Duration::from_millis(1500)));
}

pub(crate) fn subject(session: &str) -> Subject {
    Subject {
        session: session.parse().expect("a client id"),
        id: "out_1".into(),
        attempt: 1,
    }
}

pub(crate) fn text(body: &str) -> OutboundMessage {
    let chat = "15551234567@c.us".to_owned();
    let to = Address {
        pn: Some(chat.clone()),
        chat,
        lid: None,
    };
    OutboundMessage {
        to,
        content: Content::text(body),
        reply_to: None,
        send_at: None,
        metadata: vec![],
    }
}

pub(crate) fn rejected(decision: Decision) -> (Rejection, Vec<Verdict>) {
    match decision {
        Decision::Reject(rejection, verdicts) => (rejection, verdicts),
        Decision::Allow(_, verdicts) => panic!("allowed: {verdicts:?}"),
        Decision::Busy(busy, verdicts) => panic!("{busy}: {verdicts:?}"),
    }
}

pub(crate) fn allowed(decision: Decision) -> (OutboundMessage, Vec<Verdict>) {
    match decision {
        Decision::Allow(message, verdicts) => (message, verdicts),
        Decision::Reject(rejection, verdicts) => panic!("rejected: {rejection:?} {verdicts:?}"),
        Decision::Busy(busy, verdicts) => panic!("{busy}: {verdicts:?}"),
    }
}

/// A real store in which reading the key `slow` never ends and reading the key `broken` fails.
#[derive(Debug)]
struct Stalling(Store);

#[async_trait]
impl KvStore for Stalling {
    async fn get(&self, space: &KvSpace, key: &str) -> Result<Option<(Vec<u8>, u64)>, KvError> {
        if key == "slow" {
            std::future::pending::<()>().await;
        }
        if key == "broken" {
            return Err(KvError::Unavailable("the disk is broken".into()));
        }
        self.0.get(space, key).await
    }

    async fn set(
        &self,
        space: &KvSpace,
        key: &str,
        expected: Option<Option<u64>>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, KvError> {
        self.0.set(space, key, expected, value, ttl).await
    }

    async fn delete(&self, space: &KvSpace, key: &str) -> Result<(), KvError> {
        self.0.delete(space, key).await
    }

    async fn list(
        &self,
        space: &KvSpace,
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, KvError> {
        self.0.list(space, prefix, cursor, limit).await
    }
}
