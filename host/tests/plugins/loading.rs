//! Plugins that are refused at the start, and the words of the refusal.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Place, assert_serves_on, cache, guest};

/// Checks that an entry is refused with these words in the reason, and that the others load when it
/// is not required.
async fn assert_refused(place: &Place, name: &str, settings: &str, words: &[&str]) {
    let entry = format!("[[plugin]]\nname = \"{name}\"\n{settings}\n");
    let good = "[[plugin]]\nname = \"good\"\n";
    let error = place
        .load(&format!("{entry}{good}"))
        .await
        .expect_err(name)
        .to_string();
    for word in words.iter().chain(&[name]) {
        assert!(error.contains(word), "{name}: {word:?} is not in: {error}");
    }

    let host = place
        .load(&format!(
            "{}{good}",
            entry.replace("[[plugin]]", "[[plugin]]\nrequired = false")
        ))
        .await
        .expect("the rest loads");
    let state = host.reports()[0].state.to_string();
    assert!(
        words.iter().all(|word| state.contains(word)),
        "{name}: the report says {state}"
    );
    assert_serves_on(&host).await;
}

#[tokio::test]
async fn a_component_of_the_wrong_shape_is_named_with_what_is_wrong() {
    let place = Place::with(&[
        "good.wasm",
        "wrong_version.wasm",
        "no_lifecycle.wasm",
        "no_points.wasm",
        "foreign_import.wasm",
    ])
    .await;
    assert_refused(&place, "wrong-version", "", &["0.3.0", "0.1.x and 0.2.x"]).await;
    assert_refused(&place, "no-lifecycle", "", &["lifecycle"]).await;
    assert_refused(
        &place,
        "no-points",
        "",
        &[
            "send-validation",
            "message-templating",
            "event-notification",
        ],
    )
    .await;
    assert_refused(&place, "foreign-import", "", &["test:guests/telepathy"]).await;
}

/// Every function of every interface that a plugin can export.
const FUNCTIONS: [(&str, &str); 8] = [
    ("lifecycle", "describe"),
    ("lifecycle", "configure"),
    ("send-validation", "validate"),
    ("message-templating", "templates"),
    ("message-templating", "render"),
    ("event-notification", "route"),
    ("event-notification", "request"),
    ("event-notification", "judge"),
];

/// The component with a function renamed everywhere, as if its author had misspelt it.
fn without(component: &[u8], function: &str) -> Vec<u8> {
    let (name, mut other) = (function.as_bytes(), function.as_bytes().to_vec());
    other.reverse();
    let (mut changed, mut at) = (component.to_vec(), 0);
    while at + name.len() <= changed.len() {
        if &changed[at..at + name.len()] == name {
            changed[at..at + name.len()].copy_from_slice(&other);
        }
        at += 1;
    }
    changed
}

#[tokio::test]
async fn a_component_that_lacks_a_function_of_an_interface_it_names_is_refused() {
    let place = Place::with(&["good.wasm", "no_validate.wasm"]).await;
    for (interface, function) in FUNCTIONS {
        let less = without(&guest("good.wasm"), function);
        std::fs::write(place.dir.path().join("plugins/less.wasm"), less).expect("a component");
        assert_refused(&place, "less", "", &[interface, &format!("`{function}`")]).await;
    }
    assert_refused(
        &place,
        "no-validate",
        "",
        &["send-validation", "`validate`"],
    )
    .await;
}

#[test]
fn no_function_of_the_package_is_forgotten() {
    let mut exported = Vec::new();
    for file in std::fs::read_dir("../wit/v0.2").expect("the package") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
        let mut interface = "";
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("interface ") {
                interface = name.trim_end_matches(" {");
            }
            if let Some((name, _)) = line.split_once(": func(")
                && FUNCTIONS.iter().any(|(known, _)| *known == interface)
            {
                exported.push((interface.to_owned(), name.to_owned()));
            }
        }
    }
    exported.sort();
    let mut known = FUNCTIONS
        .map(|(interface, function)| (interface.to_owned(), function.to_owned()))
        .to_vec();
    known.sort();
    assert_eq!(exported, known);
}

#[tokio::test]
async fn a_file_that_is_no_component_is_named_with_what_to_do() {
    let place = Place::with(&["good.wasm"]).await;
    let plugins = place.dir.path().join("plugins");
    std::fs::write(plugins.join("core.wasm"), b"\0asm\x01\0\0\0").expect("a core module");
    std::fs::write(plugins.join("text.wasm"), b"(component)").expect("a text");
    std::fs::write(plugins.join("native.wasm"), b"\x7fELF").expect("native code");
    std::fs::write(plugins.join("cut.wasm"), &guest("good.wasm")[..2000])
        .expect("half a component");
    std::fs::write(place.dir.path().join("outside.wasm"), guest("good.wasm"))
        .expect("a component elsewhere");
    assert_refused(&place, "core", "", &["core module", "wasm32-wasip2"]).await;
    assert_refused(&place, "text", "", &["not"]).await;
    assert_refused(&place, "native", "", &["not"]).await;
    assert_refused(&place, "cut", "", &[]).await;
    assert_refused(&place, "number-policy", "", &["cargo xtask plugins"]).await;
    assert_refused(&place, "outside", "file = \"../outside.wasm\"", &["file"]).await;
}

#[tokio::test]
async fn an_entry_that_does_not_fit_its_file_is_named() {
    let place = Place::with(&["good.wasm", "odd.wasm"]).await;
    let pin = format!("sha256 = \"{}\"", "0".repeat(64));
    assert_refused(&place, "best", "file = \"good.wasm\"", &["\"good\""]).await;
    assert_refused(
        &place,
        "odd",
        &format!("{pin}\nconfig.behaviour = \"allow\""),
        &["SHA-256", "0000"],
    )
    .await;
    assert_refused(
        &place,
        "odd",
        "config.behaviour = \"allow\"\ngrants.http = [\"hooks.example.org/x\"]",
        &["grants.http", "hooks.example.org/x"],
    )
    .await;
    assert_refused(
        &place,
        "odd",
        "sessions = [\"shop*\"]\nconfig.behaviour = \"allow\"",
        &["sessions", "shop*"],
    )
    .await;
    assert_refused(
        &place,
        "odd",
        "sessions = []\nconfig.behaviour = \"allow\"",
        &["sessions"],
    )
    .await;
    let error = place
        .load("[[plugin]]\nname = \"good\"\n[[plugin]]\nname = \"good\"\n")
        .await
        .expect_err("two of one name")
        .to_string();
    assert!(error.contains("good"), "{error}");
}

#[tokio::test]
async fn a_bad_config_is_named_key_by_key() {
    let place = Place::with(&["good.wasm", "odd.wasm", "bad_schema.wasm"]).await;
    assert_refused(
        &place,
        "odd",
        "config.behaviour = 7\nconfig.typo = true",
        &["/behaviour", "typo"],
    )
    .await;
    assert_refused(&place, "odd", "", &["behaviour"]).await;
    assert_refused(
        &place,
        "odd",
        "config.behaviour = \"refuse-config\"",
        &["/behaviour", "nobody may ask for that"],
    )
    .await;
    assert_refused(&place, "bad-schema", "", &["schema"]).await;
}

#[tokio::test]
async fn a_plugin_that_hangs_at_the_start_does_not_hang_the_gateway() {
    let place = Place::with(&["good.wasm", "odd.wasm", "stuck.wasm"]).await;
    assert_refused(&place, "stuck", "cpu = \"50ms\"", &["describe", "over_cpu"]).await;
    assert_refused(
        &place,
        "odd",
        "cpu = \"50ms\"\nconfig.behaviour = \"spin-in-configure\"",
        &["configure", "over_cpu"],
    )
    .await;
}

#[tokio::test]
async fn the_report_names_every_plugin_and_every_file() {
    let place = Place::with(&["good.wasm", "odd.wasm", "no_points.wasm"]).await;
    let host = place
        .load("[[plugin]]\nname = \"good\"\n[[plugin]]\nname = \"odd\"\nenabled = false\n")
        .await
        .expect("loads");
    let reports = host.reports();
    let lines: Vec<String> = reports
        .iter()
        .map(|report| format!("{} {}", report.name, report.state))
        .collect();
    assert_eq!(
        lines,
        [
            "good loaded",
            "odd disabled",
            "no_points available, not enabled"
        ]
    );
    assert_eq!(reports[0].version, "1.2.3");
    assert_eq!(
        reports[0].points,
        [
            "send-validation",
            "message-templating",
            "event-notification"
        ]
    );
    assert_eq!(reports[0].component.as_ref().map(String::len), Some(64));
    let json = serde_json::to_value(reports).expect("JSON");
    assert_eq!(json[0]["name"], "good");
}

#[tokio::test]
async fn compiled_code_is_kept_where_nobody_else_can_write() {
    let place = Place::with(&["good.wasm"]).await;
    place
        .load("[[plugin]]\nname = \"good\"\n")
        .await
        .expect("loads");
    let mode = cache()
        .metadata()
        .expect("a cache folder")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(
        cache().read_dir().expect("a folder").next().is_some(),
        "nothing was kept"
    );
}
