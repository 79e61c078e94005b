//! Fuzzing of granted origins with URLs, and of the requests that plugins describe.

use std::net::IpAddr;

use reqwest::Url;

use super::{
    addresses::is_private,
    grant::HttpGrant,
    limits::{Request, fault, sets_only_gateway},
};
use crate::fuzz::{self, Values};

const WORDS: [&str; 22] = [
    "http://",
    "https://",
    "granted.example",
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "2130706433",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "169.254.169.254",
    "localhost",
    "@",
    "\\",
    "%2e",
    "%00",
    "。",
    "xn--",
    ":443",
    "\t",
    "\n",
    "#",
];

#[test]
fn the_host_that_was_granted_is_the_one_that_is_called() {
    fuzz::run("url", &WORDS, |input| {
        let mut values = Values(input);
        let (origin, url) = (values.text(), values.text());
        let Ok(url) = Url::parse(&url) else {
            return Ok(());
        };
        let grant = HttpGrant {
            origins: vec![origin.clone()],
            private: false,
        };
        if grant.check(&url).is_err() {
            return Ok(());
        }
        // The client connects to what another parser reads in the same text.
        let called: http::Uri = match url.as_str().parse() {
            Ok(called) => called,
            Err(_) => return Ok(()),
        };
        let host = called.host().unwrap_or_default();
        let port = called.port_u16().or(url.port_or_known_default());
        let named = format!(
            "{}://{host}:{}",
            called.scheme_str().unwrap_or_default(),
            port.unwrap_or_default()
        );
        if named != origin {
            return Err(format!("{origin} is granted, and {named} is called"));
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(ip) if is_private(ip) => Err(format!("{ip} is private, and is called")),
            _ => Ok(()),
        }
    });
}

#[test]
fn any_request_is_refused_or_can_be_built() {
    let words = [
        "GET",
        "TRACE",
        "Host",
        "x-a",
        "\r\n",
        "\0",
        "ä",
        "content-length",
    ];
    let client = reqwest::Client::new();
    fuzz::run("http-request", &words, |input| {
        let mut values = Values(input);
        let mut request = Request {
            method: values.text(),
            url: values.text(),
            headers: vec![],
            body: values.line(),
        };
        while !values.is_empty() {
            request.headers.push((values.text(), values.line()));
        }
        if fault(&request).is_some() {
            return Ok(());
        }
        let (Ok(method), Ok(url)) = (
            reqwest::Method::from_bytes(request.method.as_bytes()),
            Url::parse(&request.url),
        ) else {
            return Ok(());
        };
        let mut call = client.request(method, url).body(request.body);
        for (name, value) in &request.headers {
            let Ok(value) = reqwest::header::HeaderValue::from_bytes(value) else {
                return Ok(());
            };
            call = call.header(name, value);
        }
        let Ok(built) = call.build() else {
            return Ok(());
        };
        match built
            .headers()
            .keys()
            .find(|name| sets_only_gateway(name.as_str()))
        {
            Some(name) => Err(format!("the plugin sets {name}")),
            None => Ok(()),
        }
    });
}
