//! An in-memory host for unit tests of plugins. It exists natively only and needs no wasm runtime.
//!
//! A [`Host`] serves the thread that created it until it is dropped, so every test has its own.
//! Without a host, every capability is refused, as with empty grants.
//!
//! ```
//! use wharf_plugin::{kv, testing::Host};
//!
//! let host = Host::new();
//! kv::set("greeting", b"hello", None).unwrap();
//! assert_eq!(host.kv("greeting").as_deref(), Some(&b"hello"[..]));
//! ```

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    marker::PhantomData,
};

use crate::{CallContext, ConfigIssue, Extra, Plugin, http, kv::Entry, log::Level};

pub use serde_json::json;

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
    /// The number of hosts that this thread has created.
    static HOSTS: Cell<u64> = const { Cell::new(0) };
}

const KEY_BYTES: usize = 512;
const VALUE_BYTES: usize = 1 << 20;

#[derive(Debug)]
struct State {
    /// The id of the host that it belongs to.
    host: u64,
    now: u64,
    kv: BTreeMap<String, Stored>,
    kv_granted: bool,
    writes: u64,
    quota: Option<usize>,
    secrets: BTreeMap<String, String>,
    logs: Vec<LogLine>,
    /// The scripted answers, each with the URL that it is for.
    http: Vec<(String, Option<HttpResult>)>,
    http_requests: Vec<http::Request>,
}

type HttpResult = Result<http::Response, http::Error>;

#[derive(Debug)]
struct Stored {
    entry: Entry,
    expires: Option<u64>,
}

/// One captured log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The level.
    pub level: Level,
    /// The message.
    pub message: String,
    /// The fields.
    pub fields: Vec<(String, String)>,
}

/// The host of this thread. At first `kv` is granted and empty, there are no secrets, and the time
/// is 2026-01-15 12:00 UTC.
#[derive(Debug)]
pub struct Host {
    id: u64,
    calls: Cell<u64>,
    // The state belongs to the thread, so the handle must not leave it.
    _thread: PhantomData<*const ()>,
}

impl Host {
    /// Creates a fresh host, which replaces the thread's present one.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "it changes the thread, which a Default should not"
    )]
    pub fn new() -> Self {
        let id = HOSTS.get() + 1;
        HOSTS.set(id);
        let state = State {
            host: id,
            now: 1_768_478_400_000,
            kv: BTreeMap::new(),
            kv_granted: true,
            writes: 0,
            quota: None,
            secrets: BTreeMap::new(),
            logs: Vec::new(),
            http: Vec::new(),
            http_requests: Vec::new(),
        };
        STATE.with_borrow_mut(|slot| *slot = Some(state));
        Self {
            id,
            calls: Cell::new(0),
            _thread: PhantomData,
        }
    }

    /// Sets the clock, in milliseconds since the Unix epoch. The clock does not advance by itself.
    pub fn set_now(&self, now: u64) {
        with(|state| state.now = now);
    }

    /// The context of a call about `subject_id` in the session `default`: the first attempt, at the
    /// present time.
    #[must_use]
    pub fn call(&self, subject_id: &str) -> CallContext {
        self.calls.set(self.calls.get() + 1);
        CallContext {
            session: "default".into(),
            call_id: format!("call-{}", self.calls.get()),
            subject_id: subject_id.into(),
            traceparent: traceparent(subject_id, self.calls.get()),
            now: with(|state| state.now).unwrap_or_default(),
            attempt: 1,
            budget_ms: 1000,
            extra: Extra::default(),
        }
    }

    /// Grants a secret.
    pub fn set_secret(&self, name: &str, value: &str) {
        with(|state| state.secrets.insert(name.into(), value.into()));
    }

    /// Revokes or restores the `kv` grant.
    pub fn grant_kv(&self, granted: bool) {
        with(|state| state.kv_granted = granted);
    }

    /// Limits keys and values to this many bytes in total.
    pub fn set_kv_quota(&self, bytes: usize) {
        with(|state| state.quota = Some(bytes));
    }

    /// Writes a key as an operator would.
    pub fn set_kv(&self, key: &str, value: &[u8]) {
        with(|state| state.write(key, value, None));
    }

    /// The value of a key.
    #[must_use]
    pub fn kv(&self, key: &str) -> Option<Vec<u8>> {
        with(|state| state.read(key).map(|entry| entry.value)).flatten()
    }

    /// Every key, in byte order.
    #[must_use]
    pub fn kv_keys(&self) -> Vec<String> {
        with(|state| state.keys()).unwrap_or_default()
    }

    /// Scripts the answer to one request to this URL. Several answers to a URL are given in their
    /// order. A request to an origin without any script is not granted, and one beyond the last
    /// answer is unreachable.
    pub fn answer_http(&self, url: &str, answer: Result<http::Response, http::Error>) {
        with(|state| state.http.push((url.into(), Some(answer))));
    }

    /// The HTTP requests so far, also those that failed.
    #[must_use]
    pub fn http_requests(&self) -> Vec<http::Request> {
        with(|state| state.http_requests.clone()).unwrap_or_default()
    }

    /// The log lines so far.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        with(|state| state.logs.clone()).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // In `host = Host::new()` the old host is dropped after the new one has replaced it.
        STATE.with_borrow_mut(|slot| drop(slot.take_if(|state| state.host == self.id)));
    }
}

/// As from the gateway: the trace id is that of the subject, the parent id that of the call.
fn traceparent(subject_id: &str, call: u64) -> String {
    let mut hasher = DefaultHasher::new();
    subject_id.hash(&mut hasher);
    format!("00-{:032x}-{call:016x}-01", hasher.finish())
}

/// Creates a plugin from a configuration, as a component does.
///
/// # Errors
/// The issues of the configuration.
#[expect(clippy::needless_pass_by_value, reason = "called with json!({…})")]
pub fn configure<P: Plugin>(config: serde_json::Value) -> Result<P, Vec<ConfigIssue>> {
    crate::configure(&config.to_string()).map_err(crate::ConfigIssues::into_vec)
}

fn with<T>(act: impl FnOnce(&mut State) -> T) -> Option<T> {
    STATE.with_borrow_mut(|slot| slot.as_mut().map(act))
}

impl State {
    fn read(&self, key: &str) -> Option<Entry> {
        let stored = self.kv.get(key)?;
        stored
            .expires
            .is_none_or(|at| self.now < at)
            .then(|| stored.entry.clone())
    }

    fn write(&mut self, key: &str, value: &[u8], ttl: Option<u64>) {
        self.writes += 1;
        let entry = Entry {
            value: value.to_vec(),
            version: self.writes,
        };
        self.kv.insert(
            key.into(),
            Stored {
                entry,
                expires: ttl.map(|ttl| self.now.saturating_add(ttl)),
            },
        );
    }

    fn keys(&self) -> Vec<String> {
        self.kv
            .keys()
            .filter(|key| self.read(key).is_some())
            .cloned()
            .collect()
    }

    fn has_room(&self, key: &str, value: &[u8]) -> bool {
        let used: usize = self
            .kv
            .iter()
            .filter(|(other, _)| *other != key)
            .map(|(key, stored)| key.len() + stored.entry.value.len())
            .sum();
        self.quota
            .is_none_or(|quota| used + key.len() + value.len() <= quota)
    }
}

/// The native backend of [`crate::host`].
pub(crate) mod backend {
    use super::{KEY_BYTES, LogLine, State, VALUE_BYTES, with};
    use crate::{
        http,
        kv::{Entry, Error},
        log::Level,
    };

    pub(crate) fn log(level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields = fields
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        with(|state| {
            state.logs.push(LogLine {
                level,
                message: message.into(),
                fields,
            })
        });
    }

    pub(crate) fn secret(name: &str) -> Option<String> {
        with(|state| state.secrets.get(name).cloned()).flatten()
    }

    pub(crate) fn http(request: http::Request) -> Result<http::Response, http::Error> {
        let origin = request.origin()?;
        let not_granted = http::Error::NotGranted(origin.clone());
        with(|state| {
            state.http_requests.push(request.clone());
            let scripted = state
                .http
                .iter_mut()
                .find(|(url, answer)| *url == request.url && answer.is_some());
            if let Some(answer) = scripted.and_then(|(_, answer)| answer.take()) {
                return answer;
            }
            let granted = state
                .http
                .iter()
                .any(|(url, _)| http::get(url).origin().as_ref() == Ok(&origin));
            Err(if granted {
                http::Error::Unreachable(format!("no answer to {} is scripted", request.url))
            } else {
                http::Error::NotGranted(origin)
            })
        })
        .unwrap_or(Err(not_granted))
    }

    pub(crate) fn kv_get(key: &str) -> Result<Option<Entry>, Error> {
        granted(|state| Ok(state.read(key)))
    }

    pub(crate) fn kv_set(key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), Error> {
        granted(|state| {
            check(state, key, value)?;
            state.write(key, value, ttl_ms);
            Ok(())
        })
    }

    pub(crate) fn kv_compare_and_set(
        key: &str,
        expected: Option<u64>,
        value: &[u8],
        ttl_ms: Option<u64>,
    ) -> Result<bool, Error> {
        granted(|state| {
            check(state, key, value)?;
            let matches = state.read(key).map(|entry| entry.version) == expected;
            if matches {
                state.write(key, value, ttl_ms);
            }
            Ok(matches)
        })
    }

    pub(crate) fn kv_delete(key: &str) -> Result<(), Error> {
        granted(|state| {
            state.kv.remove(key);
            Ok(())
        })
    }

    pub(crate) fn kv_list(
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        granted(|state| {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let after = |key: &String| cursor.is_none_or(|cursor| key.as_str() > cursor);
            Ok(state
                .keys()
                .into_iter()
                .filter(|key| key.starts_with(prefix) && after(key))
                .take(limit)
                .collect())
        })
    }

    fn granted<T>(act: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        with(|state| {
            if state.kv_granted {
                act(state)
            } else {
                Err(Error::NotGranted)
            }
        })
        .unwrap_or(Err(Error::NotGranted))
    }

    fn check(state: &State, key: &str, value: &[u8]) -> Result<(), Error> {
        if key.len() > KEY_BYTES || value.len() > VALUE_BYTES {
            return Err(Error::TooLarge);
        }
        if state.has_room(key, value) {
            Ok(())
        } else {
            Err(Error::QuotaExceeded)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{kv, log, secrets};

    #[test]
    fn without_a_host_nothing_is_granted() {
        assert_eq!(kv::get("a"), Err(kv::Error::NotGranted));
        assert_eq!(secrets::get("a"), None);
        log::info("nobody listens", &[]);
    }

    #[test]
    fn a_dropped_host_takes_its_state_along() {
        drop(Host::new());
        assert_eq!(kv::set("a", b"1", None), Err(kv::Error::NotGranted));
    }

    #[test]
    fn a_host_that_is_assigned_anew_serves_the_thread() {
        let mut host = Host::new();
        kv::set("a", b"1", None).unwrap();
        assert_eq!(host.kv("a").as_deref(), Some(&b"1"[..]));
        host = Host::new();
        assert_eq!(kv::get("a"), Ok(None));
        kv::set("a", b"2", None).unwrap();
        assert_eq!(host.kv("a").as_deref(), Some(&b"2"[..]));
        drop(host);
        assert_eq!(kv::get("a"), Err(kv::Error::NotGranted));
    }

    #[test]
    fn calls_about_one_subject_belong_to_one_trace() {
        let host = Host::new();
        let [first, again, other] = ["m1", "m1", "m2"].map(|subject| host.call(subject));
        let trace = |ctx: &CallContext| ctx.traceparent.get(3..35).map(str::to_owned);
        assert_eq!(first.traceparent.len(), 55);
        assert_eq!(trace(&first), trace(&again));
        assert_ne!(first.traceparent, again.traceparent);
        assert_ne!(trace(&first), trace(&other));
    }

    #[test]
    fn compare_and_set_writes_only_over_the_version_read() {
        let host = Host::new();
        assert_eq!(kv::compare_and_set("a", None, b"1", None), Ok(true));
        assert_eq!(kv::compare_and_set("a", None, b"2", None), Ok(false));
        let version = kv::get("a").unwrap().unwrap().version;
        kv::set("a", b"3", None).unwrap();
        assert_eq!(
            kv::compare_and_set("a", Some(version), b"4", None),
            Ok(false)
        );
        assert_eq!(host.kv("a").as_deref(), Some(&b"3"[..]));
    }

    #[test]
    fn keys_live_as_long_as_their_ttl() {
        let host = Host::new();
        kv::set("a", b"1", Some(Duration::from_secs(1))).unwrap();
        let now = host.call("s").now;
        host.set_now(now + 999);
        assert!(kv::get("a").unwrap().is_some());
        host.set_now(now + 1000);
        assert_eq!(kv::get("a"), Ok(None));
        assert_eq!(kv::compare_and_set("a", None, b"2", None), Ok(true));
    }

    #[test]
    fn a_counter_adds_and_refuses_what_is_no_number() {
        let host = Host::new();
        assert_eq!(kv::add("n", 1, None), Ok(1));
        assert_eq!(kv::add("n", 4, None), Ok(5));
        host.set_kv("n", b"many");
        assert_eq!(kv::add("n", 1, None), Err(kv::Error::Corrupt("n".into())));
    }

    #[test]
    fn an_update_that_always_loses_gives_up() {
        let host = Host::new();
        let lost = kv::update("n", None, |_| {
            host.set_kv("n", b"other");
            Ok((Some(b"mine".to_vec()), ()))
        });
        assert_eq!(lost, Err(kv::Error::Contended("n".into())));
    }

    #[test]
    fn lists_are_pages_in_byte_order() {
        let _host = Host::new();
        for key in ["b/1", "a/2", "a/1", "a/3"] {
            kv::set(key, b"", None).unwrap();
        }
        assert_eq!(kv::list_keys("a/", None, 2).unwrap(), ["a/1", "a/2"]);
        assert_eq!(kv::list_keys("a/", Some("a/2"), 9).unwrap(), ["a/3"]);
    }

    #[test]
    fn sizes_quota_and_grant_are_enforced() {
        let host = Host::new();
        assert_eq!(
            kv::set(&"k".repeat(513), b"", None),
            Err(kv::Error::TooLarge)
        );
        host.set_kv_quota(3);
        assert_eq!(kv::set("k", b"12", None), Ok(()));
        assert_eq!(kv::set("k", b"21", None), Ok(()));
        assert_eq!(kv::set("l", b"", None), Err(kv::Error::QuotaExceeded));
        host.grant_kv(false);
        assert_eq!(kv::get("k"), Err(kv::Error::NotGranted));
    }

    #[test]
    fn log_lines_are_captured() {
        let host = Host::new();
        log::warn("look here", &[("code", "odd")]);
        assert_eq!(
            host.logs(),
            [LogLine {
                level: Level::Warn,
                message: "look here".into(),
                fields: vec![("code".into(), "odd".into())]
            }]
        );
    }
}
