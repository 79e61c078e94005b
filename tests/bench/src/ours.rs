//! Starts and links the gateway for the benchmarks.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use wharf_e2e::{Gateway, House, Plan, house::BOOT, until};
use wharf_standin::{Account, Settings};

pub(crate) const STOP: Duration = Duration::from_secs(60);

/// A test environment whose page has the same origin as the peer's; `browser` has lines of
/// `[browser]`.
pub(crate) async fn house(
    sessions: usize,
    browser: &str,
    sync_delay: u64,
    more: &str,
) -> Result<House> {
    let mut overlay = format!("{more}\n[browser]\n{browser}\n");
    for n in 2..=sessions {
        overlay.push_str(&format!("[sessions.session.s{n}]\n"));
    }
    let standin = Settings {
        sync_delay,
        ..Settings::default()
    };
    House::build(Plan {
        overlay,
        standin,
        https: true,
        ..Plan::default()
    })
    .await
}

/// The id of the nth session, from 1.
pub(crate) fn name(n: usize) -> String {
    if n == 1 {
        "default".into()
    } else {
        format!("s{n}")
    }
}

/// The number of the nth account, from 1.
pub(crate) fn number(n: usize) -> String {
    format!("49151700000{n:02}")
}

pub(crate) async fn session(gateway: &Gateway, n: usize) -> Result<Value> {
    Ok(gateway
        .api
        .get(&format!("/v1/sessions/{}", name(n)))
        .await?
        .expect(200)?
        .json)
}

pub(crate) async fn until_ready(gateway: &Gateway, n: usize, limit: Duration) -> Result<()> {
    let what = format!("session {n} ready");
    until(&what, limit, async || {
        Ok((session(gateway, n).await?["state"] == "ready").then_some(()))
    })
    .await
}

/// Links each session with a simulated phone of its own.
pub(crate) async fn link(house: &House, gateway: &Gateway, sessions: usize) -> Result<()> {
    for n in 1..=sessions {
        let path = format!("/v1/sessions/{}/qr", name(n));
        let qr = until("a QR", BOOT, async || {
            let answer = gateway.api.get(&path).await?;
            Ok(answer.data("qrText").as_str().map(ToOwned::to_owned))
        });
        let qr = qr.await.with_context(|| format!("session {n}"))?;
        house
            .standin
            .scan(
                Some(&qr),
                Account {
                    pn: number(n),
                    ..Account::default()
                },
            )
            .await?;
        until_ready(gateway, n, BOOT).await?;
    }
    Ok(())
}
