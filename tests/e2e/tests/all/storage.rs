//! The database is locked by another program, or moved away, while the gateway runs: callers get an
//! error that they can act on, and nothing is reported as accepted that was not stored.

use std::{
    fs::{self, File},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    fcntl::{FcntlArg, fcntl},
    libc,
};
use serde_json::json;
use wharf_e2e::{Answer, House, Plan, gateway::command, until};

const NUMBER: &str = "4915123456789";

/// Time limit for noticing a change; the gateway checks the path of its database every few seconds.
const NOTICED: Duration = Duration::from_secs(20);

/// A gateway without plugins whose browser cannot be started.
fn bare() -> Plan {
    Plan {
        overlay: "plugin = []\n[browser]\nexecutable = '/nowhere/chromium'\n".into(),
        ..Plan::default()
    }
}

fn database(house: &House) -> PathBuf {
    house.folder().join("session/wharf.db")
}

/// Checks a refusal: 503 with this code and `Retry-After`.
fn refused(answer: Answer, code: &str) -> Result<()> {
    let answer = answer.expect(503)?;
    ensure!(
        answer.json["code"] == code,
        "{code} is not said: {}",
        answer.json
    );
    ensure!(
        !answer.header("retry-after").is_empty(),
        "no Retry-After: {:?}",
        answer.headers
    );
    Ok(())
}

fn unavailable(answer: Answer) -> Option<Answer> {
    (answer.status == 503).then_some(answer)
}

/// Takes the lock that a writer holds on an SQLite database with a write-ahead log, as another
/// program's transaction does.
fn write_lock(house: &House) -> Result<File> {
    const WAL_WRITE_LOCK: i64 = 120;
    let file = File::options()
        .read(true)
        .write(true)
        .open(database(house).with_extension("db-shm"))?;
    let lock = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK)?,
        l_whence: i16::try_from(libc::SEEK_SET)?,
        l_start: WAL_WRITE_LOCK,
        l_len: 1,
        l_pid: 0,
    };
    // This waits for a write of the gateway that is in progress.
    fcntl(&file, FcntlArg::F_SETLKW(&lock))?;
    Ok(file)
}

#[tokio::test]
async fn a_held_write_lock_is_busy_for_probes_sends_and_sessions() -> Result<()> {
    let house = House::build(bare()).await?;
    let gateway = house.open().await?;
    gateway.api.get("/readyz").await?.expect(200)?;
    gateway.api.send_async(NUMBER, "hello").await?.expect(202)?;

    let lock = write_lock(&house)?;
    let session = json!({"id": "shop", "start": false});
    // The result of a probe is cached for a second.
    let probe = until("noticed by the probe", NOTICED, async || {
        Ok(unavailable(gateway.api.get("/readyz").await?))
    });
    let (probe, accept, create) = tokio::join!(
        probe,
        gateway.api.send_async(NUMBER, "hello"),
        gateway.api.post("/v1/sessions", &session)
    );
    for answer in [probe?, accept?, create?] {
        refused(answer, "busy")?;
    }
    gateway.api.get("/livez").await?.expect(200)?;

    drop(lock);
    until("ready again", NOTICED, async || {
        Ok((gateway.api.get("/readyz").await?.status == 200).then_some(()))
    })
    .await?;
    gateway.api.send_async(NUMBER, "hello").await?.expect(202)?;
    gateway
        .api
        .post("/v1/sessions", &session)
        .await?
        .expect(201)?;
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_moved_away_is_noticed_and_nothing_is_accepted_into_it() -> Result<()> {
    let house = House::build(bare()).await?;
    let gateway = house.open().await?;
    gateway.api.send_async(NUMBER, "hello").await?.expect(202)?;
    let (there, away) = (database(&house), house.folder().join("away.db"));
    fs::rename(&there, &away)?;
    let probe = until("noticed by the probe", NOTICED, async || {
        Ok(unavailable(gateway.api.get("/readyz").await?))
    })
    .await?;
    refused(probe, "storage_moved")?;
    refused(
        gateway.api.send_async(NUMBER, "hello").await?,
        "storage_moved",
    )?;
    gateway
        .until_log("where the database was", NOTICED, |line| {
            line.contains("moved away") && line.contains("wharf.db")
        })
        .await?;

    // The doctor needs the port that the system chose.
    let config = house.folder().join("gateway.toml");
    let port = gateway.api.url.rsplit(':').next().context("a port")?;
    fs::write(
        &config,
        fs::read_to_string(&config)?.replace("port = 0", &format!("port = {port}")),
    )?;
    let doctor = command(house.folder())?
        .args(["doctor", "--offline"])
        .output()
        .await?;
    let doctor = String::from_utf8(doctor.stdout)?;
    ensure!(
        doctor
            .lines()
            .any(|line| line.starts_with("LOOK") && line.contains("moved away")),
        "{doctor}"
    );

    fs::rename(&away, &there)?;
    until("ready again", NOTICED, async || {
        Ok((gateway.api.get("/readyz").await?.status == 200).then_some(()))
    })
    .await?;
    gateway.api.send_async(NUMBER, "hello").await?.expect(202)?;
    Ok(())
}
