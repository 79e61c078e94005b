//! Tests that the README fits the plugin; see the shared file.

#[path = "../../../tests/plugin_readme.rs"]
mod shared;

type Tested = templates::Templates;

const README: &str = include_str!("../README.md");
