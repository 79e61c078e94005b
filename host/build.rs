//! Takes the assets of the reference page (`/docs`) out of the archive of Swagger UI that its crate
//! carries, so that nothing is fetched: not by the build, and not by the browser that shows the
//! page.
//!
//! The archive is read here: a crate for archives brings a second set of features of `syn`, and
//! with it another build of wasmtime.

use std::{env, error::Error, fs, io::Read, path::PathBuf};

use flate2::read::DeflateDecoder;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

/// What the page needs, by the end of its path in the archive, and the licence under which it may
/// be handed on.
const ASSETS: [&str; 4] = [
    "/dist/swagger-ui-bundle.js",
    "/dist/swagger-ui.css",
    "/LICENSE",
    "/NOTICE",
];

/// How an entry of the archive's directory begins, and an entry itself.
const DIRECTORY: &[u8] = b"PK\x01\x02";
const ENTRY: &[u8] = b"PK\x03\x04";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    for asset in ASSETS {
        let text = unpacked(SWAGGER_UI_VENDORED, asset)
            .ok_or_else(|| format!("the archive of Swagger UI has no {asset}"))?;
        fs::write(out.join(asset.rsplit('/').next().unwrap_or(asset)), text)?;
    }
    Ok(())
}

/// The text of the entry below the archive's one folder whose path ends so.
fn unpacked(archive: &[u8], path: &str) -> Option<String> {
    let places = archive
        .windows(DIRECTORY.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == DIRECTORY)
        .map(|(place, _)| place);
    let place = places.into_iter().find(|place| {
        name(archive, *place).is_some_and(|name| {
            name.split_once('/')
                .is_some_and(|(_, rest)| rest == &path[1..])
        })
    })?;
    let (packed, entry) = (
        number(archive, place + 20, 4)?,
        number(archive, place + 42, 4)?,
    );
    if archive.get(entry..entry + ENTRY.len())? != ENTRY {
        return None;
    }
    let start = entry + 30 + number(archive, entry + 26, 2)? + number(archive, entry + 28, 2)?;
    let bytes = archive.get(start..start + packed)?;
    let mut text = String::new();
    match number(archive, place + 10, 2)? {
        0 => text.push_str(std::str::from_utf8(bytes).ok()?),
        8 => drop(DeflateDecoder::new(bytes).read_to_string(&mut text).ok()?),
        _ => return None,
    }
    Some(text)
}

/// The path of an entry of the directory.
fn name(archive: &[u8], place: usize) -> Option<&str> {
    let length = number(archive, place + 28, 2)?;
    std::str::from_utf8(archive.get(place + 46..place + 46 + length)?).ok()
}

/// A number of so many bytes.
fn number(archive: &[u8], place: usize, bytes: usize) -> Option<usize> {
    let bytes = archive.get(place..place + bytes)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | usize::from(*byte)),
    )
}
