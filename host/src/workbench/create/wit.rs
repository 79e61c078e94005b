//! The WIT package, for languages whose tools read it.

use std::fmt::Write;

use super::plan::{Files, Project};
use crate::{cli::Point, workbench::input};

/// The files of `wit/v0.2`. A test compares the list with the folder.
const PACKAGE: [(&str, &str); 8] = [
    ("calls.wit", include_str!("../../../../wit/v0.2/calls.wit")),
    (
        "event-notification.wit",
        include_str!("../../../../wit/v0.2/event-notification.wit"),
    ),
    ("host.wit", include_str!("../../../../wit/v0.2/host.wit")),
    (
        "lifecycle.wit",
        include_str!("../../../../wit/v0.2/lifecycle.wit"),
    ),
    (
        "message-templating.wit",
        include_str!("../../../../wit/v0.2/message-templating.wit"),
    ),
    (
        "messages.wit",
        include_str!("../../../../wit/v0.2/messages.wit"),
    ),
    (
        "package.wit",
        include_str!("../../../../wit/v0.2/package.wit"),
    ),
    (
        "send-validation.wit",
        include_str!("../../../../wit/v0.2/send-validation.wit"),
    ),
];

/// The package below `wit/`, with a world `plugin` that has the points of the project.
pub(super) fn files(project: &Project) -> Files {
    let package = PACKAGE
        .iter()
        .map(|(name, text)| (format!("wit/{name}"), (*text).to_owned()));
    let mut world = String::from("/// The world of this plugin.\nworld plugin {\n");
    for point in &project.points {
        // Writing into a String cannot fail.
        let _ = writeln!(world, "  include {};", input::name(*point));
    }
    world.push_str("}\n");
    package
        .chain([("wit/plugin.wit".to_owned(), world)])
        .collect()
}

/// The error for points that the project of a language does not have.
pub(super) fn only_validators(project: &Project, language: &str) -> Result<(), String> {
    match project
        .points
        .iter()
        .find(|point| **point != Point::Validator)
    {
        None => Ok(()),
        Some(other) => Err(format!(
            "`new` has no {} in {language}, only a validator; make one, and add the functions of the other point by hand: wit/plugin.wit names the worlds",
            input::name(*other)
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::PACKAGE;

    #[test]
    fn the_package_is_embedded_whole() {
        let folder = fs::read_dir("../wit/v0.2").expect("the package");
        let files: BTreeMap<String, String> = folder
            .map(|entry| {
                let path = entry.expect("an entry").path();
                let name = path.file_name().expect("a name").to_string_lossy();
                (name.into_owned(), fs::read_to_string(&path).expect("text"))
            })
            .collect();
        let embedded: BTreeMap<String, String> = PACKAGE
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        assert_eq!(embedded, files);
    }
}
