//! `cargo xtask bench accept`: durable accepts per second, beside the same server with a plain
//! insert for each request and beside the same server without a database.
//!
//! The runs of the three servers alternate, because the speed of a machine varies; what counts is
//! their ratio in one run. After each run the number of accepted messages is compared with the
//! number of new rows in the database.

mod baseline;
mod empty_services;
mod load;
mod peer;
mod report;
mod server;
mod validators;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use sqlx::{Connection, SqliteConnection};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use self::{
    load::{Figures, Target},
    report::{Cell, Report},
    server::Kind,
};

const CONNECTIONS: [usize; 3] = [1, 16, 64];

#[derive(Parser)]
struct Args {
    /// Seconds of load in each run.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Runs for each figure; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Rows in the full table of the last figure.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// Do not measure whatsapp-web.js behind Express.
    #[arg(long)]
    no_peer: bool,
    /// Measure only what three validators cost, in pairs of runs with and without them.
    #[arg(long)]
    validators: bool,
    #[command(subcommand)]
    serve: Option<Serve>,
}

#[derive(Subcommand)]
enum Serve {
    /// Run a server under load; used by the benchmark itself.
    #[command(hide = true)]
    Serve { kind: String, folder: PathBuf },
}

fn main() -> Result<()> {
    let args = Args::parse();
    match &args.serve {
        Some(Serve::Serve { kind, folder }) => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            runtime.block_on(server::serve(kind.parse()?, folder))
        }
        // One thread, so that the client uses as little of the machine as possible.
        None => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(bench(&args)),
    }
}

async fn bench(args: &Args) -> Result<()> {
    if args.validators {
        return validators::bench(args.rounds, Duration::from_secs(args.seconds)).await;
    }
    let folder = tempfile::Builder::new().prefix("wharf-accept-").tempdir()?;
    let mut report = Report::default();
    let (nothing, plain, gateway) = (
        bundled(Kind::Nothing, &folder.path().join("nothing")).await?,
        bundled(Kind::Plain, &folder.path().join("plain")).await?,
        bundled(Kind::Gateway, &folder.path().join("gateway")).await?,
    );
    let time = Duration::from_secs(args.seconds);
    for server in [&nothing, &plain, &gateway] {
        load::run(server.port, Target::Wharf, 16, Duration::from_secs(1)).await?;
    }
    for connections in CONNECTIONS {
        for _ in 0..args.rounds {
            for server in [&nothing, &plain, &gateway] {
                let figures = measured(server, connections, time).await?;
                report.add(
                    Cell {
                        server: server.name(),
                        connections,
                    },
                    figures,
                );
            }
        }
    }
    let path = gateway.folder.clone();
    gateway.stop().await?;
    eprintln!("  filling the table with {} rows", args.rows);
    fill(&path.join("wharf.db"), args.rows).await?;
    let full = bundled(Kind::Gateway, &path).await?;
    load::run(full.port, Target::Wharf, 16, Duration::from_secs(1)).await?;
    for _ in 0..args.rounds {
        for (server, name) in [(&nothing, "nothing"), (&full, "gateway, full table")] {
            let figures = measured(server, 64, time).await?;
            report.add(
                Cell {
                    server: if name == "nothing" {
                        "nothing again"
                    } else {
                        name
                    },
                    connections: 64,
                },
                figures,
            );
        }
    }
    for server in [nothing, plain, full] {
        server.stop().await?;
    }
    if !args.no_peer {
        for connections in [1, 16] {
            report.peer(connections, peer::measure(connections, time * 2).await);
        }
    }
    report.print();
    Ok(())
}

/// Runs the load once. Where messages are stored, their number is compared with the new rows.
async fn measured(server: &Server, connections: usize, time: Duration) -> Result<Figures> {
    let counts = server.kind != Kind::Nothing;
    let before = if counts {
        rows(&server.database()).await?
    } else {
        0
    };
    let figures = load::run(server.port, Target::Wharf, connections, time).await?;
    eprintln!(
        "  {:<10}{connections:>4} connections {:>9.0}/s  p50 {:.2} ms  p99 {:.2} ms",
        server.name(),
        figures.rate,
        figures.p50,
        figures.p99
    );
    ensure!(
        figures.refused == 0,
        "{} requests were not answered 202",
        figures.refused
    );
    if counts {
        let stored = rows(&server.database()).await? - before;
        ensure!(
            stored == i64::try_from(figures.accepted)?,
            "{} were accepted, {stored} are in the table",
            figures.accepted
        );
    }
    Ok(figures)
}

struct Server {
    kind: Kind,
    folder: PathBuf,
    port: u16,
    child: Child,
}

impl Server {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn database(&self) -> PathBuf {
        self.folder.join("wharf.db")
    }

    /// Closes the server's standard input, which ends it.
    async fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let ended = tokio::time::timeout(Duration::from_secs(40), self.child.wait()).await;
        ensure!(
            ended.context("a server did not stop")??.success(),
            "a server ended badly"
        );
        Ok(())
    }
}

/// Starts a server with the bundled plugins.
async fn bundled(kind: Kind, folder: &Path) -> Result<Server> {
    let plugins = wharf_e2e::project::root().join("plugins");
    start(kind, folder, &plugins, BUNDLED).await
}

/// Starts a server with these entries of plugins, whose components are in `plugins`.
async fn start(kind: Kind, folder: &Path, plugins: &Path, entries: &str) -> Result<Server> {
    fs::create_dir_all(folder)?;
    fs::write(
        folder.join("gateway.toml"),
        config(folder, plugins, entries),
    )?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["serve", kind.name()])
        .arg(folder)
        .current_dir(folder);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let said = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await;
    let port = said
        .with_context(|| format!("the server {} did not start", kind.name()))??
        .context("it ended")?
        .parse()?;
    Ok(Server {
        kind,
        folder: folder.to_owned(),
        port,
        child,
    })
}

/// The three bundled plugins.
const BUNDLED: &str = r#"
[[plugin]]
name = "number-policy"
grants = { kv = "1MiB", kv_shared = true }

[[plugin]]
name = "templates"
[plugin.config.templates.greeting.bodies]
en = "Hello {{ name }}"
[plugin.config.templates.greeting.variables]
name = { kind = "text" }

[[plugin]]
name = "webhook"
grants = { http = ["http://127.0.0.1:9"], http_private = true }
[[plugin.config.targets]]
name = "receiver"
url = "http://127.0.0.1:9/hook"
events = ["message.*"]
"#;

/// The configuration: the browser cannot start, so that it uses nothing of the machine.
fn config(folder: &Path, plugins: &Path, entries: &str) -> String {
    let database = folder.join("wharf.db");
    let cache = wharf_e2e::project::root().join("target/bench-plugin-cache");
    format!(
        r#"
[server]
port = 0

[storage]
database = {database:?}

[browser]
executable = "/bin/false"

[sessions]
path = {folder:?}
first_delay = "1h"

[plugins]
dir = {plugins:?}
cache = {cache:?}
{entries}"#
    )
}

async fn rows(database: &Path) -> Result<i64> {
    let mut connection =
        SqliteConnection::connect(&format!("sqlite://{}", database.display())).await?;
    let count = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM outbox")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(count)
}

/// Inserts sent messages with their history, as a gateway has them after a while.
async fn fill(database: &Path, rows: u32) -> Result<()> {
    let mut connection =
        SqliteConnection::connect(&format!("sqlite://{}", database.display())).await?;
    let sql = "INSERT INTO outbox (id, client, message_id, recipient, line, state, chat, ack, attempt, created_at, updated_at, message)
               WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
               SELECT 'out_0' || hex(randomblob(12)), 'default', '3EB0' || hex(randomblob(9)), '49151' || i, '49151' || i, 'sent', '49151' || i || '@c.us', 2, 1,
                      ?2, ?2, (SELECT message FROM outbox LIMIT 1) FROM n";
    let now = wharf::model::Timestamp::now().0;
    let mut transaction = connection.begin().await?;
    let first: i64 = sqlx::query_scalar("SELECT max(seq) FROM outbox")
        .fetch_one(&mut *transaction)
        .await?;
    sqlx::query(sql)
        .bind(rows)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
    for (step, kind) in [
        (1, "accepted"),
        (2, "verdict"),
        (3, "sending"),
        (4, "sent"),
        (5, "ack"),
    ] {
        let sql =
            "INSERT INTO message_history SELECT seq, ?1, ?2, ?3, '{}' FROM outbox WHERE seq > ?4";
        sqlx::query(sql)
            .bind(step)
            .bind(now)
            .bind(kind)
            .bind(first)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}
