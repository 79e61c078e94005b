//! Manipulated files of the gateway: session path, locks, database, backups and logins.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::stat::Mode,
    unistd::{geteuid, mkfifo},
};
use serde_json::json;
use wharf::store::{SessionWish, Store};
use wharf_e2e::{Gateway, House, Plan, gateway::command};

use super::{Area, held};
use crate::callers::refusal;

/// Time limit of a start or a stop on a busy machine.
pub(super) const SOON: Duration = Duration::from_secs(60);

/// A gateway without plugins whose browser cannot be started.
fn bare(more: &str) -> Plan {
    Plan {
        overlay: format!("plugin = []\n[browser]\nexecutable = '/nowhere/chromium'\n{more}"),
        ..Plan::default()
    }
}

/// The permission bits of a file or a folder.
pub(super) fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)
        .with_context(|| path.display().to_string())?
        .permissions()
        .mode()
        & 0o7777)
}

pub(super) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| path.display().to_string())
}

/// Fails unless `said` contains all `words`.
pub(super) fn says(said: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(said.contains(word), "{word:?} is not in {said}");
    }
    Ok(())
}

/// Waits until one line of the log contains all of `words`.
pub(super) async fn logged(gateway: &Gateway, words: &[&str]) -> Result<()> {
    let what = format!("{words:?} in the log");
    let found = gateway.until_log(&what, SOON, |line| {
        words.iter().all(|word| line.contains(word))
    });
    found.await.map(drop)
}

#[tokio::test]
async fn what_stands_open_is_closed_at_the_start() -> Result<()> {
    let house = House::build(bare("")).await?;
    house.open().await?.stop(SOON).await?;
    let session = house.folder().join("session");
    let place = |name: &str| session.join(name);
    fs::create_dir_all(place(".wwebjs_auth/session-old/Default"))?;
    let folders = ["", ".wwebjs_auth", ".wwebjs_auth/session-old", "cache"];
    let files = ["wharf.db", "wharf.db.lock", "gateway.lock"];
    for folder in folders {
        fs::create_dir_all(place(folder))?;
        set_mode(&place(folder), 0o777)?;
    }
    for file in files {
        set_mode(&place(file), 0o666)?;
    }
    let gateway = house.open().await?;
    for folder in folders {
        ensure!(
            mode(&place(folder))? == 0o700,
            "{folder:?} has mode {:o}",
            mode(&place(folder))?
        );
    }
    for file in files.iter().chain(&["wharf.db-wal", "wharf.db-shm"]) {
        ensure!(
            mode(&place(file))? == 0o600,
            "{file} has mode {:o}",
            mode(&place(file))?
        );
    }
    logged(&gateway, &["session path", "stood open", "777"]).await?;
    held(
        Area::Files,
        "session path, logins, cache and database that every user can write (0777, 0666)",
        "the gateway makes them private at the start (0700, 0600) and names each in the log; the files that SQLite adds are 0600 too",
    )
}

#[tokio::test]
async fn a_session_path_of_somebody_else_is_refused() -> Result<()> {
    let house = if geteuid().is_root() {
        let house = House::build(bare("")).await?;
        let session = house.folder().join("session");
        fs::create_dir(&session)?;
        set_mode(&session, 0o777)?;
        chown(&session, Some(54_321), None)?;
        says(
            &refusal(&house).await?,
            &[
                "session path",
                &session.display().to_string(),
                "777",
                "`chmod 700",
            ],
        )?;
        ensure!(
            fs::read_dir(&session)?.next().is_none(),
            "something was written there"
        );
        house
    } else {
        // Only root can give a folder to another user; `/etc` belongs to root.
        let house = House::build(bare("[sessions]\npath = '/etc'")).await?;
        says(&refusal(&house).await?, &["session path", "/etc"])?;
        house
    };
    drop(house);
    held(
        Area::Files,
        "a session path that belongs to another user",
        "the gateway does not start and writes nothing there; the error names the path and what is wrong with it",
    )
}

#[tokio::test]
async fn pipes_links_and_folders_in_the_place_of_locks_and_the_database_are_refused() -> Result<()>
{
    for (name, odd) in [
        ("gateway.lock", "pipe"),
        ("gateway.lock", "link"),
        ("wharf.db", "pipe"),
        ("wharf.db-wal", "pipe"),
        ("wharf.db", "folder"),
        ("wharf.db.lock", "link"),
    ] {
        let house = House::build(bare("")).await?;
        let (session, victim) = (
            house.folder().join("session"),
            house.folder().join("victim"),
        );
        fs::create_dir(&session)?;
        fs::write(&victim, "theirs")?;
        let place = session.join(name);
        let words = match odd {
            "pipe" => mkfifo(&place, Mode::S_IRWXU).map(|()| "a named pipe")?,
            "link" => symlink(&victim, &place).map(|()| "a symbolic link")?,
            _ => fs::create_dir(&place).map(|()| "a folder")?,
        };
        says(
            &refusal(&house)
                .await
                .with_context(|| format!("{name}: {odd}"))?,
            &[name, words],
        )?;
        ensure!(
            fs::read_to_string(&victim)? == "theirs",
            "{name}: the link was followed"
        );
    }
    held(
        Area::Files,
        "a named pipe, a link or a folder in the place of a lock or of the database",
        "the gateway does not start and names it at once; it does not wait for it and does not write through it",
    )
}

#[tokio::test]
async fn a_backup_follows_no_link_and_keeps_nobodys_file() -> Result<()> {
    let house = House::build(bare("")).await?;
    let (victim, folder) = (
        house.folder().join("victim"),
        house.folder().join("backups"),
    );
    fs::create_dir_all(
        house
            .folder()
            .join("session/.wwebjs_auth/session-a/Default/Local Storage"),
    )?;
    fs::write(
        house
            .folder()
            .join("session/.wwebjs_auth/session-a/Default/Local Storage/data"),
        "a login",
    )?;
    fs::write(&victim, "theirs")?;
    fs::create_dir(&folder)?;
    // The draft's name in an earlier version, for every process id that may come next.
    let next = std::process::id();
    for pid in next..next + 3000 {
        symlink(&victim, folder.join(format!(".a.tgz.{pid}.part")))?;
    }
    let file = folder.join("a.tgz");
    let output = command(house.folder())?
        .args(["profile", "backup", "a"])
        .arg(&file)
        .output()
        .await?;
    ensure!(output.status.success(), "{output:?}");
    ensure!(
        fs::read_to_string(&victim)? == "theirs",
        "a link was followed"
    );
    ensure!(
        fs::symlink_metadata(&file)?.is_file() && mode(&file)? == 0o600,
        "{:?}",
        fs::symlink_metadata(&file)?
    );
    fs::remove_file(&file)?;
    symlink(&victim, &file)?;
    let output = command(house.folder())?
        .args(["profile", "backup", "a"])
        .arg(&file)
        .output()
        .await?;
    ensure!(
        !output.status.success() && fs::read_to_string(&victim)? == "theirs",
        "{output:?}"
    );
    held(
        Area::Files,
        "links in the place of a backup and of its temporary file",
        "the temporary file gets a random name; no existing file is overwritten, and no link is followed",
    )
}

#[tokio::test]
async fn client_ids_that_differ_in_case_only_are_one() -> Result<()> {
    let two = "[sessions.session.sales]\n[sessions.session.Sales]\n";
    says(
        &refusal(&House::build(bare(two)).await?).await?,
        &["Sales and sales", "upper and lower case"],
    )?;

    let house = House::build(bare("")).await?;
    let gateway = house.open().await?;
    gateway
        .api
        .post("/v1/sessions", &json!({"id": "Sales", "start": false}))
        .await?
        .expect(201)?;
    for id in ["sales", "Sales", "DEFAULT"] {
        let refused = gateway
            .api
            .post("/v1/sessions", &json!({"id": id, "start": false}))
            .await?
            .expect(409)?;
        ensure!(refused.json["code"] == "session_exists", "{}", refused.json);
        let there = if id == "DEFAULT" {
            "session default"
        } else {
            "session Sales"
        };
        says(&refused.json.to_string(), &[there])?;
    }
    gateway.stop(SOON).await?;

    // Both were created by a version that allowed it.
    let store = Store::open(&house.folder().join("session/wharf.db")).await?;
    store
        .wish_session(SessionWish {
            client: "sales".parse()?,
            wanted: false,
            made: true,
            metadata: vec![],
        })
        .await?;
    store.close().await;
    let gateway = house.open().await?;
    for id in ["Sales", "sales"] {
        gateway
            .api
            .get(&format!("/v1/sessions/{id}"))
            .await?
            .expect(200)?;
    }
    logged(&gateway, &["differ in case only", "Sales", "sales"]).await?;
    held(
        Area::Files,
        "two client ids that differ only in upper and lower case",
        "the configuration is refused, and `POST /v1/sessions` answers 409 `session_exists`, both with the names; two such sessions in an older database continue with a warning",
    )
}
