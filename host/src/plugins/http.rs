//! HTTP requests that a plugin makes itself, through `wasi:http`, and the limits of one call.
//!
//! Both directions are whole: a request leaves when its body is finished, and an answer is read to
//! its end before the plugin gets it. So each request has exactly one outcome, which is counted, and
//! no connection depends on an instance that may be gone. A request ends a little before the
//! deadline of the call, so that a plugin can still decide what a missing answer means.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderName, header::CONTENT_LENGTH};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};
use tracing::{debug, warn};
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks};

use super::{refusals::Refusals, trace::Trace};
use crate::egress::{
    Answer, BodyLimit, Client, HttpGrant, MAX_BODY, MAX_HEADER_BYTES, Part, Request, SendError,
    TimeLimits, Unreachable, sets_only_gateway,
};

/// The most bytes of the headers that a plugin puts together, as the gateway keeps them in memory.
pub(super) const MAX_FIELDS_BYTES: usize = 2 * MAX_HEADER_BYTES;
/// The most bytes that the gateway holds of a body before its request is made: a plugin can begin
/// hundreds of requests and finish none.
const BODY_PART: usize = 16 << 10;
/// The most bytes of an answer's body.
const MAX_ANSWER: usize = 1 << 20;
/// The most bytes of requests and answers that one call holds at a time, and all calls together.
const MAX_OF_CALL: usize = 16 << 20;
const MAX_OF_ALL: usize = 256 << 20;
/// The unit in which held bytes are counted: a semaphore counts less than 4 GiB at a time.
const UNIT: usize = 1 << 10;
/// The longest time before the end of a call at which its requests end.
const MAX_RESERVE: Duration = Duration::from_millis(500);

/// What a plugin may request, and the client that does it.
#[derive(Debug, Clone)]
pub(super) struct HttpAccess {
    pub(super) client: Arc<Client>,
    pub(super) grant: HttpGrant,
    /// The most requests of one call.
    pub(super) requests: u32,
    /// What the requests of all calls may hold.
    pub(super) memory: HttpMemory,
}

/// What requests and answers may hold, in [`UNIT`]s. A request that finds no room is refused at
/// once: waiting for room while holding some could wait for itself.
#[derive(Debug, Clone)]
pub(super) struct HttpMemory(Arc<Semaphore>);

impl Default for HttpMemory {
    fn default() -> Self {
        Self::of(MAX_OF_ALL)
    }
}

impl HttpMemory {
    fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / UNIT)))
    }

    /// Room for so many bytes; none when there is not so much.
    fn hold(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok()
    }
}

/// Room of the call and of all calls for one request or one answer.
struct Held([OwnedSemaphorePermit; 2]);

impl Held {
    fn new(call: &HttpMemory, all: &HttpMemory, bytes: usize) -> Result<Self, Failed> {
        let held = call.hold(bytes).zip(all.hold(bytes));
        held.map(|(call, all)| Self([call, all]))
            .ok_or((Outcome::OverBudget, Error::ConnectionLimitReached))
    }

    /// Gives back what is not needed.
    fn shrink(&mut self, bytes: usize) {
        let needed = bytes.div_ceil(UNIT);
        for permit in &mut self.0 {
            drop(permit.split(permit.num_permits().saturating_sub(needed)));
        }
    }
}

/// The body of an answer, which counts as long as its bytes are held.
struct HeldBody {
    bytes: Vec<u8>,
    _held: Held,
}

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The requests of one call.
pub(super) struct Requests {
    plugin: String,
    /// None while the plugin is loaded, and in a call that is made again: then every request is
    /// refused.
    access: Option<HttpAccess>,
    trace: Option<Arc<Trace>>,
    refusals: Refusals,
    traceparent: String,
    deadline: Instant,
    made: u32,
    /// What the requests of this call may hold.
    memory: HttpMemory,
}

impl Requests {
    /// The requests of a call that begins now and may last for `budget`.
    pub(super) fn new(
        plugin: &str,
        access: Option<HttpAccess>,
        trace: Option<Arc<Trace>>,
        refusals: Refusals,
        traceparent: &str,
        budget: Duration,
    ) -> Self {
        let allowed = budget.saturating_sub((budget / 10).min(MAX_RESERVE));
        let now = Instant::now();
        Self {
            plugin: plugin.to_owned(),
            access,
            trace,
            refusals,
            traceparent: traceparent.to_owned(),
            deadline: now.checked_add(allowed).unwrap_or(now),
            made: 0,
            memory: HttpMemory::of(MAX_OF_CALL),
        }
    }
}

/// How a request ended: the label of the counter.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Answered,
    NotGranted,
    TooMany,
    OverBudget,
    Invalid,
    Unreachable,
    TimedOut,
    TooLarge,
    Abandoned,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotGranted => "not_granted",
            Self::TooMany => "too_many",
            Self::OverBudget => "over_budget",
            Self::Invalid => "invalid",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::TooLarge => "too_large",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Counts a request when it is dropped. A request whose call ends first was abandoned.
struct Counted {
    plugin: String,
    outcome: Outcome,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let (plugin, outcome) = (std::mem::take(&mut self.plugin), self.outcome.as_str());
        metrics::counter!("wharf_plugin_http_requests_total", "plugin" => plugin, "outcome" => outcome).increment(1);
    }
}

type Sent = Result<(
    http::Response<WasiBody>,
    Box<dyn Future<Output = Result<()>> + Send>,
)>;

impl WasiHttpHooks for Requests {
    fn forbidden_header_filter(&mut self) -> wasmtime_wasi_http::ForbiddenHeaderFilter {
        // The length is compared with the body before the request gets here.
        Arc::new(|name: &HeaderName| *name != CONTENT_LENGTH && sets_only_gateway(name.as_str()))
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_PART
    }

    /// The client sets it from the URL.
    fn set_host_header(&mut self) -> bool {
        false
    }

    /// A request without a scheme is refused as a request, and not for its missing scheme.
    fn default_scheme(&mut self) -> Option<http::uri::Scheme> {
        Some(http::uri::Scheme::HTTPS)
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let mut counted = Counted {
            plugin: self.plugin.clone(),
            outcome: Outcome::Abandoned,
        };
        let Some(access) = self.access.clone() else {
            match &self.trace {
                // The call is made again, and reaches nobody whatever was granted.
                Some(trace) => trace.asked_network(),
                None => self.refusals.report("http"),
            }
            counted.outcome = Outcome::NotGranted;
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        self.made = self.made.saturating_add(1);
        if self.made > access.requests {
            if self.made == access.requests.saturating_add(1) {
                let (plugin, allowed) = (&self.plugin, access.requests);
                warn!(
                    plugin,
                    allowed,
                    "a request was not made: the call has made as many as `http_requests` of the plugin's entry in gateway.toml allows"
                );
            }
            counted.outcome = Outcome::TooMany;
            return Box::new(async { Err(Error::ConnectionLimitReached) });
        }
        let (traceparent, deadline) = (self.traceparent.clone(), self.deadline);
        let memory = self.memory.clone();
        Box::new(async move {
            // Moves it as a whole: a block that only assigns to a field would move a copy of that.
            let mut counted = counted;
            let answer = send(
                &access,
                &counted.plugin,
                request,
                options,
                &traceparent,
                deadline,
                &memory,
            );
            let result = answer
                .await
                .and_then(|(answer, held)| response(answer, held));
            if let Err((Outcome::OverBudget, _)) = &result {
                warn!(
                    plugin = counted.plugin,
                    "a request was not made: requests and answers of one call may hold {} MiB at a time, and those of all calls {} MiB",
                    MAX_OF_CALL >> 20,
                    MAX_OF_ALL >> 20
                );
            }
            match result {
                Ok(response) => {
                    counted.outcome = Outcome::Answered;
                    let done: Box<dyn Future<Output = Result<()>> + Send> =
                        Box::new(async { Ok(()) });
                    Ok((response, done))
                }
                Err((outcome, error)) => {
                    counted.outcome = outcome;
                    Err(error)
                }
            }
        })
    }
}

type Failed = (Outcome, Error);

async fn send(
    access: &HttpAccess,
    plugin: &str,
    request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
    traceparent: &str,
    deadline: Instant,
    memory: &HttpMemory,
) -> Result<(Answer, Held), Failed> {
    let mut of_request = Held::new(memory, &access.memory, MAX_BODY)?;
    let (head, body) = request.into_parts();
    let body = timeout_at(deadline.into(), Limited::new(body, MAX_BODY).collect())
        .await
        .map_err(|_| (Outcome::TimedOut, Error::ConnectionWriteTimeout))?
        .map_err(|error| {
            if error.is::<LengthLimitError>() {
                let most = Some(MAX_BODY as u64);
                return (Outcome::Invalid, Error::HttpRequestBodySize(most));
            }
            // The plugin dropped the body before it was finished.
            let error = error.downcast::<Error>();
            (
                Outcome::Invalid,
                error.map_or(Error::HttpProtocolError, |error| *error),
            )
        })?;
    let body = body.to_bytes();
    of_request.shrink(body.len());
    let mut of_answer = Held::new(memory, &access.memory, MAX_ANSWER)?;
    let mut headers: Vec<(String, Vec<u8>)> = head
        .headers
        .iter()
        .filter(|(name, _)| **name != CONTENT_LENGTH)
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    if !head.headers.contains_key("traceparent") {
        headers.push(("traceparent".into(), traceparent.as_bytes().to_vec()));
    }
    let request = Request {
        method: head.method.to_string(),
        url: head.uri.to_string(),
        headers,
        body: body.to_vec(),
    };
    let options = options.unwrap_or_default();
    // Connecting and waiting for the head are one step of the client, so they share their limits.
    let wait = options
        .first_byte_timeout
        .map(|first| first.saturating_add(options.connect_timeout.unwrap_or_default()));
    let limits = TimeLimits {
        deadline,
        head: wait,
        between: options.between_bytes_timeout,
    };
    let answer = access
        .client
        .call(
            plugin,
            &access.grant,
            request,
            limits,
            BodyLimit::Whole(MAX_ANSWER),
        )
        .await
        .map_err(|error| {
            debug!(plugin, reason = %error, "a request of the plugin has no answer");
            failed(error)
        })?;
    of_answer.shrink(answer.body.len());
    Ok((answer, of_answer))
}

/// What a plugin learns of a failed request: a code without words, as `wasi:http` has them.
fn failed(error: SendError) -> Failed {
    match error {
        SendError::Invalid(fault) => {
            let error = match fault.part {
                Part::Method => Error::HttpRequestMethodInvalid,
                Part::Url => Error::HttpRequestUriInvalid,
                Part::Headers => {
                    Error::HttpRequestHeaderSectionSize(u32::try_from(MAX_HEADER_BYTES).ok())
                }
                Part::Body => Error::HttpRequestBodySize(Some(MAX_BODY as u64)),
            };
            (Outcome::Invalid, error)
        }
        SendError::Refused(refused) if refused.private => {
            (Outcome::NotGranted, Error::DestinationIpProhibited)
        }
        SendError::Refused(_) => (Outcome::NotGranted, Error::HttpRequestDenied),
        SendError::TimedOut => (Outcome::TimedOut, Error::HttpResponseTimeout),
        SendError::TooLarge(most) => (
            Outcome::TooLarge,
            Error::HttpResponseBodySize(Some(most as u64)),
        ),
        SendError::Unreachable(what, _) => {
            let error = match what {
                Unreachable::Name => Error::DnsError {
                    rcode: None,
                    info_code: None,
                },
                Unreachable::Connection => Error::ConnectionRefused,
                Unreachable::Tls => Error::TlsProtocolError,
                Unreachable::Protocol => Error::HttpProtocolError,
                Unreachable::Client => Error::ConfigurationError,
            };
            (Outcome::Unreachable, error)
        }
    }
}

fn response(answer: Answer, held: Held) -> Result<http::Response<WasiBody>, Failed> {
    let header_bytes: usize = answer
        .headers
        .iter()
        .map(|(name, value)| name.len().saturating_add(value.len()))
        .sum();
    if header_bytes > MAX_HEADER_BYTES {
        let most = u32::try_from(MAX_HEADER_BYTES).ok();
        return Err((
            Outcome::TooLarge,
            Error::HttpResponseHeaderSectionSize(most),
        ));
    }
    let mut response = http::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value.as_slice());
    }
    let body = Bytes::from_owner(HeldBody {
        bytes: answer.body,
        _held: held,
    });
    let body = Full::new(body)
        .map_err(|never| match never {})
        .boxed_unsync();
    response
        .body(body)
        .map_err(|_| (Outcome::Unreachable, Error::HttpProtocolError))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_until_its_bytes_are_gone_and_what_has_no_room_is_refused() {
        let (call, all) = (HttpMemory::of(8 * UNIT), HttpMemory::of(12 * UNIT));
        let free = |memory: &HttpMemory| memory.0.available_permits();
        let mut held = Held::new(&call, &all, 5 * UNIT).expect("room");
        held.shrink(UNIT + 1);
        assert_eq!((free(&call), free(&all)), (6, 10));
        let answer = Answer {
            status: 200,
            headers: vec![],
            body: vec![1; UNIT + 1],
        };
        let response = response(answer, held).expect("an answer");
        assert!(Held::new(&call, &all, 7 * UNIT).is_err(), "of the call");
        let another = HttpMemory::of(100 * UNIT);
        assert!(Held::new(&another, &all, 11 * UNIT).is_err(), "of all");
        assert_eq!(
            (free(&call), free(&all)),
            (6, 10),
            "a refusal holds nothing"
        );
        drop(response);
        assert_eq!((free(&call), free(&all)), (8, 12));
    }
}
