//! The only outgoing HTTP client. It follows an allow-list, makes no redirects and calls private
//! networks only if granted.
//!
//! Host names are checked after they are resolved, and the connection uses the addresses that were
//! checked, so changing the DNS record in between has no effect. TLS verifies the name of the URL.

use std::{
    error::Error,
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use reqwest::{
    Method, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::HeaderValue,
    redirect::Policy,
};
use tokio::time::timeout;

use super::{
    addresses::is_private,
    grant::{HttpGrant, Refused, Told},
    limits::{Fault, Part, Request, fault},
};

/// Makes HTTP calls within the grants of plugins.
#[derive(Debug, Default)]
pub struct Client {
    public: OnceLock<reqwest::Client>,
    private: OnceLock<reqwest::Client>,
    told: Told,
}

/// The answer of a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The names and values of the headers, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, or its first bytes.
    pub body: Vec<u8>,
}

/// How much of an answer's body is read, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLimit {
    /// The first bytes; the rest is not read.
    First(usize),
    /// The whole body, and a longer one is an error.
    Whole(usize),
}

/// The limits of time of one call. The `deadline` holds whatever the others allow.
#[derive(Debug, Clone, Copy)]
pub struct TimeLimits {
    /// When the call must be over.
    pub deadline: Instant,
    /// The longest wait for the head of the answer.
    pub head: Option<Duration>,
    /// The longest wait between two parts of the answer's body.
    pub between: Option<Duration>,
}

impl TimeLimits {
    /// Only a deadline, this long from now.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self {
            deadline: Instant::now()
                .checked_add(time)
                .unwrap_or_else(Instant::now),
            head: None,
            between: None,
        }
    }

    fn left(&self, wish: Option<Duration>) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        wish.map_or(left, |wish| wish.min(left))
    }
}

/// Why a call has no answer. The texts never name the URL, which may contain a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The request breaks a limit.
    #[error("{}", .0.words)]
    Invalid(Fault),
    /// The grants do not allow it.
    #[error("{}", .0.why)]
    Refused(Refused),
    /// The receiver could not be reached, or its answer is no HTTP.
    #[error("{1}")]
    Unreachable(Unreachable, String),
    /// There was no whole answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The answer's body is longer than this many bytes.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

/// What failed between the gateway and a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// The name could not be resolved.
    Name,
    /// No connection could be made.
    Connection,
    /// TLS failed: the certificate is not valid for the name of the URL, or it is no TLS.
    Tls,
    /// The connection broke off, or what came is no HTTP.
    Protocol,
    /// The gateway's own client does not start.
    Client,
}

/// Resolves names for a client; `private` allows addresses in private networks.
#[derive(Debug)]
struct Checked {
    private: bool,
}

/// A name that could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("the name cannot be resolved: {0}")]
struct NotResolved(io::Error);

/// A name without an address outside private networks.
#[derive(Debug, thiserror::Error)]
#[error("{0} has only addresses in private networks")]
struct OnlyPrivate(String);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(NotResolved)?
                .filter(|address| private || !is_private(address.ip()))
                .collect();
            if found.is_empty() && !private {
                return Err(OnlyPrivate(name.as_str().to_owned()).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Client {
    /// Builds what the first calls would otherwise build, which takes a while: it reads the
    /// machine's certificates.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn prepare(&self) -> Result<(), reqwest::Error> {
        self.client(false)?;
        self.client(true)?;
        Ok(())
    }

    /// The client for public addresses, or the one for private addresses too.
    fn client(&self, private: bool) -> Result<&reqwest::Client, reqwest::Error> {
        let slot = if private { &self.private } else { &self.public };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Checked { private }))
            .build()?;
        Ok(slot.get_or_init(|| client))
    }

    /// Makes one call for a plugin.
    ///
    /// # Errors
    /// See [`SendError`]. A refusal is also logged, with the configuration line that would grant
    /// the call.
    pub async fn call(
        &self,
        plugin: &str,
        grant: &HttpGrant,
        request: Request,
        limits: TimeLimits,
        body: BodyLimit,
    ) -> Result<Answer, SendError> {
        let call = self.attempt(grant, request, limits, body);
        // The deadline holds for all parts together.
        let result = timeout(limits.left(None), call)
            .await
            .unwrap_or(Err(SendError::TimedOut));
        if let Err(SendError::Refused(refused)) = &result {
            self.told.tell(plugin, refused);
        }
        result
    }

    async fn attempt(
        &self,
        grant: &HttpGrant,
        request: Request,
        limits: TimeLimits,
        limit: BodyLimit,
    ) -> Result<Answer, SendError> {
        let invalid = |part, words| SendError::Invalid(Fault { part, words });
        if let Some(fault) = fault(&request) {
            return Err(SendError::Invalid(fault));
        }
        // The URL may contain a secret, so the error does not quote it.
        let url = Url::parse(&request.url).map_err(|error| {
            let words = format!("the plugin's request has no URL that can be read: {error}");
            invalid(Part::Url, words)
        })?;
        grant.check(&url).map_err(SendError::Refused)?;
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| {
            let words = format!("{:?} is no HTTP method", request.method);
            invalid(Part::Method, words)
        })?;
        let client = self
            .client(grant.private)
            .map_err(|error| SendError::Unreachable(Unreachable::Client, innermost(&error)))?;
        let mut call = client.request(method, url.clone()).body(request.body);
        for (name, value) in &request.headers {
            let value = HeaderValue::from_bytes(value).map_err(|error| {
                let words =
                    format!("the plugin's request has a header that cannot be sent: {error}");
                invalid(Part::Headers, words)
            })?;
            call = call.header(name, value);
        }
        let mut answer = timeout(limits.left(limits.head), call.send())
            .await
            .map_err(|_| SendError::TimedOut)?
            .map_err(|error| failure(grant, &url, &error))?;
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect();
        let (BodyLimit::First(most) | BodyLimit::Whole(most)) = limit;
        let mut body = Vec::new();
        while limit != BodyLimit::First(body.len()) {
            let chunk = timeout(limits.left(limits.between), answer.chunk())
                .await
                .map_err(|_| SendError::TimedOut)?
                .map_err(|error| failure(grant, &url, &error))?;
            let Some(chunk) = chunk else { break };
            let room = most.saturating_sub(body.len());
            if chunk.len() > room && limit == BodyLimit::Whole(most) {
                return Err(SendError::TooLarge(most));
            }
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        }
        Ok(Answer {
            status: answer.status().as_u16(),
            headers,
            body,
        })
    }
}

/// What reqwest's error means. Its own text names the URL, which may contain a secret, so the text
/// of the innermost cause is used.
fn failure(grant: &HttpGrant, url: &Url, error: &reqwest::Error) -> SendError {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    let mut kind = if error.is_connect() {
        Unreachable::Connection
    } else {
        Unreachable::Protocol
    };
    while let Some(known) = cause {
        if let Some(private) = known.downcast_ref::<OnlyPrivate>() {
            return SendError::Refused(grant.in_private_network(url, &private.to_string()));
        }
        if known.is::<NotResolved>() {
            return SendError::Unreachable(Unreachable::Name, known.to_string());
        }
        // rustls reports its errors as invalid data.
        if error.is_connect()
            && known
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
        {
            kind = Unreachable::Tls;
        }
        cause = known.source();
    }
    SendError::Unreachable(kind, innermost(error))
}

/// The text of the innermost cause of an error.
fn innermost(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    if text.is_empty() {
        "the connection failed".into()
    } else {
        text
    }
}
