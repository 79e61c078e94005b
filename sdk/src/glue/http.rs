//! The backend of [`crate::http`] in a component: `wasi:http`.

use wasip2::{
    http::{
        outgoing_handler,
        types::{
            ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
            RequestOptions, Scheme,
        },
    },
    io::streams::StreamError,
};

use crate::http::{Error, Request, Response};

/// The most bytes of one blocking write, as `wasi:io` defines it.
const WRITE: usize = 4096;
/// The most bytes of one read.
const READ: u64 = 64 << 10;

pub(crate) fn http(request: Request) -> Result<Response, Error> {
    let invalid = |part: &str| Error::InvalidRequest(format!("the host refuses its {part}"));
    let origin = request.origin()?;
    let (scheme, authority, path) = request.parts()?;
    let headers = Fields::new();
    for (name, value) in &request.headers {
        headers
            .append(name, value.as_bytes())
            .map_err(|_| invalid(&format!("header {name:?}")))?;
    }
    let outgoing = OutgoingRequest::new(headers);
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => Scheme::Other(other.to_owned()),
    };
    outgoing
        .set_method(&Method::Other(request.method.clone()))
        .map_err(|()| invalid("method"))?;
    outgoing
        .set_scheme(Some(&scheme))
        .and_then(|()| outgoing.set_authority(Some(authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&path)))
        .map_err(|()| invalid("URL"))?;
    let options = RequestOptions::new();
    if let Some(timeout) = request.timeout {
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        options
            .set_first_byte_timeout(Some(nanos))
            .map_err(|()| invalid("time-out"))?;
    }
    let failed = |code| failure(code, &origin);
    let body = outgoing.body().map_err(|()| invalid("body"))?;
    let pending = outgoing_handler::handle(outgoing, Some(options)).map_err(failed)?;
    let is_written = write(body, &request.body);
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Err(ErrorCode::HttpProtocolError))) if !is_written => Err(Error::InvalidRequest(
            "its body has another length than its Content-Length".into(),
        )),
        Some(Ok(answer)) => read(&answer.map_err(failed)?).map_err(failed),
        _ => Err(Error::Unreachable("the host gave no answer".into())),
    }
}

/// Writes the body. False if the host does not take all of it; its answer says why.
fn write(body: OutgoingBody, bytes: &[u8]) -> bool {
    let Ok(stream) = body.write() else {
        return false;
    };
    let is_written = bytes
        .chunks(WRITE)
        .all(|chunk| stream.blocking_write_and_flush(chunk).is_ok());
    // A body cannot be finished while its stream exists.
    drop(stream);
    is_written && OutgoingBody::finish(body, None).is_ok()
}

fn read(answer: &IncomingResponse) -> Result<Response, ErrorCode> {
    let headers = answer
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let mut response = Response {
        status: answer.status(),
        headers,
        body: Vec::new(),
    };
    let body = answer
        .consume()
        .map_err(|()| ErrorCode::HttpProtocolError)?;
    let stream = body.stream().map_err(|()| ErrorCode::HttpProtocolError)?;
    loop {
        match stream.blocking_read(READ) {
            Ok(bytes) => response.body.extend_from_slice(&bytes),
            Err(StreamError::Closed) => return Ok(response),
            Err(StreamError::LastOperationFailed(_)) => {
                return Err(ErrorCode::HttpResponseIncomplete);
            }
        }
    }
}

fn failure(code: ErrorCode, origin: &str) -> Error {
    match code {
        ErrorCode::HttpRequestDenied => Error::NotGranted(origin.to_owned()),
        ErrorCode::DestinationIpProhibited => Error::PrivateAddress(origin.to_owned()),
        ErrorCode::ConnectionLimitReached => Error::TooManyRequests,
        ErrorCode::HttpResponseTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::DnsTimeout => Error::TimedOut,
        ErrorCode::HttpResponseBodySize(_) | ErrorCode::HttpResponseHeaderSectionSize(_) => {
            Error::TooLarge
        }
        ErrorCode::HttpRequestMethodInvalid => {
            Error::InvalidRequest("its method is not allowed".into())
        }
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestUriTooLong => {
            Error::InvalidRequest("its URL cannot be read, or has more than 8 KiB".into())
        }
        ErrorCode::HttpRequestHeaderSectionSize(_) => Error::InvalidRequest(
            "it has a header that is not allowed, or more than 100 of them, or more than 32 KiB"
                .into(),
        ),
        ErrorCode::HttpRequestBodySize(_) => {
            Error::InvalidRequest("its body has more than 2 MiB".into())
        }
        ErrorCode::DnsError(_) => Error::Unreachable("the name cannot be resolved".into()),
        ErrorCode::ConnectionRefused => Error::Unreachable("no connection was made".into()),
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError => {
            Error::Unreachable("TLS failed, or the certificate is not valid".into())
        }
        other => Error::Unreachable(format!("{other:?}")),
    }
}
