//! `cargo xtask numbers`: what the gateway's plugins know of numbering plans, written anew from the
//! library's metadata. A test says when it has to be.

use std::time::Duration;

use anyhow::Result;

use crate::{project, step};

pub(crate) fn run() -> Result<()> {
    let mut cargo = project::cargo();
    cargo
        .args([
            "test",
            "--package",
            "number-policy",
            "--test",
            "country_table",
        ])
        .env("WHARF_WRITE_DOCS", "1");
    step::loud(
        "plugins/number-policy/src/country_table.rs",
        &mut cargo,
        Duration::from_secs(1800),
    )
}
