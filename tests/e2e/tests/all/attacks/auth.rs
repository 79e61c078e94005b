//! Access control: API keys, browsers on this machine, and forged headers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use wharf_e2e::{Gateway, House};

use super::{
    Area, held,
    wire::{KEY, bare, exchange, keyed, status},
};

/// A read-only call of the original service.
pub(super) const STATUS: &str = "/api/whatsapp/status";

/// A `GET` request with these header lines besides `Host: localhost`.
fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n")
}

async fn refused(gateway: &Gateway, request: &str, status_wanted: u16, code: &str) -> Result<()> {
    let answer = exchange(gateway, request).await?;
    ensure!(
        status(&answer) == status_wanted && answer.contains(&format!("\"code\":\"{code}\"")),
        "{request}\n{answer}"
    );
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    for sign in [
        "x-content-type-options: nosniff",
        "cross-origin-resource-policy: same-origin",
        "x-request-id: ",
    ] {
        ensure!(head.contains(sign), "{sign} is missing\n{head}");
    }
    Ok(())
}

async fn passes(gateway: &Gateway, request: &str) -> Result<String> {
    let answer = exchange(gateway, request).await?;
    ensure!(status(&answer) == 200, "{request}\n{answer}");
    Ok(answer)
}

#[tokio::test]
async fn without_keys_no_page_and_no_proxy_speaks_for_others() -> Result<()> {
    let house = House::build(bare("[api]\ncors_origins = ['https://app.example.org']")).await?;
    let gateway = house.open().await?;
    let foreign = "Sec-Fetch-Site: cross-site\r\n";
    for more in [
        "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n",
        "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
        "",
    ] {
        refused(
            &gateway,
            &get("/api/whatsapp/qr", &format!("{foreign}{more}")),
            403,
            "cross_site",
        )
        .await?;
    }
    let post = format!(
        "POST /api/whatsapp/reconnect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{foreign}Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\r\n"
    );
    refused(&gateway, &post, 403, "cross_site").await?;
    for more in [
        "Sec-Fetch-Site: none\r\n",
        "Sec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: same-site\r\nOrigin: http://localhost:8080\r\n",
        "",
    ] {
        passes(&gateway, &get(STATUS, more)).await?;
    }
    let link = format!("{foreign}Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n");
    let page = exchange(&gateway, &get("/passkey/pk_0", &link)).await?;
    ensure!(
        status(&page) == 404 && page.contains("<html"),
        "a link leads to the helper page, though to none that is open: {page}"
    );
    let frame = format!("{foreign}Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n");
    refused(&gateway, &get("/passkey/pk_0", &frame), 403, "cross_site").await?;
    held(
        Area::Auth,
        "without configured keys: images, scripts, frames, forms and links of a page of another site (`Sec-Fetch-Site: cross-site`)",
        "403 `cross_site`, except for a link to the passkey helper, which people open; another port of this machine is the same site",
    )?;

    for sign in [
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Proto: https",
        "Forwarded: for=203.0.113.9",
        "Via: 1.1 proxy",
        "X-Real-IP: 203.0.113.9",
    ] {
        refused(
            &gateway,
            &get(STATUS, &format!("{sign}\r\n")),
            403,
            "proxy_without_api_keys",
        )
        .await?;
    }
    held(
        Area::Auth,
        "without configured keys: a request through a reverse proxy",
        "403 `proxy_without_api_keys`; the answer says what to configure",
    )?;

    let twice = format!("GET {STATUS} HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n");
    refused(&gateway, &twice, 400, "ambiguous_request").await?;
    refused(
        &gateway,
        &get(
            STATUS,
            "Origin: http://localhost\r\nOrigin: https://evil.example\r\n",
        ),
        400,
        "ambiguous_request",
    )
    .await?;
    held(
        Area::Auth,
        "two `Host` or two `Origin` headers",
        "400 `ambiguous_request`, with and without configured keys",
    )?;
    let absolute = format!("GET http://evil.example{STATUS} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    refused(&gateway, &absolute, 403, "host_not_loopback").await?;
    let rebound = format!("GET {STATUS} HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n");
    refused(&gateway, &rebound, 403, "host_not_loopback").await?;
    held(
        Area::Auth,
        "without configured keys: the name of another host in `Host` (DNS rebinding) or in the request line",
        "403 `host_not_loopback`",
    )?;

    let preflight = |origin: &str| {
        format!(
            "OPTIONS {STATUS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: GET\r\n\r\n"
        )
    };
    refused(
        &gateway,
        &preflight("https://evil.example"),
        403,
        "origin_not_allowed",
    )
    .await?;
    let answer = exchange(&gateway, &preflight("https://app.example.org")).await?;
    ensure!(
        status(&answer) == 204
            && answer.contains("access-control-allow-origin: https://app.example.org"),
        "{answer}"
    );
    let page = passes(&gateway, &get(STATUS, "Origin: https://app.example.org\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n")).await?;
    for name in [
        "location",
        "retry-after",
        "preference-applied",
        "x-request-id",
    ] {
        ensure!(
            page.lines()
                .any(|line| line.starts_with("access-control-expose-headers: ")
                    && line.contains(name)),
            "{name} is not shown: {page}"
        );
    }
    held(
        Area::Auth,
        "`OPTIONS` from a web page that may not call",
        "refused like every other call; only preflight requests from an origin in `cors_origins` are answered without a key",
    )
}

#[tokio::test]
async fn with_keys_one_is_shown_once_and_in_a_header() -> Result<()> {
    let house = House::build(keyed("cors_origins = ['https://app.example.org']")).await?;
    let gateway = house.open().await?;
    for path in [STATUS, "/v1/sessions"] {
        refused(&gateway, &get(path, ""), 401, "missing_api_key").await?;
        refused(
            &gateway,
            &get(path, "X-Api-Key: another-key-of-enough-length\r\n"),
            401,
            "invalid_api_key",
        )
        .await?;
        refused(
            &gateway,
            &get(path, "Authorization: Basic YTpi\r\n"),
            401,
            "missing_api_key",
        )
        .await?;
        let options = format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n\r\n"
        );
        refused(&gateway, &options, 401, "missing_api_key").await?;
        let options = format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://app.example.org\r\nAccess-Control-Request-Method: GET\r\n\r\n"
        );
        ensure!(status(&exchange(&gateway, &options).await?) == 204);
    }
    let problem = exchange(&gateway, &get("/v1/sessions", "")).await?;
    ensure!(
        problem.contains("application/problem+json")
            && problem.contains("www-authenticate: Bearer"),
        "{problem}"
    );
    held(
        Area::Auth,
        "with configured keys: a request with no key, a wrong key or another authorization scheme, or `OPTIONS`",
        "401, except for the calls that need no key",
    )?;

    for more in [
        format!("Authorization: Bearer {KEY}\r\nAuthorization: Bearer {KEY}\r\n"),
        format!("Authorization: Bearer wrong-key-of-enough-length\r\nX-Api-Key: {KEY}\r\n"),
        format!("X-Api-Key: {KEY}\r\nX-Api-Key: wrong-key-of-enough-length\r\n"),
    ] {
        refused(&gateway, &get(STATUS, &more), 400, "several_api_keys").await?;
    }
    for name in ["api_key", "key", "access_token", "X-Api-Key"] {
        refused(
            &gateway,
            &get(&format!("{STATUS}?{name}={KEY}"), ""),
            401,
            "api_key_in_address",
        )
        .await?;
    }
    let key = format!("X-Api-Key: {KEY}\r\n");
    let twice = format!("GET {STATUS} HTTP/1.1\r\nHost: a\r\nHost: b\r\n{key}\r\n");
    refused(&gateway, &twice, 400, "ambiguous_request").await?;
    let answer = passes(
        &gateway,
        &get(STATUS, &format!("{key}X-Request-Id: order-4711\r\n")),
    )
    .await?;
    ensure!(answer.contains("x-request-id: order-4711"), "{answer}");
    for id in [
        "x".repeat(129),
        "a b".to_owned(),
        "gr\u{fc}n".to_owned(),
        "a\r\nX-Request-Id: b".to_owned(),
    ] {
        let answer = passes(
            &gateway,
            &get(STATUS, &format!("{key}X-Request-Id: {id}\r\n")),
        )
        .await?;
        let given = answer
            .lines()
            .find_map(|line| line.strip_prefix("x-request-id: "))
            .context("an id")?;
        ensure!(
            given.len() == 36 && given.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'),
            "{given}"
        );
    }
    held(
        Area::Auth,
        "an `X-Request-Id` that is too long, has a space or a character that is not ASCII, or occurs twice",
        "the gateway uses a new id instead",
    )?;

    let large = exchange(
        &gateway,
        &get(
            STATUS,
            &format!("{key}X-Large: {}\r\n", "x".repeat(80 << 10)),
        ),
    )
    .await;
    ensure!(
        large.is_err() || large.is_ok_and(|answer| answer.is_empty() || status(&answer) == 431)
    );
    let many: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    ensure!(status(&exchange(&gateway, &get(STATUS, &format!("{key}{many}"))).await?) == 431);
    held(
        Area::Auth,
        "a request header of more than 64 KiB or more than 100 lines",
        "431, and the connection is closed",
    )?;

    let log = gateway.stop_for_log(Duration::from_secs(20)).await?;
    log.lacks(&[KEY])?;
    held(
        Area::Auth,
        "with configured keys: a request with two keys, or with a key in the address",
        "400 `several_api_keys`, or 401 `api_key_in_address`; no answer and no log line contains a key",
    )
}

#[tokio::test]
async fn one_request_is_not_taken_for_two() -> Result<()> {
    let house = House::build(keyed("")).await?;
    let gateway = house.open().await?;
    let hidden = format!("GET /v1/sessions HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n");
    let head = format!(
        "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\nContent-Type: application/json\r\n"
    );
    for lengths in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let answer = exchange(&gateway, &format!("{head}{lengths}\r\n0\r\n\r\n{hidden}")).await?;
        ensure!(
            answer.matches("HTTP/1.1 ").count() == 1,
            "what came behind it was answered too:\n{answer}"
        );
    }
    for lengths in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 6\r\n",
    ] {
        let answer = exchange(&gateway, &format!("{head}{lengths}\r\n0\r\n\r\n{hidden}")).await?;
        ensure!(
            answer.matches("HTTP/1.1 ").count() <= 1 && matches!(status(&answer), 0 | 400),
            "{lengths}\n{answer}"
        );
    }
    let folded = exchange(
        &gateway,
        &format!("GET {STATUS} HTTP/1.1\r\nHost: x\r\nX-Api-Key:\r\n {KEY}\r\n\r\n"),
    )
    .await?;
    ensure!(status(&folded) != 200, "{folded}");
    let space = exchange(
        &gateway,
        &format!("GET {STATUS} HTTP/1.1\r\nHost: x\r\nX-Api-Key : {KEY}\r\n\r\n"),
    )
    .await?;
    ensure!(status(&space) != 200, "{space}");
    held(
        Area::Auth,
        "request smuggling: `Content-Length` with `Transfer-Encoding`, two lengths, unusual encodings, folded header lines",
        "400, or one answer after which the connection is closed",
    )?;
    // Well-formed requests may follow each other on one connection.
    let last = hidden.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let answers = exchange(&gateway, &format!("{hidden}{last}")).await?;
    ensure!(answers.matches("HTTP/1.1 200 ").count() == 2, "{answers}");
    ensure!(gateway.stop(Duration::from_secs(20)).await?.success());
    Ok(())
}
