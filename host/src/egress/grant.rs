//! The origins that an operator has granted to a plugin, and the check of a URL against them.
//!
//! The same parser reads the URL here and makes the call, so no spelling of a URL can name one host
//! to the check and another to the connection.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use reqwest::Url;
use tracing::warn;

use super::addresses::is_private;

/// Maximum number of refused origins per plugin that are logged.
const MAX_TOLD: usize = 20;

/// `grants.http` and `grants.http_private` of a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpGrant {
    /// `scheme://host[:port]`, lower case, with the port always given.
    pub origins: Vec<String>,
    /// Whether an origin may lie in a private network.
    pub private: bool,
}

/// A URL that the grants do not allow, and the configuration line that would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The origin of the URL, as people write it.
    pub origin: String,
    /// Why it is refused, for people.
    pub why: String,
    /// The line for the plugin's entry in `gateway.toml`; empty if no grant allows such a URL.
    pub line: String,
    /// Whether the origin is granted, and only its address lies in a private network.
    pub private: bool,
}

impl HttpGrant {
    /// Why a call of this URL would be refused, as far as can be said without the network; none if
    /// it would be made. A name that resolves to a private address is refused only then.
    #[must_use]
    pub fn refusal(&self, url: &str) -> Option<String> {
        match Url::parse(url) {
            Ok(url) => self.check(&url).err().map(|refused| refused.why),
            // Without the URL, which may contain a secret.
            Err(error) => Some(format!("the request has no URL that can be read: {error}")),
        }
    }

    /// Checks the origin of a URL, and its host if that is an address. A name is checked when it is
    /// resolved.
    pub(super) fn check(&self, url: &Url) -> Result<(), Refused> {
        // Without the default port of the scheme, as people write it.
        let origin = url.origin().ascii_serialization();
        let (Some(host), Some(port), "http" | "https") =
            (url.host(), url.port_or_known_default(), url.scheme())
        else {
            return Err(Refused {
                origin,
                why: "only http and https URLs with a host can be called".into(),
                line: String::new(),
                private: false,
            });
        };
        if !self
            .origins
            .contains(&format!("{}://{host}:{port}", url.scheme()))
        {
            let origins = self.with(&origin);
            return Err(Refused {
                why: format!("{origin} is not granted; add it to `http` in the plugin's grants"),
                line: format!("grants = {{ http = {origins:?} }}"),
                private: false,
                origin,
            });
        }
        let literal = match host {
            url::Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            url::Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
            url::Host::Domain(_) => None,
        };
        match literal {
            Some(ip) if !self.private && is_private(ip) => {
                Err(self.in_private_network(url, &format!("{ip} is in a private network")))
            }
            _ => Ok(()),
        }
    }

    /// The refusal of a granted origin whose addresses are private.
    pub(super) fn in_private_network(&self, url: &Url, what: &str) -> Refused {
        let origin = url.origin().ascii_serialization();
        let origins = self.with(&origin);
        Refused {
            why: format!("{what}; `http_private = true` in the plugin's grants allows it"),
            line: format!("grants = {{ http = {origins:?}, http_private = true }}"),
            private: true,
            origin,
        }
    }

    /// The granted origins and this one, as people write them.
    fn with(&self, origin: &str) -> Vec<String> {
        let mut origins: Vec<String> = self.origins.iter().map(|origin| plain(origin)).collect();
        if !origins.iter().any(|known| known == origin) {
            origins.push(origin.to_owned());
        }
        origins
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
pub(super) struct Told(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl Told {
    /// Tells the operator of a refusal, once for each origin of a plugin.
    pub(super) fn tell(&self, plugin: &str, refused: &Refused) {
        let Refused {
            origin, why, line, ..
        } = refused;
        if self.is_new(plugin, origin) {
            warn!(
                plugin,
                origin,
                add = line,
                "a call was not made: {why}; `add` has the line for the plugin's entry in gateway.toml"
            );
        }
    }

    fn is_new(&self, plugin: &str, origin: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_plugin = told.entry(plugin.to_owned()).or_default();
        of_plugin.len() < MAX_TOLD && of_plugin.insert(origin.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_add_keeps_what_is_granted() {
        let refused = |url: &str, origins: &[&str], private: bool| {
            let allowed = HttpGrant {
                origins: origins.iter().map(ToString::to_string).collect(),
                private,
            };
            allowed
                .check(&Url::parse(url).expect("a URL"))
                .expect_err("refused")
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
        let one_of_two = refused(
            "http://10.0.0.1/",
            &["https://crm.example.org:443", "http://10.0.0.1:80"],
            false,
        );
        assert_eq!(
            one_of_two.line,
            r#"grants = { http = ["https://crm.example.org", "http://10.0.0.1"], http_private = true }"#
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
            "http://[64:ff9b::7f00:1]/",
            "http://127.0.0.1./",
        ] {
            let parsed = Url::parse(url).expect("a URL");
            let origin = format!("http://{}:80", parsed.host().expect("a host"));
            let allowed = HttpGrant {
                origins: vec![origin],
                private: false,
            };
            let refused = allowed.check(&parsed).expect_err(url);
            assert!(
                refused.private && refused.why.contains("private network"),
                "{url}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_granted_name_before_an_at_sign_grants_nothing() {
        let allowed = HttpGrant {
            origins: vec!["https://granted.example:443".into()],
            private: true,
        };
        for url in [
            "https://granted.example@other.example/",
            "https://granted.example:443@other.example/",
            "https://granted.example:8443/",
            "http://granted.example:443/",
            "https://granted.example.other.example/",
            "https://other.example\\@granted.example/",
        ] {
            let refused = allowed.check(&Url::parse(url).expect("a URL"));
            assert!(
                refused.is_err_and(|refused| refused.why.contains("is not granted")),
                "{url}"
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
