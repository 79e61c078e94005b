//! Tests that compare the registry with the WIT package, the SDK and the tables of the
//! documentation.
//!
//! `WHARF_WRITE_DOCS=1 cargo test -p wharf --lib points::docs` writes the tables; without it the
//! test says when they are old.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use super::{ALL, point::Point};

const BEGIN: &str = "<!-- begin: made from the registry of extension points -->\n";
const END: &str = "<!-- end: made from the registry of extension points -->";

/// A page of the documentation, and the function that writes its table.
type Page = (&'static str, fn() -> String);

const TABLES: [Page; 2] = [
    ("../docs/plugins.md", for_plugins_page),
    ("../sdk/README.md", for_sdk_page),
];

fn settings(point: &Point) -> String {
    let keys: Vec<String> = point
        .settings
        .iter()
        .map(|setting| format!("`{}`", setting.key()))
        .collect();
    keys.join(", ")
}

fn for_plugins_page() -> String {
    let mut table = String::from(
        "| extension point | world | trait | since | decides | specific settings |\n|---|---|---|---|---|---|\n",
    );
    for point in ALL {
        let Point {
            interface,
            world,
            sdk_trait,
            since,
            decides,
            ..
        } = point;
        writeln!(
            table,
            "| `{interface}` | `{world}` | `{sdk_trait}` | {since} | {decides} | {} |",
            settings(point)
        )
        .expect("written");
    }
    table
}

fn for_sdk_page() -> String {
    let mut table = String::from("| trait | in `export!` | decides |\n|---|---|---|\n");
    for Point {
        sdk_trait,
        world,
        decides,
        ..
    } in ALL
    {
        writeln!(table, "| [`{sdk_trait}`] | `{world}` | {decides} |").expect("written");
    }
    table
}

#[test]
fn the_documented_tables_are_those_of_the_registry() {
    for (page, table) in TABLES {
        let path = Path::new(page);
        let text = fs::read_to_string(path).expect(page);
        let (head, rest) = text.split_once(BEGIN).expect("the begin marker");
        let (old, tail) = rest.split_once(END).expect("the end marker");
        let new = format!("\n{}\n", table());
        if std::env::var_os("WHARF_WRITE_DOCS").is_some() {
            fs::write(path, format!("{head}{BEGIN}{new}{END}{tail}")).expect("written");
        } else {
            assert!(
                old == new,
                "{page} is old: run WHARF_WRITE_DOCS=1 cargo test -p wharf --lib points::docs"
            );
        }
    }
}

/// The WIT files of the compatibility line, each as a list of lines.
fn wit() -> Vec<Vec<String>> {
    let files = fs::read_dir("../wit/v0.2")
        .expect("the package")
        .map(|file| file.expect("a file").path());
    files
        .map(|path| {
            fs::read_to_string(path)
                .expect("text")
                .lines()
                .map(|line| line.trim().to_owned())
                .collect()
        })
        .collect()
}

/// The lines between `kind name {` and its closing brace.
fn block(files: &[Vec<String>], kind: &str, name: &str) -> Option<Vec<String>> {
    let opening = format!("{kind} {name} {{");
    let file = files.iter().find(|file| file.contains(&opening))?;
    let mut depth = 0;
    let lines = file
        .iter()
        .skip_while(|line| **line != opening)
        .take_while(|line| {
            depth += line.matches('{').count();
            depth -= line.matches('}').count();
            depth > 0
        });
    Some(lines.skip(1).cloned().collect())
}

#[test]
fn every_extension_point_has_an_interface_and_a_world_and_no_other_exists() {
    let files = wit();
    let imported: BTreeSet<String> = block(&files, "world", "imports")
        .expect("what the host offers")
        .into_iter()
        .collect();
    let mut known: BTreeSet<&str> = BTreeSet::from(["lifecycle"]);
    for point in ALL {
        let functions = block(&files, "interface", point.interface)
            .unwrap_or_else(|| panic!("{} is not in the package", point.interface));
        assert!(
            functions.iter().any(|line| line.contains(": func(")),
            "{} has no function",
            point.interface
        );
        let world = block(&files, "world", point.world)
            .unwrap_or_else(|| panic!("the world {} is not in the package", point.world));
        assert_eq!(
            world,
            [
                "include imports;".to_owned(),
                "export lifecycle;".into(),
                format!("export {};", point.interface)
            ],
            "{}",
            point.world
        );
        assert!(
            known.insert(point.interface),
            "{} is registered twice",
            point.interface
        );
    }
    for name in files
        .iter()
        .flatten()
        .filter_map(|line| line.strip_prefix("interface ")?.strip_suffix(" {"))
    {
        let functions = block(&files, "interface", name)
            .expect("an interface")
            .iter()
            .any(|line| line.contains(": func("));
        let by_host = imported.contains(&format!("import {name};"));
        assert!(
            !functions || by_host || known.contains(name),
            "the interface {name} has functions and is no extension point of the registry"
        );
    }
}

#[test]
fn every_extension_point_is_one_of_the_sdk_by_the_same_words() {
    for Point {
        interface,
        world,
        sdk_trait,
        ..
    } in ALL
    {
        let file = format!("../sdk/src/points/{world}.rs");
        let text = fs::read_to_string(&file).expect(&file);
        for part in [
            format!("pub trait {sdk_trait}: Plugin"),
            format!("export wharf:plugin/{interface}@0.2.0;"),
        ] {
            assert!(text.contains(&part), "{file} has no {part:?}");
        }
    }
}

#[test]
fn no_extension_point_is_promised_of_a_later_release() {
    let number = |version: &str| {
        version
            .split('.')
            .map(|part| part.parse().expect("a number"))
            .collect::<Vec<u32>>()
    };
    for point in ALL {
        assert!(
            number(point.since) <= number(env!("CARGO_PKG_VERSION")),
            "{} since {}",
            point.interface,
            point.since
        );
    }
}
