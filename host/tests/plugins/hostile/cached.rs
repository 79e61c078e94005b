//! Files that somebody has exchanged: the plugin's own, and its compiled code in the cache.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use wharf::{
    config::Config,
    plugins::{PluginHost, PluginReport, PluginState},
};

use super::{
    page::{self, Row, Section},
    wat::{Parts, component},
};
use crate::support::{Place, assert_serves_on, guest};

async fn load(place: &Place, cache: &Path, entries: &str) -> PluginHost {
    let mut config: Config = toml::from_str(entries).expect("a config");
    config.plugins.dir = place.plugins();
    let loaded = PluginHost::load(
        &config.plugins,
        &config.plugin,
        cache,
        Arc::clone(&place.store),
        Arc::new(|_: &str| None),
    );
    loaded.await.expect("`good` loads")
}

fn entry(cache: &Path, component: &[u8]) -> PathBuf {
    let name = hex::encode(Sha256::digest(component));
    fs::read_dir(cache)
        .expect("the cache")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.to_string_lossy().contains(&name))
        .expect("compiled code")
}

const ENTRIES: &str =
    "[[plugin]]\nname = \"good\"\n[[plugin]]\nname = \"other\"\nsessions = [\"other\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanged_files_are_found() {
    let place = Place::with(&["good.wasm"]).await;
    let cache = place.dir.path().join("cache");
    let other = component("other", &Parts::default());
    fs::write(place.plugins().join("other.wasm"), &other).expect("a file");
    // Compiles both once.
    load(&place, &cache, ENTRIES).await;
    let good = entry(&cache, &guest("good.wasm"));
    let code = fs::read(&good).expect("code");
    let of_other = fs::read(entry(&cache, &other)).expect("code");
    let mut flipped = code.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let mut rows = vec![];
    let tampered: [(&str, &[u8]); 6] = [
        ("changes one bit of its compiled code", &flipped),
        (
            "replaces its compiled code by that of another plugin, with the tag of that",
            &of_other,
        ),
        (
            "exchanges the code behind the tag",
            &[&code[..32], &of_other[32..]].concat(),
        ),
        ("cuts its compiled code off", &code[..code.len() / 2]),
        ("leaves a file of no bytes", b""),
        (
            "puts native code there",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\xf3\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ),
    ];
    for (does, planted) in tampered {
        fs::write(&good, planted).expect("planted");
        let host = load(&place, &cache, ENTRIES).await;
        assert_serves_on(&host).await;
        assert_ne!(fs::read(&good).expect("compiled again"), planted, "{does}");
        rows.push(row(
            does,
            "the tag of each entry, under a key that only the gateway can read",
            "compiled again, and works",
        ));
    }
    fs::write(cache.join("key"), [7; 32]).expect("another key");
    let host = load(&place, &cache, ENTRIES).await;
    assert_serves_on(&host).await;
    rows.push(row(
        "replaces the key of the cache",
        "a key that others could know is valid for nothing",
        "compiled again, and works",
    ));
    rows.extend(names(&place, &cache).await);
    page::check(Section::Files, rows);
}

fn row(does: &str, stopped_by: &str, seen: &str) -> Row {
    Row {
        does: does.to_owned(),
        stopped_by: stopped_by.to_owned(),
        seen: seen.to_owned(),
    }
}

/// Entries and files that lead elsewhere.
async fn names(place: &Place, cache: &Path) -> Vec<Row> {
    let plugins = place.plugins();
    fs::write(place.dir.path().join("outside.wasm"), guest("good.wasm")).expect("a file");
    symlink("/etc/passwd", plugins.join("passwd.wasm")).expect("a link");
    symlink("/dev/zero", plugins.join("zero.wasm")).expect("a link");
    symlink("loop.wasm", plugins.join("loop.wasm")).expect("a link");
    fs::create_dir(plugins.join("folder.wasm")).expect("a folder");
    let pin = hex::encode(Sha256::digest(guest("good.wasm")));
    let replaced = component("replaced", &Parts::default());
    fs::write(plugins.join("replaced.wasm"), replaced).expect("a file");
    let inside = "`file` names a file of the plugin folder";
    let kind = "only regular files are read";
    let cases: [(&str, String, &str, &str, &str); 8] = [
        (
            "up",
            "file = \"../outside.wasm\"".into(),
            "lies in the folder above",
            inside,
            "without a path",
        ),
        (
            "absolute",
            format!("file = {:?}", place.dir.path().join("outside.wasm")),
            "lies anywhere, by a whole path",
            inside,
            "without a path",
        ),
        (
            "../outside",
            String::new(),
            "has a name that leads to the folder above",
            inside,
            "without a path",
        ),
        (
            "passwd",
            String::new(),
            "is a link to a file of the system",
            "the first bytes of the file",
            "not WebAssembly",
        ),
        (
            "zero",
            String::new(),
            "is a link to a device that never ends",
            kind,
            "device",
        ),
        (
            "loop",
            String::new(),
            "is a link to itself",
            kind,
            "symbolic link",
        ),
        ("folder", String::new(), "is a folder", kind, "folder"),
        (
            "replaced",
            format!("sha256 = \"{pin}\""),
            "was replaced by another component after it was pinned",
            "the pin (`sha256`)",
            "SHA-256",
        ),
    ];
    let mut rows = vec![];
    for (name, settings, does, stopped_by, words) in cases {
        let entries = format!(
            "[[plugin]]\nname = \"{name}\"\nrequired = false\n{settings}\n[[plugin]]\nname = \"good\"\n"
        );
        let host = load(place, cache, &entries).await;
        let report: PluginReport = host.reports().swap_remove(0);
        let PluginState::Failed(reason) = &report.state else {
            panic!("{name}: {:?}", report.state)
        };
        assert!(
            reason.contains(words),
            "{name}: {words:?} is not in: {reason}"
        );
        assert!(!reason.contains("root:"), "{name} quotes the file");
        assert_serves_on(&host).await;
        let folder = place.dir.path().display().to_string();
        let mut seen = format!("not loaded: {}", reason.replace(&folder, "…"));
        if name == "replaced" {
            seen = "not loaded: the file's SHA-256 is not the one that `sha256` says".into();
        }
        rows.push(row(does, stopped_by, &seen));
    }
    rows
}
