//! The SDK as a package: what `cargo package` makes of it compiles alone, as a component.

use std::time::Duration;

use anyhow::Result;

use crate::{guests, project, step};

/// Packages the SDK and builds the package. Where components are built with Debian's packages, which
/// cargo cannot use for this, the package is built for this machine: then only the bindings are not
/// compiled.
pub(crate) fn run() -> Result<()> {
    guests::ensure()?;
    let mut package = project::cargo();
    // What is packaged is what is checked, also when it is not committed yet.
    package
        .args(["package", "--locked", "--offline", "--allow-dirty"])
        .args(["-p", "wharf-plugin"])
        .args(guests::target_by_rustup())
        .arg("--target-dir")
        .arg(project::target().join("tmp/package"));
    step::run_captured("cargo package", &mut package, Duration::from_secs(600))
}
