//! Runs the stand-in as a program, for any client.

use clap::Parser;
use serde_json::json;
use wharf_standin::{Options, Settings, Standin};

/// Runs a stand-in for web.whatsapp.com. Its control API is described in tests/standin/README.md.
#[derive(Debug, Parser)]
struct Args {
    /// Port of the page; 0 picks a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Also offer HTTPS with a self-signed certificate on this port; 0 picks a free one.
    #[arg(long)]
    tls_port: Option<u16>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let standin = Standin::start(Options {
        port: args.port,
        tls_port: args.tls_port,
        settings: Settings::default(),
    })
    .await?;
    println!(
        "{}",
        json!({"url": standin.url(), "control": format!("{}_control/", standin.url()), "tlsPort": standin.tls_port()})
    );
    tokio::signal::ctrl_c().await?;
    Ok(())
}
