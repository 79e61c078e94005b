//! Faults of processes: killed ones, stopped ones, and a machine that sleeps.

use std::{os::unix::fs::symlink, path::PathBuf, process::Stdio, time::Duration};

use anyhow::Result;
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tokio::process::{Child, Command};
use wharf::{browser::find_executable, config::BrowserKind};
use wharf_e2e::until;

use crate::{
    Run, Scene, fault,
    report::Row,
    scene::{LIMIT, nothing},
};

pub(crate) async fn all(run: &mut Run, scene: &mut Option<Scene>) -> Result<()> {
    fault!(run, *scene, "renderer killed", renderer);
    fault!(run, *scene, "browser killed", browser);
    fault!(run, *scene, "browser hung", hung);
    fault!(run, *scene, "machine asleep", asleep);
    fault!(run, *scene, "profile open in another browser", locked);
    fault!(run, *scene, "stale lock", stale);
    Ok(())
}

async fn renderer(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        for pid in scene.renderers() {
            kill(Pid::from_raw(pid), Signal::SIGKILL)?;
        }
        Ok(())
    };
    scene
        .survive(
            name,
            "`kill -9` of the renderers",
            "the page crashed",
            make,
            nothing,
        )
        .await
}

async fn browser(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        for pid in scene.browsers() {
            kill(Pid::from_raw(pid), Signal::SIGKILL)?;
        }
        Ok(())
    };
    scene
        .survive(
            name,
            "`kill -9` of the main process",
            "the browser ended",
            make,
            nothing,
        )
        .await
}

async fn hung(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        for pid in scene.browsers() {
            killpg(Pid::from_raw(pid), Signal::SIGSTOP)?;
        }
        Ok(())
    };
    scene
        .survive(
            name,
            "SIGSTOP to every process of the browser",
            "health check: the page did not answer",
            make,
            nothing,
        )
        .await
}

/// Gateway and browser stop and continue later. No timer, lease or deadline may treat the pause as
/// a failure that ends the session.
async fn asleep(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        let all = scene.everybody();
        for pid in &all {
            kill(Pid::from_raw(*pid), Signal::SIGSTOP)?;
        }
        scene.house.standin.network(true);
        tokio::time::sleep(Duration::from_secs(5)).await;
        for pid in &all {
            kill(Pid::from_raw(*pid), Signal::SIGCONT)?;
        }
        Ok(())
    };
    scene.survive(name, "SIGSTOP to gateway and browser for 5 s while WhatsApp drops the connection, then SIGCONT", "", make, nothing).await
}

/// Starts another browser on the session's profile, as another program would.
async fn foreign(scene: &Scene) -> Result<Child> {
    let profile = profile(scene);
    let chosen = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let (program, _) = find_executable(chosen.as_deref(), BrowserKind::Headless)?;
    let mut command = Command::new(program);
    command
        .args([
            "--headless=new",
            "--disable-gpu",
            "--no-first-run",
            "--remote-debugging-port=0",
        ])
        .arg(format!("--user-data-dir={}", profile.display()));
    if nix::unistd::geteuid().is_root() {
        command.arg("--no-sandbox");
    }
    let child = command
        .arg("about:blank")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    until("the other browser's lock", LIMIT, async || {
        Ok(profile.join("SingletonLock").symlink_metadata().ok())
    })
    .await?;
    Ok(child)
}

fn profile(scene: &Scene) -> PathBuf {
    scene
        .house
        .folder()
        .join("session/.wwebjs_auth/session-default")
}

async fn stop_and_wait(scene: &mut Scene) -> Result<()> {
    scene.tell("stop").await?;
    until("no browser", LIMIT, async || {
        Ok(scene.browsers().is_empty().then_some(()))
    })
    .await
}

async fn locked(scene: &mut Scene, name: &str) -> Result<Row> {
    let mut other = None;
    let holder = &mut other;
    let make = async |scene: &mut Scene| {
        stop_and_wait(scene).await?;
        *holder = Some(foreign(scene).await?);
        scene.tell("start").await
    };
    let made = "another Chromium opened on the profile, then the session started";
    let row = scene.survive(
        name,
        made,
        "in use by process",
        make,
        async |scene: &mut Scene| {
            let pid = scene.browsers();
            for pid in pid {
                killpg(Pid::from_raw(pid), Signal::SIGKILL)?;
            }
            until("the other browser gone", LIMIT, async || {
                Ok(scene.browsers().is_empty().then_some(()))
            })
            .await?;
            scene.tell("restart").await
        },
    );
    let row = row.await;
    if let Some(mut other) = other {
        other.kill().await?;
    }
    row
}

async fn stale(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        stop_and_wait(scene).await?;
        let lock = profile(scene).join("SingletonLock");
        // This fails after a clean close, which removes the lock.
        let _ = std::fs::remove_file(&lock);
        symlink("another-container-4711", &lock)?;
        scene.tell("start").await
    };
    scene
        .survive(
            name,
            "a `SingletonLock` of another host, as a recreated container leaves it",
            "connected and synced",
            make,
            nothing,
        )
        .await
}
