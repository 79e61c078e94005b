//! Faults of the machine's clock, which is set while the gateway runs. `libfaketime` shows the
//! gateway another time; without the library these faults are listed as not made.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use wharf::{browser::find_executable, config::BrowserKind};
use wharf_e2e::{House, Plan};

use crate::{Run, Scene, alone, report::Row, scene::OVERLAY};

const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

const DAY: SignedDuration = SignedDuration::from_hours(24);

pub(crate) async fn all(run: &mut Run) -> Result<()> {
    alone!(run, "clock set forward a day", forward);
    alone!(run, "clock set back a day", back);
    Ok(())
}

async fn forward(name: &str) -> Result<Row> {
    set(
        name,
        "the clock of the gateway set 24 h forward while it is ready",
        DAY,
    )
    .await
}

async fn back(name: &str) -> Result<Row> {
    set(
        name,
        "the clock of the gateway set 24 h back while it is ready",
        -DAY,
    )
    .await
}

async fn set(name: &str, made: &'static str, offset: SignedDuration) -> Result<Row> {
    let Some(library) = LIBRARIES.into_iter().find(|path| Path::new(path).is_file()) else {
        let made = "not made in this run: the package faketime is not installed";
        return Ok(Row {
            name: name.into(),
            made,
            said: "-".into(),
            recovered: "-".into(),
            lost: "-",
        });
    };
    let clock = tempfile::NamedTempFile::new()?;
    fs::write(&clock, "+0")?;
    // Chromium does not work with the library preloaded, so a script starts it without.
    let browser = tempfile::tempdir()?;
    let executable = browser.path().join("chromium");
    let chosen = env::var_os("CHROMIUM").map(PathBuf::from);
    let (chromium, _) = find_executable(chosen.as_deref(), BrowserKind::Headless)?;
    fs::write(
        &executable,
        format!("#!/bin/sh\nunset LD_PRELOAD\nexec {chromium:?} \"$@\"\n"),
    )?;
    fs::set_permissions(&executable, fs::Permissions::from_mode(0o755))?;
    let environment = [
        ("LD_PRELOAD", library),
        (
            "FAKETIME_TIMESTAMP_FILE",
            &clock.path().display().to_string(),
        ),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("FAKETIME_ONLY_CMDS", "wharf"),
        ("CHROMIUM", &executable.display().to_string()),
    ];
    let environment = environment
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let house = House::build(Plan {
        overlay: OVERLAY.into(),
        environment,
        ..Plan::default()
    })
    .await?;
    let gateway = house.open_linked().await?;
    let mut scene = Scene::new(house, gateway);
    fs::write(&clock, format!("{:+}", offset.as_secs()))?;
    let recovered = scene.carries_on(name).await?;
    // Without this, the fault would pass where the library shows the gateway the real time.
    let ahead = scene
        .last_accepted()
        .await?
        .duration_since(Timestamp::now());
    ensure!(
        (ahead - offset).abs() < SignedDuration::from_mins(10),
        "the gateway's clock is {ahead:?} ahead instead of {offset:?}"
    );
    let said = scene.says().await?;
    scene.close().await?;
    Ok(Row {
        name: name.into(),
        made,
        said,
        recovered,
        lost: "nothing",
    })
}
