//! The demo: follows messages through the whole gateway and prints each step as it happens.
//!
//! Gateway, Chromium, plugins and webhooks are the real ones; WhatsApp is the stand-in of
//! `tests/standin`, and the phone is simulated. The last line of `--once` is JSON.

mod own;
mod steps;
mod tell;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Result, ensure};
use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};

use steps::Shown;

/// Longer than the time the gateway allows itself for closing its browsers.
const STOP: Duration = Duration::from_secs(40);

/// Shows Wharf at work on a stand-in for WhatsApp Web.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask demo")]
struct Args {
    /// Stop after the last step and print a line of JSON.
    #[arg(long)]
    once: bool,
    /// Port of the gateway; the two after it are the stand-in's and the webhook receiver's. Default
    /// 3001, with --once any free ones.
    #[arg(long)]
    port: Option<u16>,
    /// Instead of the demo, run only the gateway on the stand-in, with this configuration file.
    #[arg(long, short, conflicts_with_all = ["once", "port"])]
    config: Option<PathBuf>,
}

impl Args {
    fn ports(&self) -> (u16, u16, u16) {
        match (self.port, self.once) {
            (None, true) => (0, 0, 0),
            (port, _) => {
                let port = port.unwrap_or(3001);
                (port, port.saturating_add(1), port.saturating_add(2))
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    if let Some(file) = &args.config {
        return own::run(file, &mut interrupt, &mut terminate).await;
    }
    // Dropping the unfinished steps ends everything that they started.
    let shown = tokio::select! {
        shown = steps::show(args.ports()) => shown?,
        _ = interrupt.recv() => return Ok(ExitCode::from(130)),
        _ = terminate.recv() => return Ok(ExitCode::from(143)),
    };
    if !args.once {
        stay(&shown, &mut interrupt, &mut terminate).await;
    }
    let Shown {
        house,
        gateway,
        summary,
    } = shown;
    let status = gateway.stop(STOP).await?;
    ensure!(status.success(), "the gateway ended with {status}");
    tell::done("stopped; no process is left");
    drop(house);
    println!("{summary}");
    Ok(ExitCode::SUCCESS)
}

/// Prints every message and webhook until Ctrl-C.
async fn stay(shown: &Shown, interrupt: &mut Signal, terminate: &mut Signal) {
    let url = &shown.gateway.api.url;
    tell::note(&format!(
        "It stays up: {url} answers, messages and webhooks are shown here. Ctrl-C ends it."
    ));
    tell::note("To write to it as somebody else would:");
    let standin = shown.house.standin.url();
    tell::post(
        &format!("{standin}_control/inbound"),
        r#"{"from": "4915198765432", "body": "Hi!"}"#,
    );
    let mut told = (
        shown.house.standin.view().messages.len(),
        shown.house.receiver.calls().len(),
    );
    loop {
        tokio::select! {
            _ = interrupt.recv() => return,
            _ = terminate.recv() => return,
            () = tokio::time::sleep(Duration::from_millis(200)) => tell_news(shown, &mut told),
        }
    }
}

fn tell_news(shown: &Shown, told: &mut (usize, usize)) {
    let (messages, calls) = (
        shown.house.standin.view().messages,
        shown.house.receiver.calls(),
    );
    for message in messages.iter().skip(told.0) {
        tell::done(&format!("+{} got: {}", message.number, message.body));
    }
    for call in calls.iter().skip(told.1) {
        tell::done(&format!("webhook {}", tell::webhook(call)));
    }
    *told = (messages.len(), calls.len());
}
