//! Takes the assets of the reference page (`/docs`) out of the archive of Swagger UI that its crate carries, so that nothing
//! is fetched: not by the build, and not by the browser that shows the page.

use std::{
    env,
    error::Error,
    fs,
    io::{Cursor, Read},
    path::PathBuf,
};

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

/// What the page needs, by the end of its path in the archive, and the licence under which it may be handed on.
const ASSETS: [&str; 4] = ["dist/swagger-ui-bundle.js", "dist/swagger-ui.css", "LICENSE", "NOTICE"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    let folder = archive.file_names().find_map(|name| name.split('/').next()).ok_or("the archive of Swagger UI is empty")?.to_owned();
    for asset in ASSETS {
        let mut text = String::new();
        archive.by_name(&format!("{folder}/{asset}"))?.read_to_string(&mut text)?;
        let name = asset.rsplit('/').next().unwrap_or(asset);
        fs::write(out.join(name), text)?;
    }
    Ok(())
}
