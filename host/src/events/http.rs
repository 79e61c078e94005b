//! Makes the HTTP calls that notifiers request, with the client that all calls of plugins share.

use std::time::Duration;

use crate::{
    egress::{BodyLimit, Client, Request, SendError, TimeLimits},
    plugins::{AttemptResult, NotifyRequest},
};

/// Maximum number of body bytes that are read of an answer.
const MAX_ANSWER: usize = 64 << 10;

/// Makes the HTTP calls that notifiers request.
#[derive(Debug)]
pub(super) struct Caller(Client);

impl Caller {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let client = Client::default();
        client.prepare()?;
        Ok(Self(client))
    }

    /// Makes one call. If there is no answer, for whatever reason, the result is
    /// [`AttemptResult::Unreachable`] with the reason.
    pub(super) async fn call(
        &self,
        plugin: &str,
        request: NotifyRequest,
        limit: Duration,
    ) -> AttemptResult {
        let NotifyRequest {
            method,
            url,
            headers,
            body,
            timeout,
            allowed,
        } = request;
        let timeout = timeout.map_or(limit, |wish| wish.min(limit));
        let headers = headers
            .into_iter()
            .map(|(name, value)| (name, value.into_bytes()))
            .collect();
        let request = Request {
            method,
            url,
            headers,
            body,
        };
        let limits = TimeLimits::within(timeout);
        let answer = self
            .0
            .call(
                plugin,
                &allowed,
                request,
                limits,
                BodyLimit::First(MAX_ANSWER),
            )
            .await;
        let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
        match answer {
            Ok(answer) => AttemptResult::Answered {
                status: answer.status,
                headers: answer
                    .headers
                    .into_iter()
                    .map(|(name, value)| (name, text(value)))
                    .collect(),
                body: answer.body,
            },
            Err(SendError::TimedOut) => {
                AttemptResult::Unreachable(format!("no answer within {timeout:?}"))
            }
            Err(error) => AttemptResult::Unreachable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::HttpGrant;

    #[tokio::test]
    async fn what_is_not_granted_is_not_called_and_named() {
        let caller = Caller::new().expect("client");
        let request = |url: &str, origins: &[&str]| NotifyRequest {
            method: "POST".into(),
            url: url.into(),
            headers: vec![],
            body: vec![],
            timeout: None,
            allowed: HttpGrant {
                origins: origins.iter().map(ToString::to_string).collect(),
                private: false,
            },
        };
        for (url, origins, said) in [
            (
                "https://example.org/",
                &[][..],
                "https://example.org is not granted",
            ),
            (
                "http://127.0.0.1:9/",
                &["http://127.0.0.1:9"][..],
                "private network",
            ),
            (
                "http://localhost:9/",
                &["http://localhost:9"][..],
                "private networks",
            ),
            ("file:///etc/passwd", &[][..], "only http and https"),
            ("https://token@", &[][..], "no URL that can be read"),
        ] {
            let answer = caller
                .call("teller", request(url, origins), Duration::from_secs(5))
                .await;
            assert!(
                matches!(&answer, AttemptResult::Unreachable(reason) if reason.contains(said)),
                "{url}: {answer:?}"
            );
        }
    }
}
