//! A project in JavaScript, built by componentize-js.

use super::{
    plan::{Files, Project},
    wit,
};

/// The files that only a JavaScript project has.
pub(super) fn files(project: &Project) -> Result<Files, String> {
    wit::only_validators(project, "JavaScript")?;
    let source = include_str!("javascript/plugin.js")
        .replace("@NAME@", &project.name)
        .replace("@SUMMARY@", &project.summary());
    // Exactly one version: another may need another form of the source.
    let package = format!(
        r#"{{
  "name": "{}",
  "version": "0.1.0",
  "private": true,
  "type": "module",
  "devDependencies": {{
    "@bytecodealliance/componentize-js": "0.23.0"
  }}
}}
"#,
        project.name
    );
    let mut files = wit::files(project);
    files.push(("plugin.js".into(), source));
    files.push(("package.json".into(), package));
    Ok(files)
}
