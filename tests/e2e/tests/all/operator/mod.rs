//! What the operator is told: the sources of the configuration, mistakes in it, why a start failed,
//! and what is queued.

mod configuration;

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use procfs::process::Process;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};
use wharf_e2e::{Api, Gateway, House, Plan, gateway, house, until};

const LIMIT: Duration = Duration::from_secs(60);

/// A gateway whose browser cannot be started.
fn bare(more: &str) -> Plan {
    Plan {
        overlay: format!("{more}[browser]\nexecutable = '/nowhere/chromium'\n"),
        ..Plan::default()
    }
}

/// Exit status and outputs of a run that ends by itself.
struct Said {
    status: Option<i32>,
    out: String,
    err: String,
}

async fn run(command: &mut Command) -> Result<Said> {
    let Output {
        status,
        stdout,
        stderr,
    } = tokio::time::timeout(LIMIT, command.output())
        .await
        .context("it does not end")??;
    Ok(Said {
        status: status.code(),
        out: String::from_utf8(stdout)?,
        err: String::from_utf8(stderr)?,
    })
}

#[tokio::test]
async fn why_a_start_failed_is_said_whatever_the_level_is_and_a_word_that_is_no_level_is_refused()
-> Result<()> {
    let house = House::build(bare("plugin = []\n")).await?;
    let start = |folder: &Path, level: &str, port: u16| -> Result<Command> {
        let mut command = gateway::command(folder)?;
        command
            .env("LOG_LEVEL", level)
            .env("PORT", port.to_string());
        Ok(command)
    };
    let said = run(&mut start(house.folder(), "loud", 0)?).await?;
    ensure!(
        said.status == Some(2)
            && said
                .err
                .contains("LOG_LEVEL = \"loud\" must be error, warn, info, debug, trace or off"),
        "{}",
        said.err
    );

    let taken = TcpListener::bind("127.0.0.1:0")?;
    let said = run(&mut start(
        house.folder(),
        "silent",
        taken.local_addr()?.port(),
    )?)
    .await?;
    ensure!(
        said.status == Some(1) && said.out.is_empty(),
        "{}",
        said.out
    );
    ensure!(
        said.err
            .contains("the gateway did not start: cannot listen on")
            && said.err.contains("set [server] port"),
        "{}",
        said.err
    );

    let house = House::build(bare("[[plugin]]\nname = 'not-there'\n")).await?;
    let said = run(&mut start(house.folder(), "off", 0)?).await?;
    ensure!(
        said.status == Some(1)
            && said.err.contains("the gateway did not start")
            && said.err.contains("not-there"),
        "{}",
        said.err
    );
    Ok(())
}

#[tokio::test]
async fn the_doctor_is_content_with_a_healthy_default_and_points_at_a_login_without_an_id()
-> Result<()> {
    let folder = tempfile::tempdir()?;
    let default = fs::read_to_string(house::plugins().with_file_name("gateway.toml"))?;
    gateway::write_config(
        folder.path(),
        &default.replace(
            "# dir = \"./plugins\"",
            &format!("dir = {:?}", house::plugins()),
        ),
    )?;
    let doctor =
        || async { run(gateway::command(folder.path())?.args(["doctor", "--offline"])).await };
    let said = doctor().await?;
    // As root Chromium's sandbox is off, which the doctor rightly reports.
    let look = |out: &str| {
        out.lines()
            .filter(|line| line.starts_with("LOOK") && !line.contains("running as root"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    ensure!(look(&said.out).is_empty(), "{}", said.out);
    ensure!(
        said.out
            .contains("ok    plugin webhook: available, not enabled"),
        "{}",
        said.out
    );

    let login = folder.path().join("whatsapp-session/.wwebjs_auth/session");
    fs::create_dir_all(login.join("Default/Local Storage/leveldb"))?;
    let said = doctor().await?;
    ensure!(
        look(&said.out).len() == 1
            && said
                .out
                .contains(&format!("wharf profile adopt {}", login.display())),
        "{}",
        said.out
    );
    let adopted = run(gateway::command(folder.path())?
        .args(["profile", "adopt"])
        .arg(&login))
    .await?;
    ensure!(adopted.status == Some(0), "{}", adopted.err);
    let said = doctor().await?;
    ensure!(
        look(&said.out).is_empty()
            && said
                .out
                .contains("session default: its profile may hold a login"),
        "{}",
        said.out
    );
    Ok(())
}

#[tokio::test]
async fn a_login_without_an_id_is_named_in_the_log_before_a_qr_is_shown() -> Result<()> {
    let house = House::build(bare("plugin = []\n")).await?;
    let login = house.folder().join("session/.wwebjs_auth/session");
    fs::create_dir_all(login.join("Default/IndexedDB"))?;
    let gateway = house.open().await?;
    let words = format!(
        "wharf profile quarantine default; wharf profile adopt {}",
        login.display()
    );
    gateway
        .until_log("the login that nobody uses", LIMIT, |line| {
            line.contains(&words) && line.contains("WARN")
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_closed_terminal_stops_it_in_order_and_nohup_keeps_it() -> Result<()> {
    let house = House::build(bare("plugin = []\n")).await?;
    let gateway = house.open().await?;
    ensure!(gateway.stop_by(Signal::SIGHUP, LIMIT).await?.code() == Some(0));

    // A closed output must not make the gateway panic.
    let mut command = gateway::command(house.folder())?;
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    while !lines
        .next_line()
        .await?
        .context("it ended")?
        .contains("listening")
    {}
    drop((lines, child.stderr.take()));
    let pid = Pid::from_raw(i32::try_from(child.id().context("it has ended")?)?);
    kill(pid, Signal::SIGHUP)?;
    ensure!(tokio::time::timeout(LIMIT, child.wait()).await??.code() == Some(0));

    let mut nohup = Command::new("nohup");
    nohup
        .arg(gateway::program()?)
        .arg("--config")
        .arg(house.folder().join("gateway.toml"))
        .current_dir(house.folder());
    nohup
        .env_remove("PORT")
        .env_remove("LOG_LEVEL")
        .env_remove("SESSION_PATH")
        .kill_on_drop(true);
    let mut child = nohup
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let listening = loop {
        let line = lines.next_line().await?.context("it ended")?;
        if line.contains("listening") {
            break line;
        }
    };
    let address = serde_json::from_str::<serde_json::Value>(&listening)?["address"]
        .as_str()
        .context("an address")?
        .to_owned();
    let pid = Pid::from_raw(i32::try_from(child.id().context("it has ended")?)?);
    kill(pid, Signal::SIGHUP)?;
    ensure!(
        Process::new(pid.as_raw())?.stat()?.sigcatch & 1 == 0,
        "it hears the closed terminal"
    );
    Api::new(&format!("http://{address}"))?
        .get("/livez")
        .await?
        .expect(200)?;
    ensure!(
        child.try_wait()?.is_none(),
        "the closed terminal stopped it"
    );
    kill(pid, Signal::SIGTERM)?;
    ensure!(tokio::time::timeout(LIMIT, child.wait()).await??.code() == Some(0));
    Ok(())
}

async fn metrics(gateway: &Gateway) -> Result<String> {
    Ok(String::from_utf8(
        gateway.api.get("/metrics").await?.expect(200)?.body,
    )?)
}

#[tokio::test]
async fn every_metric_says_what_it_is_and_a_queue_how_much_waits() -> Result<()> {
    let house = House::build(bare("")).await?;
    let gateway = house.open().await?;
    for n in 0..3 {
        let number = format!("491512345678{n}");
        gateway
            .api
            .send_async(&number, "waits")
            .await?
            .expect(202)?;
    }
    house
        .receiver
        .until_call("an event", LIMIT, |_| true)
        .await?;
    let text = until("three that wait", LIMIT, async || {
        let text = metrics(&gateway).await?;
        Ok(text
            .contains("wharf_queue_messages{session=\"default\",state=\"waiting\"} 3\n")
            .then_some(text))
    })
    .await?;
    ensure!(
        text.contains("wharf_queue_messages{session=\"default\",state=\"sending\"} 0\n"),
        "{text}"
    );
    let names = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .filter(|name| !name.is_empty());
    let mut seen = 0;
    for name in names {
        let of_a_summary = ["_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(name);
        for (mark, name) in [("HELP", name), ("TYPE", name)] {
            let there = |name: &str| {
                text.lines()
                    .any(|line| line.starts_with(&format!("# {mark} {name} ")))
            };
            ensure!(
                there(name) || there(of_a_summary),
                "{name} has no {mark}:\n{text}"
            );
        }
        seen += 1;
    }
    ensure!(seen > 10, "{text}");
    gateway.stop(LIMIT).await?;
    Ok(())
}
