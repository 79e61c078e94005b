//! Runs the gateway on another page than the stand-in's: on WhatsApp Web's own modules, which are
//! not part of this repository and are served by a command that the user gives.
//!
//! Nothing here depends on the stand-in, so a step that passes on only one of the two pages shows
//! where they differ. Each account has its own server, because the page's profile is the account.

mod control;
mod sending;
mod trouble;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::{Value, json};
use wharf_e2e::{Gateway, House, Plan, house::BOOT, until};

use control::Control;

const HELP: &str = "THE SERVER

  The command is started once for each kind of account, by `sh -c`, with {port} replaced by a free port of 127.0.0.1. It
  has to serve the page at http://127.0.0.1:<port>/ and this below /__control/, as POST with a JSON body; the answer is
  JSON with the result in `result`, or `error`:

  pages                        {connected}: pages that can be controlled now
  login {pn, lidMigrated}      the phone of that number scans the QR on show
  enterCode {code, pn, lidMigrated}   the phone's owner types a pairing code
  inbound {from, text, id, pushname, proto}   somebody writes; proto: the end-to-end message; fromPhone {to, text}: the account's own phone does
  msgs                         what went out, by id: {to, plain, count, acked}; plain: the message before encryption, as
                               JSON, count: how often it was transmitted
  holdAcks {on}                nothing is acknowledged, until it is off
  serverAck {id}               acknowledges one of them
  nacks {codes}                the next messages are refused with these codes
  cfg {...}                    deliveredDelay and readDelay in ms, timelock as the page's question for it is answered
  timelock {on}                false: the lock is lifted, and the page is told
  disconnect {refuse}, reconnect   the network
  failure {reason, code, expire}   the next login is refused with it
  replaced, logout             the login is used elsewhere; the phone removes the device
  state                        whatever the server knows; shown when a step fails
  eval {js}                    runs it in the page";

/// Runs the gateway on another page than the stand-in's.
#[derive(Debug, Parser)]
#[command(after_help = HELP)]
struct Args {
    /// The command that serves the page, with {port} for the port.
    #[arg(long)]
    serve: String,
    /// Only this kind of account: `number` or `lid`.
    #[arg(long)]
    account: Option<String>,
}

/// The environment of one kind of account.
struct Scene {
    lid: bool,
    control: Control,
    house: House,
    steps: Vec<Value>,
    started: Instant,
}

/// The account's own number.
const ME: &str = "15550001111";

impl Scene {
    /// Records and prints a step that passed.
    fn passed(&mut self, step: &str, detail: &str) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        println!(
            "ok    {:<6} {step:<34} {millis:>6} ms  {detail}",
            self.kind()
        );
        self.steps.push(json!({"account": self.kind(), "step": step, "ok": true, "millis": millis, "detail": detail}));
        self.started = Instant::now();
    }

    fn kind(&self) -> &'static str {
        if self.lid { "lid" } else { "number" }
    }

    /// Lets the phone scan the current QR code.
    async fn link(&self, gateway: &Gateway) -> Result<()> {
        gateway.api.until_qr(BOOT).await?;
        self.control
            .ask("login", json!({"pn": ME, "lidMigrated": self.lid}))
            .await?;
        gateway.api.until_state("ready", BOOT).await
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("real-page: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<bool> {
    let kinds: &[bool] = match args.account.as_deref() {
        None => &[false, true],
        Some("number") => &[false],
        Some("lid") => &[true],
        Some(other) => anyhow::bail!("unknown kind of account {other:?}; expected number or lid"),
    };
    let mut steps = Vec::new();
    let mut all = true;
    for lid in kinds {
        let control = Control::serve(&args.serve).await?;
        let house = House::build(Plan {
            page: Some(control.url()),
            overlay: OVERLAY.into(),
            ..Plan::default()
        })
        .await?;
        let mut scene = Scene {
            lid: *lid,
            control,
            house,
            steps: Vec::new(),
            started: Instant::now(),
        };
        if let Err(error) = whole(&mut scene).await {
            all = false;
            println!(
                "FAIL  {:<6} after {:?}: {error:#}",
                scene.kind(),
                scene
                    .steps
                    .last()
                    .map_or("nothing", |step| step["step"].as_str().unwrap_or_default())
            );
            scene
                .steps
                .push(json!({"account": scene.kind(), "ok": false, "error": format!("{error:#}")}));
        }
        steps.append(&mut scene.steps);
    }
    println!("{}", json!({"ok": all, "steps": steps}));
    Ok(all)
}

/// Intervals are shorter than in production.
const OVERLAY: &str =
    "[send]\nack_timeout = '20s'\n[sessions]\noffline_grace = '500ms'\nhealth_interval = '5s'";

async fn whole(scene: &mut Scene) -> Result<()> {
    let gateway = scene.house.open().await?;
    let qr = gateway.api.until_qr(BOOT).await?;
    ensure!(
        qr.split(',').count() >= 4 && qr.starts_with("2@"),
        "this is no QR of WhatsApp's"
    );
    scene.passed("QR", "");
    scene
        .control
        .ask("login", json!({"pn": ME, "lidMigrated": scene.lid}))
        .await?;
    gateway
        .api
        .until_state("ready", BOOT)
        .await
        .with_context(|| format!("its log:\n{}", gateway.log().tail()))?;
    let info = gateway
        .api
        .get("/v1/sessions/default")
        .await?
        .expect(200)?
        .json;
    let contract = &info["whatsapp"]["contract"];
    let missing: Vec<&Value> = contract["capabilities"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one["ok"] != true)
        .collect();
    ensure!(missing.is_empty(), "the page lacks parts: {missing:?}");
    scene.passed(
        "linked and ready",
        &format!("{}, modules by {}", contract["version"], contract["loader"]),
    );
    if let Err(error) = sending::run(scene, &gateway).await {
        show(&scene.control, &gateway).await;
        return Err(error);
    }
    trouble::run(scene, gateway).await
}

/// Prints what the server and the gateway know after a failed step. The server is in the page, so
/// it is asked while the gateway still runs.
async fn show(control: &Control, gateway: &Gateway) {
    for command in ["state", "msgs"] {
        match control.ask(command, json!({})).await {
            Ok(answer) => eprintln!("{command} of the server: {answer}"),
            Err(error) => eprintln!("{command} of the server: {error:#}"),
        }
    }
    eprintln!("{}", gateway.log().tail());
}

/// Waits until the server can control a page.
async fn until_page(control: &Control) -> Result<()> {
    until(
        "a page that can be controlled",
        Duration::from_secs(30),
        async || {
            let pages = control.ask("pages", json!({})).await?;
            Ok(pages["connected"]
                .as_u64()
                .is_some_and(|count| count > 0)
                .then_some(()))
        },
    )
    .await
}
