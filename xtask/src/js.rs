//! `cargo xtask js`: checks the types of the bridge, and lints every script of this repository that
//! runs in a browser.
//!
//! The files of the bridge become one script, and so do those of the stand-in's page, so each
//! folder has one scope. TypeScript checks them that way, but the linter looks at single files. The
//! rules about unused and undeclared names are therefore checked on a joined script.

use std::{env, fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::{project, step, test};

const LIMIT: Duration = Duration::from_secs(120);
/// The folders with scripts for a browser.
const FOLDERS: [&str; 3] = [
    "host/src/whatsapp/bridge",
    "host/src/api/helper",
    "tests/standin/page",
];
/// The joined scripts: name, folder, and the files of the folder that do not belong to it.
const SCRIPTS: [(&str, &str, &[&str]); 2] = [
    ("bridge.js", "host/src/whatsapp/bridge", &[]),
    ("standin-page.js", "tests/standin/page", &["loader.js"]),
];

pub(crate) fn run() -> Result<()> {
    test::install("checks of JavaScript from npm", "tests/js")?;
    step::run_inherited(
        "tsc on the bridge",
        tool("tsc").args(["-p", "tests/js"]),
        LIMIT,
    )?;
    // oxlint passes over a folder that is not there.
    for folder in FOLDERS {
        ensure!(
            project::root().join(folder).is_dir(),
            "{folder}, whose scripts are to be checked, is no folder"
        );
    }
    step::run_inherited(
        "oxlint",
        tool("oxlint")
            .args(["-c", "tests/js/oxlint.json", "--deny-warnings"])
            .args(FOLDERS),
        LIMIT,
    )?;
    let whole = env::temp_dir().join(format!("wharf-js-{}", std::process::id()));
    fs::create_dir_all(&whole).with_context(|| format!("cannot make {}", whole.display()))?;
    let checked = check_whole(&whole);
    fs::remove_dir_all(&whole).with_context(|| format!("cannot remove {}", whole.display()))?;
    checked
}

fn tool(name: &str) -> Command {
    let mut command = Command::new(
        project::root()
            .join("tests/js/node_modules/.bin")
            .join(name),
    );
    command.current_dir(project::root());
    command
}

fn check_whole(folder: &Path) -> Result<()> {
    for (name, files, without) in SCRIPTS {
        fs::write(
            folder.join(name),
            joined(&project::root().join(files), without)?,
        )?;
    }
    let mut lint = tool("oxlint");
    lint.args(["-c", "tests/js/oxlint-whole.json", "--deny-warnings"])
        .arg(folder);
    step::run_inherited("oxlint on whole scripts", &mut lint, LIMIT)
}

/// Joins the files of a folder into one closure. Their order differs from that of the real script,
/// which does not matter to these rules.
fn joined(folder: &Path, without: &[&str]) -> Result<String> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.retain(|path| {
        path.extension().is_some_and(|end| end == "js")
            && !without.iter().any(|name| path.ends_with(name))
    });
    paths.sort();
    let mut script = String::from("(() => {\n");
    for path in paths {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        script += &format!(
            "// {}\n{text}\n",
            path.file_name().unwrap_or_default().to_string_lossy()
        );
    }
    Ok(script + "})();\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_folder_share_one_scope() {
        let folder = tempfile::tempdir().expect("tempdir");
        for (name, text) in [
            ("b.js", "two();"),
            ("a.js", "one();"),
            ("c.d.ts", "no"),
            ("loader.js", "no"),
        ] {
            fs::write(folder.path().join(name), text).expect("written");
        }
        assert_eq!(
            joined(folder.path(), &["loader.js"]).expect("joined"),
            "(() => {\n// a.js\none();\n// b.js\ntwo();\n})();\n"
        );
    }
}
