//! The only outgoing HTTP client. It follows an allow-list, makes no redirects and calls private
//! networks only if granted.
//!
//! Host names are checked after they are resolved, and the connection uses the addresses that were
//! checked, so changing the DNS record in between has no effect.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{
    Client, Method, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use tracing::warn;

use super::{addresses::is_private, limits};
use crate::plugins::{AttemptResult, HttpGrant, NotifyRequest};

/// Maximum number of body bytes that are read of an answer.
const MAX_ANSWER: usize = 64 << 10;
/// Maximum number of refused origins per plugin that are logged.
const MAX_TOLD: usize = 20;

/// Makes the HTTP calls that notifiers request.
#[derive(Debug)]
pub(super) struct Caller {
    public: Client,
    private: Client,
    told: Told,
}

#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await?
                .filter(|address| !is_private(address.ip()))
                .collect();
            if found.is_empty() {
                return Err(
                    format!("{} has only addresses in private networks; `http_private = true` in its grants allows them", name.as_str()).into()
                );
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Caller {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let builder = || {
            Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self {
            public: builder().dns_resolver(Arc::new(PublicOnly)).build()?,
            private: builder().build()?,
            told: Told::default(),
        })
    }

    /// Makes one call. If there is no answer, for whatever reason, the result is
    /// [`AttemptResult::Unreachable`] with the reason.
    pub(super) async fn call(
        &self,
        plugin: &str,
        request: NotifyRequest,
        limit: Duration,
    ) -> AttemptResult {
        let timeout = request.timeout.map_or(limit, |wish| wish.min(limit));
        match tokio::time::timeout(timeout, self.attempt(plugin, request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(reason)) => AttemptResult::Unreachable(reason),
            Err(_) => AttemptResult::Unreachable(format!("no answer within {timeout:?}")),
        }
    }

    async fn attempt(&self, plugin: &str, request: NotifyRequest) -> Result<AttemptResult, String> {
        if let Some(fault) = limits::fault(&request) {
            return Err(fault);
        }
        // The URL may contain a secret, so the error does not quote it.
        let url = Url::parse(&request.url).map_err(|error| {
            format!("the plugin's request has no URL that can be read: {error}")
        })?;
        if let Err(Refused { origin, why, line }) = check(&url, &request.allowed) {
            if self.told.is_new(plugin, &origin) {
                warn!(
                    plugin,
                    origin,
                    add = line,
                    "a call was not made: {why}; `add` has the line for the plugin's entry in gateway.toml"
                );
            }
            return Err(why);
        }
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| format!("{:?} is no HTTP method", request.method))?;
        let client = if request.allowed.private {
            &self.private
        } else {
            &self.public
        };
        let mut call = client.request(method, url).body(request.body);
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        let mut answer = call.send().await.map_err(|error| words(&error))?;
        let status = answer.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect();
        let mut body = Vec::new();
        while body.len() < MAX_ANSWER
            && let Some(chunk) = answer.chunk().await.map_err(|error| words(&error))?
        {
            body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - body.len())]);
        }
        Ok(AttemptResult::Answered {
            status,
            headers,
            body,
        })
    }
}

/// The text of the innermost cause of an error. reqwest's own text names the URL, which may contain
/// a secret.
fn words(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
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

/// A URL that the grants do not allow, and the configuration line that would.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    origin: String,
    why: String,
    line: String,
}

fn check(url: &Url, allowed: &HttpGrant) -> Result<(), Refused> {
    // Without the default port of the scheme, as people write it.
    let origin = url.origin().ascii_serialization();
    let refused = |why: String, line: String| {
        Err(Refused {
            origin: origin.clone(),
            why,
            line,
        })
    };
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return refused(
            "only http and https URLs with a host can be called".into(),
            String::new(),
        );
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refused(
            "only http and https URLs with a host can be called".into(),
            String::new(),
        );
    }
    if !allowed
        .origins
        .contains(&format!("{}://{host}:{port}", url.scheme()))
    {
        let origins: Vec<String> = allowed
            .origins
            .iter()
            .map(|origin| plain(origin))
            .chain([origin.clone()])
            .collect();
        let why = format!("{origin} is not granted; add it to `http` in the plugin's grants");
        return refused(why, format!("grants = {{ http = {origins:?} }}"));
    }
    let literal = match host {
        url::Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
        url::Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        url::Host::Domain(_) => None,
    };
    match literal {
        Some(ip) if !allowed.private && is_private(ip) => {
            let why = format!(
                "{ip} is in a private network; `http_private = true` in the plugin's grants allows it"
            );
            refused(
                why,
                format!("grants = {{ http = [{origin:?}], http_private = true }}"),
            )
        }
        _ => Ok(()),
    }
}

/// An origin as people write it, without the default port.
fn plain(origin: &str) -> String {
    Url::parse(origin).map_or_else(
        |_| origin.to_owned(),
        |url| url.origin().ascii_serialization(),
    )
}

/// The refusals that were logged: each origin of a plugin once, and at most [`MAX_TOLD`] per
/// plugin.
#[derive(Debug, Default)]
struct Told(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl Told {
    fn is_new(&self, plugin: &str, origin: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_plugin = told.entry(plugin.to_owned()).or_default();
        of_plugin.len() < MAX_TOLD && of_plugin.insert(origin.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_line_to_add_keeps_what_is_granted() {
        let refused = |url: &str, origins: &[&str], private: bool| {
            let allowed = HttpGrant {
                origins: origins.iter().map(ToString::to_string).collect(),
                private,
            };
            check(&Url::parse(url).expect("a URL"), &allowed).expect_err("refused")
        };
        let new = refused(
            "https://hooks.example.org/in?token=secret",
            &["https://crm.example.org:443"],
            false,
        );
        assert_eq!(
            new.line,
            r#"grants = { http = ["https://crm.example.org", "https://hooks.example.org"] }"#
        );
        assert!(!format!("{new:?}").contains("secret"));
        assert_eq!(
            refused("http://[fd00::1]:8080/", &[], false).line,
            r#"grants = { http = ["http://[fd00::1]:8080"] }"#
        );
        let private = refused("http://10.0.0.1/", &["http://10.0.0.1:80"], false);
        assert_eq!(
            private.line,
            r#"grants = { http = ["http://10.0.0.1"], http_private = true }"#
        );
    }

    #[test]
    fn odd_spellings_of_a_private_address_are_read_before_they_are_judged() {
        for url in [
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://[::ffff:7f00:1]/",
            "http://[::127.0.0.1]/",
            "http://127.0.0.1./",
        ] {
            let parsed = Url::parse(url).expect("a URL");
            let origin = format!("http://{}:80", parsed.host().expect("a host"));
            let refused = check(
                &parsed,
                &HttpGrant {
                    origins: vec![origin],
                    private: false,
                },
            )
            .expect_err(url);
            assert!(
                refused.why.contains("private network"),
                "{url}: {refused:?}"
            );
        }
    }

    #[test]
    fn an_origin_is_told_once_and_ever_new_ones_are_bounded() {
        let told = Told::default();
        assert!(
            told.is_new("a", "https://x")
                && !told.is_new("a", "https://x")
                && told.is_new("b", "https://x")
        );
        assert_eq!(
            (0..1000)
                .filter(|n| told.is_new("a", &format!("https://x{n}")))
                .count(),
            MAX_TOLD - 1
        );
    }
}
