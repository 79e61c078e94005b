//! The contenders: each sends a number of messages from a number of clients, and its processor time
//! is measured.

use std::{
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::{BoxFuture, FutureExt, try_join_all};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdout, Command},
    time::timeout,
};
use wharf_e2e::{Gateway, Receiver, processes::Program};
use wharf_standin::Standin;

use super::Stage;
use crate::machine;

/// Time limit for Chromium's start and the linking, and for a whole run.
const LIMIT: Duration = Duration::from_secs(120);

/// Time limit for closing the browser.
const STOP: Duration = Duration::from_secs(30);

/// The latencies, the duration and the processor time of a number of sends.
#[derive(Debug, Default)]
pub(super) struct Figures {
    millis: Vec<f64>,
    seconds: f64,
    cpu: f64,
    own: f64,
}

impl Figures {
    pub(super) fn add(&mut self, other: Self) {
        self.millis.extend(other.millis);
        self.seconds += other.seconds;
        self.cpu += other.cpu;
        self.own += other.own;
    }

    /// A quantile of the latency, in milliseconds.
    pub(super) fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.millis.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a short list"
        )]
        let at = (part * sorted.len() as f64) as usize;
        sorted
            .get(at.min(sorted.len().saturating_sub(1)))
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// Sends per second.
    pub(super) fn rate(&self) -> f64 {
        self.count() / self.seconds
    }

    /// Processor time per send in milliseconds, browser included.
    pub(super) fn cpu(&self) -> f64 {
        self.cpu / self.count()
    }

    /// Processor time per send in milliseconds, without the browser.
    pub(super) fn own(&self) -> f64 {
        self.own / self.count()
    }

    #[expect(clippy::cast_precision_loss, reason = "some hundred")]
    fn count(&self) -> f64 {
        self.millis.len() as f64
    }
}

/// The recipient of the nth client.
fn recipient(client: usize) -> String {
    format!("49151234{client:05}")
}

pub(super) trait Contender {
    fn run(&mut self, clients: usize, sends: usize, stage: Stage)
    -> BoxFuture<'_, Result<Figures>>;
}

/// Sends over HTTP, with one connection per client.
async fn over_http(
    pid: i32,
    clients: usize,
    sends: usize,
    call: impl Fn(usize) -> (String, Value),
) -> Result<Figures> {
    let http = Client::new();
    let next = AtomicUsize::new(0);
    let (before, own, began) = (machine::cpu(pid)?, machine::own_cpu(pid)?, Instant::now());
    let all = (0..clients).map(async |client| {
        let mut millis = Vec::new();
        while next.fetch_add(1, Ordering::Relaxed) < sends {
            let (url, body) = call(client);
            let asked = Instant::now();
            let answer = http.post(url).json(&body).send().await?;
            let status = answer.status();
            let text = answer.text().await?;
            ensure!(status.is_success(), "{status}: {text}");
            millis.push(asked.elapsed().as_secs_f64() * 1000.0);
        }
        Ok::<_, anyhow::Error>(millis)
    });
    let millis: Vec<f64> = timeout(LIMIT, try_join_all(all))
        .await
        .context("the sends take too long")??
        .concat();
    let seconds = began.elapsed().as_secs_f64();
    machine::at_rest(pid).await?;
    Ok(Figures {
        millis,
        seconds,
        cpu: machine::cpu(pid)? - before,
        own: machine::own_cpu(pid)? - own,
    })
}

/// The gateway.
pub(super) struct Gate {
    url: String,
    pid: i32,
}

impl Gate {
    pub(super) fn new(gateway: &Gateway) -> Result<Self> {
        Ok(Self {
            url: gateway.api.url.clone(),
            pid: gateway.pid()?,
        })
    }
}

impl Contender for Gate {
    fn run(
        &mut self,
        clients: usize,
        sends: usize,
        stage: Stage,
    ) -> BoxFuture<'_, Result<Figures>> {
        let until = if stage == Stage::Stored {
            "stored"
        } else {
            "sent"
        };
        let url = format!("{}/v1/sessions/default/messages?until={until}", self.url);
        let call = move |client| {
            (
                url.clone(),
                json!({"to": recipient(client), "text": "a message of ours"}),
            )
        };
        over_http(self.pid, clients, sends, call).boxed()
    }
}

/// A running script of `tests/peer`, which links by itself and reports that.
struct Script {
    program: Program,
    lines: Lines<BufReader<ChildStdout>>,
    /// Its browser has its profile in this folder, by which its processes are found. Deleted after
    /// `program` is dropped.
    _scratch: TempDir,
}

impl Script {
    fn start(name: &str, standin: &Standin, args: &[&str]) -> Result<Self> {
        let port = standin
            .tls_port()
            .context("the stand-in has no HTTPS front")?;
        let folder = wharf_e2e::project::root().join("tests/peer");
        let scratch = tempfile::Builder::new().prefix("wharf-bench-").tempdir()?;
        let mut node = Command::new("node");
        node.args([
            name,
            "--tls-port",
            &port.to_string(),
            "--control",
            &format!("{}_control/", standin.url()),
        ])
        .args(args);
        node.current_dir(folder)
            .env("TMPDIR", scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut program = Program::start(&mut node, scratch.path(), STOP)?;
        let output = program.child.stdout.take().context("no output")?;
        Ok(Self {
            program,
            lines: BufReader::new(output).lines(),
            _scratch: scratch,
        })
    }

    /// The next line of JSON that has this field.
    async fn said(&mut self, field: &str) -> Result<Value> {
        let found = async {
            while let Some(line) = self.lines.next_line().await? {
                let value: Value = serde_json::from_str(&line).unwrap_or_default();
                if !value[field].is_null() {
                    return Ok(value);
                }
            }
            bail!("node ended before it said {field:?}")
        };
        timeout(LIMIT, found)
            .await
            .with_context(|| format!("no {field:?} within {LIMIT:?}"))?
    }

    fn pid(&self) -> Result<i32> {
        Ok(i32::try_from(
            self.program.child.id().context("node has ended")?,
        )?)
    }

    async fn stop(mut self) -> Result<()> {
        self.program.close(STOP).await?;
        Ok(())
    }
}

/// whatsapp-web.js behind Express, with a webhook.
pub(super) struct Express {
    script: Script,
    url: String,
    /// The receiver of its webhook.
    pub(super) receiver: Receiver,
    /// Its number.
    pub(super) account: String,
}

impl Express {
    pub(super) async fn start(standin: &Standin, account: &str) -> Result<Self> {
        let receiver = Receiver::start(0).await?;
        let mut script = Script::start(
            "express.mjs",
            standin,
            &["--pn", account, "--webhook", &receiver.url()],
        )?;
        let port = script.said("port").await?["port"]
            .as_u64()
            .context("a port")?;
        Ok(Self {
            script,
            url: format!("http://127.0.0.1:{port}/send"),
            receiver,
            account: account.to_owned(),
        })
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.script.stop().await
    }
}

impl Contender for Express {
    fn run(
        &mut self,
        clients: usize,
        sends: usize,
        stage: Stage,
    ) -> BoxFuture<'_, Result<Figures>> {
        let url = self.url.clone();
        let call = move |client| {
            (
                url.clone(),
                json!({"number": recipient(client), "message": "a message of theirs", "acked": stage == Stage::Acked}),
            )
        };
        async move { over_http(self.script.pid()?, clients, sends, call).await }.boxed()
    }
}

/// The bare page call: Puppeteer with one `evaluate` per send.
pub(super) struct Bare(Script);

impl Bare {
    pub(super) async fn start(standin: &Standin, account: &str) -> Result<Self> {
        let mut script = Script::start("bare.mjs", standin, &["--pn", account])?;
        script.said("ready").await?;
        Ok(Self(script))
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.0.stop().await
    }

    async fn order(&mut self, clients: usize, sends: usize, stage: Stage) -> Result<Figures> {
        let numbers: Vec<String> = (0..clients).map(recipient).collect();
        let order = json!({"sends": sends, "concurrency": clients, "acked": stage == Stage::Acked, "numbers": numbers});
        let pid = self.0.pid()?;
        let (before, own, began) = (machine::cpu(pid)?, machine::own_cpu(pid)?, Instant::now());
        let input = self.0.program.child.stdin.as_mut();
        let input = input.context("node has ended")?;
        input.write_all(format!("{order}\n").as_bytes()).await?;
        let done = self.0.said("millis").await?;
        let seconds = began.elapsed().as_secs_f64();
        machine::at_rest(pid).await?;
        let millis = done["millis"]
            .as_array()
            .context("figures")?
            .iter()
            .filter_map(Value::as_f64)
            .collect();
        Ok(Figures {
            millis,
            seconds,
            cpu: machine::cpu(pid)? - before,
            own: machine::own_cpu(pid)? - own,
        })
    }
}

impl Contender for Bare {
    fn run(
        &mut self,
        clients: usize,
        sends: usize,
        stage: Stage,
    ) -> BoxFuture<'_, Result<Figures>> {
        self.order(clients, sends, stage).boxed()
    }
}
