//! Manipulated files of plugins: their folder, the cache of their compiled code, and components
//! that take too much to load.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use nix::{sys::stat::Mode, unistd::mkfifo};
use sha2::{Digest, Sha256};
use wharf_e2e::{Gateway, House, Plan, house::guests};

use super::{
    Area,
    files::{SOON, logged, mode, says, set_mode},
    held,
};
use crate::callers::refusal;

/// A gateway with its plugins in `mine` and their cache in `cache`, both in its own folder.
fn with_plugins(more: &str, entries: &str) -> Plan {
    let plugins = format!("[plugins]\ndir = 'mine'\ncache = 'cache'\n{more}\n{entries}");
    Plan {
        overlay: format!(
            "{}{plugins}",
            if entries.is_empty() {
                "plugin = []\n"
            } else {
                ""
            }
        ) + "[browser]\nexecutable = '/nowhere/chromium'\n",
        ..Plan::default()
    }
}

#[tokio::test]
async fn a_cache_that_is_shared_on_purpose_is_refused() -> Result<()> {
    let house = House::build(with_plugins("", "")).await?;
    let cache = house.folder().join("cache");
    fs::create_dir(&cache)?;
    set_mode(&cache, 0o1777)?;
    says(
        &refusal(&house).await?,
        &["cache of compiled plugins", "1777", "[plugins] cache"],
    )?;
    set_mode(&cache, 0o777)?;
    let gateway = house.open().await?;
    ensure!(mode(&cache)? == 0o700, "{:o}", mode(&cache)?);
    logged(&gateway, &["cache of compiled plugins", "stood open"]).await?;
    held(
        Area::Files,
        "a cache of compiled plugins that every user can write",
        "the gateway makes it private at the start; if it is shared on purpose (sticky, such as /tmp), the gateway does not start",
    )
}

/// The file of a plugin in the cache.
fn entry(cache: &Path, plugin: &Path) -> Result<PathBuf> {
    let sha256 = hex::encode(Sha256::digest(fs::read(plugin)?));
    let found = fs::read_dir(cache)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&sha256))
        });
    found.with_context(|| format!("{} has no entry in {}", plugin.display(), cache.display()))
}

#[tokio::test]
async fn replaced_code_of_a_pinned_plugin_is_never_run() -> Result<()> {
    let pin = hex::encode(Sha256::digest(fs::read(guests().join("good.wasm"))?));
    let entries = format!(
        "[[plugin]]\nname = 'good'\nsha256 = '{pin}'\n[[plugin]]\nname = 'odd'\nconfig.behaviour = 'allow'\n"
    );
    let house = House::build(with_plugins("", &entries)).await?;
    let (mine, cache) = (house.folder().join("mine"), house.folder().join("cache"));
    fs::create_dir(&mine)?;
    for guest in ["good.wasm", "odd.wasm"] {
        fs::copy(guests().join(guest), mine.join(guest))?;
    }
    house.open().await?.stop(SOON).await?;
    let (good, odd) = (
        entry(&cache, &mine.join("good.wasm"))?,
        entry(&cache, &mine.join("odd.wasm"))?,
    );
    let name = good
        .file_name()
        .context("it has no name")?
        .to_string_lossy()
        .into_owned();
    let forbids = async |gateway: &Gateway| {
        let refused = gateway.api.send_async("4915123456789", "forbidden").await?;
        let refused = refused.expect(422)?;
        ensure!(refused.json["code"] == "forbidden_word", "{}", refused.json);
        anyhow::Ok(())
    };
    // The unchanged compiled code of another plugin with its tag; this plugin's code with a changed
    // byte; a file that is too short.
    let other = fs::read(&odd)?;
    let mut changed = fs::read(&good)?;
    *changed.last_mut().context("it is empty")? ^= 1;
    for (what, planted) in [
        ("another plugin's code", other.as_slice()),
        ("a changed byte", changed.as_slice()),
        ("a short file", b"code"),
    ] {
        fs::write(&good, planted)?;
        let gateway = house.open().await?;
        logged(&gateway, &["compiled code in the cache is not used", &name])
            .await
            .context(what)?;
        forbids(&gateway).await.context(what)?;
        ensure!(fs::read(&good)? != planted, "{what} is still there");
        gateway.stop(SOON).await?;
    }
    // An unchanged entry is used.
    let gateway = house.open().await?;
    forbids(&gateway).await?;
    let log = gateway.stop_for_log(SOON).await?;
    log.lacks(&["compiled code in the cache is not used"])?;
    held(
        Area::Files,
        "compiled code of a pinned plugin that was replaced in the cache by the code of another plugin",
        "the code has a wrong tag, so the gateway discards it, logs this, and compiles the pinned file again",
    )
}

#[tokio::test]
async fn a_plugin_file_that_is_none_is_refused_by_what_it_is() -> Result<()> {
    let house = House::build(with_plugins("", "[[plugin]]\nname = 'one'\n")).await?;
    let mine = house.folder().join("mine");
    fs::create_dir(&mine)?;
    let file = mine.join("one.wasm");
    let cases: [(&str, &dyn Fn() -> Result<()>); 6] = [
        ("a named pipe", &|| Ok(mkfifo(&file, Mode::S_IRWXU)?)),
        ("a device", &|| Ok(symlink("/dev/zero", &file)?)),
        ("symbolic links", &|| Ok(symlink("one.wasm", &file)?)),
        ("a folder", &|| Ok(fs::create_dir(&file)?)),
        ("1099511627776 bytes; at most 67108864", &|| {
            Ok(File::create(&file)?.set_len(1 << 40)?)
        }),
        ("67108865 bytes; at most 67108864", &|| {
            Ok(File::create(&file)?.set_len((64 << 20) + 1)?)
        }),
    ];
    for (words, plant) in cases {
        plant().context(words)?;
        says(&refusal(&house).await.context(words)?, &["one.wasm", words])?;
        if words == "a folder" {
            fs::remove_dir(&file)?
        } else {
            fs::remove_file(&file)?
        }
    }
    held(
        Area::Files,
        "a named pipe, a device, a loop of links, a folder, or a file of 1 TiB in the place of a `.wasm` file",
        "the plugin is refused at once, and the error says what was found; at most 64 MiB are read",
    )
}

/// A component with one core module that has `count` empty functions.
fn functions(count: u32) -> Vec<u8> {
    let leb = |mut value: u32| {
        let mut bytes = vec![];
        while value >= 0x80 {
            bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    };
    let section = |id: u8, content: Vec<u8>| {
        [
            vec![id],
            leb(u32::try_from(content.len()).expect("small")),
            content,
        ]
        .concat()
    };
    let types = section(1, vec![1, 0x60, 0, 0]);
    let declared = section(3, [leb(count), vec![0; count as usize]].concat());
    let bodies = section(
        10,
        [leb(count), [2, 0, 0x0b].repeat(count as usize)].concat(),
    );
    let module = [b"\0asm\x01\0\0\0".to_vec(), types, declared, bodies].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module)].concat()
}

#[tokio::test]
async fn a_component_that_takes_too_long_to_compile_is_refused_by_name() -> Result<()> {
    let house = House::build(with_plugins("", "[[plugin]]\nname = 'many'\n")).await?;
    fs::create_dir(house.folder().join("mine"))?;
    fs::write(house.folder().join("mine/many.wasm"), functions(100_000))?;
    says(
        &refusal(&house).await?,
        &["many.wasm", "more than 80000 functions"],
    )?;
    held(
        Area::Files,
        "a plugin with 100,000 functions",
        "the plugin is refused by name before it is compiled; at most 80,000 functions are allowed",
    )?;

    let house = House::build(with_plugins(
        "load_timeout = '1ms'",
        "[[plugin]]\nname = 'good'\n",
    ))
    .await?;
    fs::create_dir(house.folder().join("mine"))?;
    fs::copy(
        guests().join("good.wasm"),
        house.folder().join("mine/good.wasm"),
    )?;
    says(
        &refusal(&house).await?,
        &[
            "good.wasm",
            "took longer than 1ms",
            "[plugins] load_timeout",
        ],
    )?;
    held(
        Area::Files,
        "a plugin that takes longer to compile than `[plugins] load_timeout`",
        "the plugin is refused by name, and the process ends at once, although the compilation is still running",
    )
}

#[tokio::test]
async fn a_config_schema_of_doubled_references_is_refused() -> Result<()> {
    let house = House::build(with_plugins("", "[[plugin]]\nname = 'schema-bomb'\n")).await?;
    fs::create_dir(house.folder().join("mine"))?;
    fs::copy(
        guests().join("schema_bomb.wasm"),
        house.folder().join("mine/schema_bomb.wasm"),
    )?;
    says(
        &refusal(&house).await?,
        &[
            "schema-bomb",
            "100000 parts once its references are written out",
        ],
    )?;
    held(
        Area::Files,
        "a plugin whose config schema doubles its references forty times",
        "the plugin is refused by name before its references are expanded",
    )
}
