//! Faults of the disk: folders that cannot be written and a disk that fills up. Mounts need root;
//! for other users these faults are listed as not made.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use nix::unistd::Uid;
use wharf_e2e::{Answer, Gateway, House, Plan, until};

use crate::{
    Run, Scene, alone,
    report::Row,
    scene::{LIMIT, OVERLAY, STOP},
};

pub(crate) async fn all(run: &mut Run) -> Result<()> {
    alone!(run, "profile is a file", file);
    alone!(run, "profile read-only", read_only);
    alone!(run, "disk full at the start", full_before);
    alone!(run, "disk full while ready", full_while);
    Ok(())
}

/// A mount, which is undone when the value is dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(place: &Path, args: &[&str]) -> Result<Self> {
        fs::create_dir_all(place)?;
        let status = Command::new("mount")
            .args(args)
            .arg(place)
            .status()
            .context("mount")?;
        ensure!(
            status.success(),
            "mount {args:?} {}: {status}",
            place.display()
        );
        Ok(Self(place.to_owned()))
    }

    fn tmpfs(place: &Path, megabytes: u32) -> Result<Self> {
        Self::new(
            place,
            &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "wharf"],
        )
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, because a browser that is just ending may still have a file open. This fails when
        // the mount was undone before.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn not_made(name: &str) -> Row {
    Row {
        name: name.into(),
        made: "not made in this run: mounts need root",
        said: "-".into(),
        recovered: "-".into(),
        lost: "-",
    }
}

/// Writes a file that fills the file system completely.
fn fill(place: &Path) -> Result<PathBuf> {
    let path = place.join("filler");
    let mut file = File::create(&path)?;
    let mut size = 1 << 20;
    while size > 0 {
        match file.write_all(&vec![0; size]) {
            Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
            other => other?,
        }
    }
    Ok(path)
}

/// Waits until the session does not start for the expected reason, removes the cause, and waits for
/// a QR code.
async fn refused(
    house: House,
    name: &str,
    made: &'static str,
    expect: &str,
    mend: impl FnOnce() -> Result<()>,
) -> Result<Row> {
    let gateway = house.open().await?;
    let ended = ["error", "reconnecting"];
    until("a refusal to start", LIMIT, async || {
        Ok(ended
            .contains(&gateway.api.state().await?.as_str())
            .then_some(()))
    })
    .await?;
    let said = reason(&gateway)
        .await?
        .replace(&house.folder().display().to_string(), "…");
    ensure!(said.contains(expect), "{said}");
    mend()?;
    let mut recovered = "by itself, once mended";
    if said.starts_with("`error`") {
        gateway
            .api
            .post_nothing("/api/whatsapp/reconnect")
            .await?
            .expect(200)?;
        recovered = "once mended, a person reconnects";
    }
    gateway.api.until_qr(LIMIT).await?;
    gateway.stop(STOP).await?;
    Ok(Row {
        name: name.into(),
        made,
        said,
        recovered: recovered.into(),
        lost: "nothing",
    })
}

async fn reason(gateway: &Gateway) -> Result<String> {
    let info = gateway
        .api
        .get("/v1/sessions/default")
        .await?
        .expect(200)?
        .json;
    Ok(format!(
        "`{}`: {}",
        info["state"].as_str().unwrap_or_default(),
        info["reason"].as_str().unwrap_or_default()
    ))
}

async fn house() -> Result<House> {
    House::build(Plan {
        overlay: OVERLAY.into(),
        ..Plan::default()
    })
    .await
}

async fn file(name: &str) -> Result<Row> {
    let house = house().await?;
    let folder = house.folder().join("session/.wwebjs_auth");
    fs::create_dir_all(&folder)?;
    let profile = folder.join("session-default");
    fs::write(&profile, "")?;
    refused(
        house,
        name,
        "a file where the profile should be",
        "is not a directory; move it away",
        move || Ok(fs::remove_file(profile)?),
    )
    .await
}

async fn read_only(name: &str) -> Result<Row> {
    if !Uid::effective().is_root() {
        return Ok(not_made(name));
    }
    let house = house().await?;
    let profile = house.folder().join("session/.wwebjs_auth/session-default");
    fs::create_dir_all(&profile)?;
    let place = profile.display().to_string();
    let mount = Mount::new(&profile, &["--bind", &place])?;
    let status = Command::new("mount")
        .args(["-o", "remount,bind,ro", &place])
        .status()?;
    ensure!(status.success(), "remount: {status}");
    refused(
        house,
        name,
        "its directory mounted read-only",
        "cannot be written",
        move || {
            drop(mount);
            Ok(())
        },
    )
    .await
}

async fn full_before(name: &str) -> Result<Row> {
    if !Uid::effective().is_root() {
        return Ok(not_made(name));
    }
    let house = house().await?;
    let profiles = house.folder().join("session/.wwebjs_auth");
    let mount = Mount::tmpfs(&profiles, 256)?;
    let filler = fill(&profiles)?;
    let row = refused(
        house,
        name,
        "a full file system below the profiles",
        "bytes are free",
        move || Ok(fs::remove_file(filler)?),
    )
    .await;
    drop(mount);
    row
}

/// Everything the gateway writes is on the disk that fills up. It must not accept a message that it
/// cannot store.
async fn full_while(name: &str) -> Result<Row> {
    if !Uid::effective().is_root() {
        return Ok(not_made(name));
    }
    let house = house().await?;
    let place = house.folder().join("session");
    let mount = Mount::tmpfs(&place, 512)?;
    let gateway = house.open_linked().await?;
    let mut scene = Scene::new(house, gateway);
    let filler = fill(&place)?;
    let answer = scene
        .api()?
        .send("4915123456789", "nowhere to keep it")
        .await?;
    ensure!(answer.status == 503, "{answer:?}");
    let said = format!(
        "{} {}",
        answer.status,
        answer.json["error"].as_str().unwrap_or_default()
    );
    // A small write may still fit into space that the write-ahead log has already allocated.
    let full = |answer: &Answer| answer.status == 503 && answer.json["code"] == "storage_full";
    let api = scene.api()?;
    until("a probe that says so", LIMIT, async || {
        Ok(full(&api.get("/readyz").await?).then_some(()))
    })
    .await?;
    let answer = api
        .post(
            "/v1/sessions",
            &serde_json::json!({"id": "shop", "start": false}),
        )
        .await?;
    ensure!(full(&answer), "a session call: {answer:?}");
    fs::remove_file(filler)?;
    let recovered = scene.carries_on(name).await?;
    ensure!(
        scene.house.arrived("nowhere to keep it") == 0,
        "refused and sent"
    );
    scene.close().await?;
    drop(mount);
    Ok(Row {
        name: name.into(),
        made: "a full file system below database and profiles",
        said,
        recovered,
        lost: "nothing: what cannot be kept is not accepted",
    })
}
