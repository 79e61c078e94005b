//! A project in Python, built by componentize-py.

use super::{
    plan::{Files, Project},
    wit,
};

/// The files that only a Python project has.
pub(super) fn files(project: &Project) -> Result<Files, String> {
    wit::only_validators(project, "Python")?;
    let source = include_str!("python/plugin.py")
        .replace("@NAME@", &project.name)
        .replace("@SUMMARY@", &project.summary());
    let mut files = wit::files(project);
    files.push(("plugin.py".into(), source));
    Ok(files)
}
