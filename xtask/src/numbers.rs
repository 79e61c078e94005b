//! `cargo xtask numbers`: rewrites the plugins' table of numbering plans from the library's
//! metadata. A test fails when this is needed.

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
    step::run_inherited(
        "plugins/number-policy/src/country_table.rs",
        &mut cargo,
        Duration::from_secs(1800),
    )
}
