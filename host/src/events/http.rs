//! The one outgoing HTTP client: allow-list, no redirects, no private networks unless granted.
//!
//! Names are checked after they are resolved, and the connection goes to the very addresses that were checked, so a
//! name that points elsewhere a moment later gains nothing.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client, Method, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};

use super::limits;
use crate::plugins::{AttemptResult, HttpGrant, NotifyRequest};

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 64 << 10;

/// Makes the calls that notifiers shape.
#[derive(Debug)]
pub(super) struct Caller {
    public: Client,
    private: Client,
}

#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.filter(|address| !is_private(address.ip())).collect();
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
        let builder = || Client::builder().redirect(Policy::none()).no_proxy().user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")));
        Ok(Self { public: builder().dns_resolver(Arc::new(PublicOnly)).build()?, private: builder().build()? })
    }

    /// Makes one call. Everything that is no answer is [`AttemptResult::Unreachable`], with the reason.
    pub(super) async fn call(&self, request: NotifyRequest, limit: Duration) -> AttemptResult {
        let timeout = request.timeout.map_or(limit, |wish| wish.min(limit));
        match tokio::time::timeout(timeout, self.attempt(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(reason)) => AttemptResult::Unreachable(reason),
            Err(_) => AttemptResult::Unreachable(format!("no answer within {timeout:?}")),
        }
    }

    async fn attempt(&self, request: NotifyRequest) -> Result<AttemptResult, String> {
        if let Some(fault) = limits::fault(&request) {
            return Err(fault);
        }
        // The address itself may hold a secret.
        let url = Url::parse(&request.url).map_err(|error| format!("the plugin's request has no URL that can be read: {error}"))?;
        check(&url, &request.allowed)?;
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| format!("{:?} is no HTTP method", request.method))?;
        let client = if request.allowed.private { &self.private } else { &self.public };
        let mut call = client.request(method, url).body(request.body);
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        let mut answer = call.send().await.map_err(|error| words(&error))?;
        let status = answer.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let mut body = Vec::new();
        while body.len() < MAX_ANSWER
            && let Some(chunk) = answer.chunk().await.map_err(|error| words(&error))?
        {
            body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - body.len())]);
        }
        Ok(AttemptResult::Answered { status, headers, body })
    }
}

/// reqwest hides the cause one level down, and names the URL, which may hold a secret.
fn words(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    if text.is_empty() { "the connection failed".into() } else { text }
}

fn check(url: &Url, allowed: &HttpGrant) -> Result<(), String> {
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err("only http and https URLs with a host can be called".into());
    };
    let origin = format!("{}://{host}:{port}", url.scheme());
    if !allowed.origins.contains(&origin) {
        return Err(format!("{origin} is not granted; add it to `http` in the plugin's grants"));
    }
    let literal = match host {
        url::Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
        url::Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        url::Host::Domain(_) => None,
    };
    match literal {
        Some(ip) if !allowed.private && is_private(ip) => {
            Err(format!("{ip} is in a private network; `http_private = true` in the plugin's grants allows it"))
        }
        _ => Ok(()),
    }
}

/// Anything that is not a public unicast address.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_broadcast()
                || ip.is_documentation()
                || ip.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b))
        }
        IpAddr::V6(ip) => {
            let embedded = ip.to_ipv4_mapped().or_else(|| match ip.segments() {
                // 6to4 and NAT64 carry an IPv4 address.
                [0x2002, high, low, ..] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
                _ => None,
            });
            match embedded {
                Some(v4) => is_private(IpAddr::V4(v4)),
                None => ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || ip.is_unique_local() || ip.is_unicast_link_local(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_dress() {
        for ip in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"] {
            assert!(is_private(ip.parse().expect("ip")), "{ip}");
        }
        for ip in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "100.63.0.1"] {
            assert!(!is_private(ip.parse().expect("ip")), "{ip}");
        }
    }

    #[tokio::test]
    async fn what_is_not_granted_is_not_called_and_named() {
        let caller = Caller::new().expect("client");
        let request = |url: &str, origins: &[&str]| NotifyRequest {
            method: "POST".into(),
            url: url.into(),
            headers: vec![],
            body: vec![],
            timeout: None,
            allowed: HttpGrant { origins: origins.iter().map(ToString::to_string).collect(), private: false },
        };
        for (url, origins, said) in [
            ("https://example.org/", &[][..], "https://example.org:443 is not granted"),
            ("http://127.0.0.1:9/", &["http://127.0.0.1:9"][..], "private network"),
            ("http://localhost:9/", &["http://localhost:9"][..], "private networks"),
            ("file:///etc/passwd", &[][..], "only http and https"),
            ("https://token@", &[][..], "no URL that can be read"),
        ] {
            let answer = caller.call(request(url, origins), Duration::from_secs(5)).await;
            assert!(matches!(&answer, AttemptResult::Unreachable(reason) if reason.contains(said)), "{url}: {answer:?}");
        }
    }
}
