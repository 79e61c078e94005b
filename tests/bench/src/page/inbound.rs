//! Receives many messages in one chat, in equal parts: the time of a part must not grow with the
//! number of earlier messages.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use wharf_e2e::{House, Receiver, until};
use wharf_standin::Inbound;

use super::{contender::Express, growth};
use crate::{ours, round};

const PARTS: usize = 4;
/// Target for the time of the later half of the parts relative to the earlier half; quadratic
/// growth would give 2.3.
const GROWTH: f64 = 1.5;
/// A part that takes longer is given up.
const LIMIT: Duration = Duration::from_secs(90);
const SENDER: &str = "4915199999999";

pub(super) async fn run(house: &House, peer: &Express, count: usize) -> Result<Value> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let part = (count / PARTS).max(1);
    for n in 0..PARTS {
        ours.push(
            one(house, &ours::number(1), &house.receiver, part, n)
                .await?
                .unwrap_or(f64::NAN),
        );
    }
    for n in 0..PARTS {
        match one(house, &peer.account, &peer.receiver, part, n).await? {
            Some(seconds) => theirs.push(seconds),
            None => break,
        }
    }
    let shown = |parts: &[f64]| {
        parts
            .iter()
            .map(|seconds| format!("{seconds:.2}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    println!(
        "\nreceived in one chat, {PARTS} parts of {part}, seconds each\n  wharf            {}\n  whatsapp-web.js  {}",
        shown(&ours),
        shown(&theirs)
    );
    if theirs.len() < PARTS {
        println!("  (its next part was not told within {LIMIT:?})");
    }
    let growth = growth(&ours);
    let rounded = |parts: &[f64]| parts.iter().copied().map(round).collect::<Vec<_>>();
    Ok(json!({
        "messages": part * PARTS, "ours": rounded(&ours), "peer": rounded(&theirs), "growth": round(growth), "target": GROWTH, "met": growth <= GROWTH,
    }))
}

/// The seconds until the webhook has reported every message of a part once; `None` when that takes
/// longer than the limit.
async fn one(
    house: &House,
    account: &str,
    receiver: &Receiver,
    part: usize,
    n: usize,
) -> Result<Option<f64>> {
    let began = Instant::now();
    for number in 0..part {
        let body = format!("{account} {n} {number}");
        house.standin.inbound(Inbound {
            account: Some(account.to_owned()),
            from: SENDER.into(),
            body,
            ..Inbound::default()
        })?;
    }
    let prefix = format!("{account} {n} ");
    let told = || {
        receiver.filtered(|call| {
            let body = call.json["payload"]["body"].as_str()?;
            (call.event() == "message" && body.starts_with(&prefix)).then(|| body.to_owned())
        })
    };
    if until("every message told", LIMIT, async || {
        Ok((told().len() >= part).then_some(()))
    })
    .await
    .is_err()
    {
        return Ok(None);
    }
    let seconds = began.elapsed().as_secs_f64();
    let told = told();
    let different: HashSet<&String> = told.iter().collect();
    ensure!(
        different.len() == part && told.len() == part,
        "{} of {part} messages were told in {} calls",
        different.len(),
        told.len()
    );
    Ok(Some(seconds))
}
