//! Saying who is told of an event, and how the call looks. The host makes the calls, stores one
//! delivery per target before anything is sent, and keeps the dead letters.

use crate::{CallContext, Envelope, Error, Plugin};

/// Says who is told of an event, and how the call looks.
pub trait Notifier: Plugin {
    /// Names of the targets that want this event; empty when nobody does.
    ///
    /// # Errors
    /// A failure of the plugin itself; the host asks again.
    fn route(&self, ctx: &CallContext, envelope: &Envelope) -> Result<Vec<String>, Error>;

    /// Shapes the call for one target. Asked again for every attempt.
    ///
    /// # Errors
    /// A failure of the plugin itself.
    fn request(&self, ctx: &CallContext, target: &str, envelope: &Envelope) -> Result<HttpRequest, Error>;

    /// Says what an attempt means; `ctx.attempt` is the number of the attempt.
    ///
    /// # Errors
    /// A failure of the plugin itself.
    fn judge(&self, ctx: &CallContext, target: &str, attempt: &AttemptResult) -> Result<Judgement, Error>;
}

/// One HTTP call, shaped by the plugin and made by the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// E.g. `POST`.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// As they go out.
    pub headers: Vec<(String, String)>,
    /// As it goes out.
    pub body: Vec<u8>,
    /// A wish in milliseconds; the operator's limit wins.
    pub timeout_ms: Option<u32>,
}

/// What a target answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// Of the answer.
    pub headers: Vec<(String, String)>,
    /// The first bytes only; the host caps it.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The first header of this name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What came of an HTTP call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The target answered.
    Answered(HttpResponse),
    /// DNS, connect, TLS, time-out, or refused by the grants.
    Unreachable(String),
}

/// What an attempt means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Done.
    Delivered,
    /// Try again, no sooner than this many milliseconds from now.
    RetryAfter(u64),
    /// Will never succeed; the host moves it to the dead letters with this reason.
    GiveUp(String),
}
