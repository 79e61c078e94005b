//! Faults of the machine's clock, which is set while the gateway runs. `libfaketime` shows the
//! gateway another time; without the library these faults are listed as not made.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::Result;
use wharf_e2e::{House, Plan};

use crate::{Run, Scene, alone, report::Row, scene::OVERLAY};

const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

const BROWSER: &str = r#"#!/bin/sh
unset LD_PRELOAD
for program in "$CHROMIUM" /usr/lib/chromium/chromium /usr/lib/chromium-browser/chromium-browser /opt/google/chrome/chrome; do
    if [ -x "$program" ]; then exec "$program" "$@"; fi
done
exit 1
"#;

pub(crate) async fn all(run: &mut Run) -> Result<()> {
    alone!(run, "clock set forward a day", forward);
    alone!(run, "clock set back a day", back);
    Ok(())
}

async fn forward(name: &str) -> Result<Row> {
    set(
        name,
        "the clock of the gateway set 24 h forward while it is ready",
        "+86400",
    )
    .await
}

async fn back(name: &str) -> Result<Row> {
    set(
        name,
        "the clock of the gateway set 24 h back while it is ready",
        "-86400",
    )
    .await
}

async fn set(name: &str, made: &'static str, offset: &str) -> Result<Row> {
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
    fs::write(&executable, BROWSER)?;
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
    ];
    let environment = environment
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let overlay = format!("{OVERLAY}executable = {executable:?}\n");
    let house = House::build(Plan {
        overlay,
        environment,
        ..Plan::default()
    })
    .await?;
    let gateway = house.open_linked().await?;
    let mut scene = Scene::new(house, gateway);
    fs::write(&clock, offset)?;
    let recovered = scene.carries_on().await?;
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
