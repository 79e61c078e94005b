//! `wharf plugin new`: makes a project anywhere, with one rule that works, its test cases, and a
//! `gateway.toml` with which both the workbench and a gateway load it.
//!
//! A Rust project uses the SDK. The other languages get the WIT package, which is embedded in this
//! program, so the contract of a project is the one of the gateway that it was made with.

mod javascript;
mod plan;
mod python;
mod rust;
mod sdk;
mod shared;
mod wit;

use std::{collections::BTreeSet, fs, path::Path};

use self::plan::Project;
use super::{output::Output, project};
use crate::cli::{Language, New, Point};

/// Makes the project.
pub(super) fn project(new: &New, say: Output<'_>) -> Result<(), String> {
    let name = match &new.name {
        Some(name) => name.clone(),
        None => folder_name(&new.folder)?,
    };
    project::check_name(&name).map_err(|error| match new.name {
        Some(_) => format!("--name: {error}"),
        None => format!("the folder's name is the plugin's: {error}; --name gives another name"),
    })?;
    let points = match new.points.as_slice() {
        [] => BTreeSet::from([Point::Validator]),
        points => points.iter().copied().collect(),
    };
    let project = Project { name, points };
    if new.language != Language::Rust && new.sdk.is_some() {
        return Err("--sdk is for Rust; the other languages use the WIT package, which is copied into the project".into());
    }
    let mut files = match new.language {
        Language::Rust => rust::files(&project, &sdk::dependency(new.sdk.as_deref())?),
        Language::Python => python::files(&project)?,
        Language::Javascript => javascript::files(&project)?,
    };
    files.extend(shared::files(&project, new.language));
    must_be_empty(&new.folder)?;
    for (path, text) in &files {
        write(&new.folder.join(path), text)?;
    }
    let folder = new.folder.display();
    say(&format!(
        "{folder}: a plugin called {}, in {} files",
        project.name,
        files.len()
    ));
    let next: Vec<&str> = shared::setup(new.language)
        .into_iter()
        .chain(["wharf plugin test"])
        .collect();
    say(&format!("next: cd {folder} && {}", next.join(" && ")));
    Ok(())
}

fn folder_name(folder: &Path) -> Result<String, String> {
    // `.` and `..` have a name only once they are resolved.
    let whole = match folder.file_name() {
        Some(_) => folder.to_owned(),
        None => {
            fs::canonicalize(folder).map_err(|error| format!("{}: {error}", folder.display()))?
        }
    };
    match whole.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(name.to_owned()),
        None => Err(format!(
            "{} has no name that a plugin could have; --name gives one",
            folder.display()
        )),
    }
}

fn must_be_empty(folder: &Path) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    if !folder.exists() {
        return Ok(());
    }
    match fs::read_dir(folder).map_err(wrong)?.next() {
        None => Ok(()),
        Some(_) => Err(format!(
            "{} is not empty; a project is made in a new or an empty folder, so that no file is replaced",
            folder.display()
        )),
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}
