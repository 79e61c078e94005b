//! Where the Rust SDK of a new project is.
//!
//! It is looked for beside this program: an installation has it in `share/wharf/sdk`, and a program
//! that cargo has built lies in the repository. No path is compiled in, because that of the machine
//! on which the program was built means nothing elsewhere.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The value of the dependency in `Cargo.toml`.
pub(super) fn dependency(given: Option<&str>) -> Result<String, String> {
    match given {
        Some(url) if url.contains("://") => Ok(format!("{{ git = {url:?} }}")),
        Some(path) => {
            let path = Path::new(path);
            if !is_sdk(path) {
                return Err(format!(
                    "--sdk: {} is not the SDK: it has no Cargo.toml of wharf-plugin; give the folder `sdk` of Wharf's repository, or the URL of the repository",
                    path.display()
                ));
            }
            of_path(path)
        }
        None => of_path(&found()?),
    }
}

fn of_path(path: &Path) -> Result<String, String> {
    let whole = fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.display()))?;
    match whole.to_str() {
        Some(text) => Ok(format!("{{ path = {text:?} }}")),
        None => Err(format!(
            "{}: Cargo.toml can only name a path that is UTF-8",
            whole.display()
        )),
    }
}

fn found() -> Result<PathBuf, String> {
    let program = env::current_exe().and_then(fs::canonicalize);
    let program = program.map_err(|error| format!("where this program is: {error}"))?;
    let places = places(&program);
    places.into_iter().find(|place| is_sdk(place)).ok_or_else(|| {
        "the Rust SDK is not beside this program; --sdk takes the folder `sdk` of Wharf's repository, or the URL of the repository".to_owned()
    })
}

/// The places where the SDK of a program may be, the installed one first.
fn places(program: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(bin) = program.parent().filter(|folder| folder.ends_with("bin")) {
        places.push(bin.join("../share/wharf/sdk"));
    }
    places.extend(program.ancestors().skip(1).map(|folder| folder.join("sdk")));
    places
}

fn is_sdk(folder: &Path) -> bool {
    fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|text| text.contains("name = \"wharf-plugin\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_is_given_or_beside_the_program() {
        assert_eq!(
            dependency(Some("https://example.org/wharf")).as_deref(),
            Ok("{ git = \"https://example.org/wharf\" }")
        );
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let built = places(&repository.join("target/debug/wharf"));
        assert!(
            built.iter().any(|place| is_sdk(place)),
            "a program that cargo has built finds the SDK of the repository: {built:?}"
        );
        let error = dependency(Some("/nowhere")).expect_err("not the SDK");
        assert!(error.contains("/nowhere is not the SDK"), "{error}");
        let places = places(Path::new("/opt/bin/wharf"));
        assert_eq!(
            places.first().map(PathBuf::as_path),
            Some(Path::new("/opt/bin/../share/wharf/sdk"))
        );
    }
}
