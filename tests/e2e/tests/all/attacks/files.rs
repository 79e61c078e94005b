//! Files that are not what they seem, and what is read at the start and does not end.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::stat::Mode,
    unistd::{geteuid, mkfifo},
};
use procfs::process::Process;
use reqwest::Method;
use serde_json::json;
use sha2::{Digest, Sha256};
use wharf::store::{SessionWish, Store};
use wharf_e2e::{Gateway, House, Plan, api, gateway::command, until};

use super::{Area, held};
use crate::{bad_plugins::guests, callers::refusal};

/// A start or a stop on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// A gateway without plugins and without a browser it could start.
fn bare(more: &str) -> Plan {
    Plan { overlay: format!("plugin = []\n[browser]\nexecutable = '/nowhere/chromium'\n{more}"), ..Plan::default() }
}

/// A gateway whose plugins lie in `mine` and whose cache in `cache`, both in its own folder.
fn with_plugins(more: &str, entries: &str) -> Plan {
    let plugins = format!("[plugins]\ndir = 'mine'\ncache = 'cache'\n{more}\n{entries}");
    Plan {
        overlay: format!("{}{plugins}", if entries.is_empty() { "plugin = []\n" } else { "" }) + "[browser]\nexecutable = '/nowhere/chromium'\n",
        ..Plan::default()
    }
}

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path).with_context(|| path.display().to_string())?.permissions().mode() & 0o7777)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode)).with_context(|| path.display().to_string())
}

fn says(said: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(said.contains(word), "{word:?} is not in {said}");
    }
    Ok(())
}

fn logged(gateway: &Gateway, words: &[&str]) -> Result<()> {
    let found = gateway.log().lines().iter().any(|line| words.iter().all(|word| line.contains(word)));
    ensure!(found, "{words:?} is not in the log:\n{}", gateway.log().tail());
    Ok(())
}

#[tokio::test]
async fn what_stands_open_is_closed_at_the_start() -> Result<()> {
    let house = House::build(bare("")).await?;
    house.open().await?.stop(SOON).await?;
    let session = house.folder().join("session");
    let place = |name: &str| session.join(name);
    fs::create_dir_all(place(".wwebjs_auth/session-old/Default"))?;
    let folders = ["", ".wwebjs_auth", ".wwebjs_auth/session-old", "cache"];
    let files = ["wharf.db", "wharf.db.lock", "gateway.lock"];
    for folder in folders {
        fs::create_dir_all(place(folder))?;
        set_mode(&place(folder), 0o777)?;
    }
    for file in files {
        set_mode(&place(file), 0o666)?;
    }
    let gateway = house.open().await?;
    for folder in folders {
        ensure!(mode(&place(folder))? == 0o700, "{folder:?} has mode {:o}", mode(&place(folder))?);
    }
    for file in files.iter().chain(&["wharf.db-wal", "wharf.db-shm"]) {
        ensure!(mode(&place(file))? == 0o600, "{file} has mode {:o}", mode(&place(file))?);
    }
    logged(&gateway, &["session path", "stood open", "777"])?;
    held(
        Area::Files,
        "session path, logins, cache and database that every user can write (0777, 0666)",
        "the gateway makes them private at the start (0700, 0600) and names each in the log; the files that SQLite adds are 0600 too",
    )
}

#[tokio::test]
async fn a_session_path_of_somebody_else_is_refused() -> Result<()> {
    let house = if geteuid().is_root() {
        let house = House::build(bare("")).await?;
        let session = house.folder().join("session");
        fs::create_dir(&session)?;
        set_mode(&session, 0o777)?;
        chown(&session, Some(54_321), None)?;
        says(&refusal(&house).await?, &["session path", &session.display().to_string(), "777", "`chmod 700"])?;
        ensure!(fs::read_dir(&session)?.next().is_none(), "something was written there");
        house
    } else {
        // Another user than root cannot give a folder away; there is one that is root's.
        let house = House::build(bare("[sessions]\npath = '/etc'")).await?;
        says(&refusal(&house).await?, &["session path", "/etc"])?;
        house
    };
    drop(house);
    held(
        Area::Files,
        "a session path that belongs to another user",
        "the gateway does not start and writes nothing there; the error names the path and what is wrong with it",
    )
}

#[tokio::test]
async fn pipes_links_and_folders_in_the_place_of_locks_and_the_database_are_refused() -> Result<()> {
    for (name, odd) in [
        ("gateway.lock", "pipe"),
        ("gateway.lock", "link"),
        ("wharf.db", "pipe"),
        ("wharf.db-wal", "pipe"),
        ("wharf.db", "folder"),
        ("wharf.db.lock", "link"),
    ] {
        let house = House::build(bare("")).await?;
        let (session, victim) = (house.folder().join("session"), house.folder().join("victim"));
        fs::create_dir(&session)?;
        fs::write(&victim, "theirs")?;
        let place = session.join(name);
        let words = match odd {
            "pipe" => mkfifo(&place, Mode::S_IRWXU).map(|()| "a named pipe")?,
            "link" => symlink(&victim, &place).map(|()| "a symbolic link")?,
            _ => fs::create_dir(&place).map(|()| "a folder")?,
        };
        says(&refusal(&house).await.with_context(|| format!("{name}: {odd}"))?, &[name, words])?;
        ensure!(fs::read_to_string(&victim)? == "theirs", "{name}: the link was followed");
    }
    held(
        Area::Files,
        "a named pipe, a link or a folder in the place of a lock or of the database",
        "the gateway does not start and names it at once; it does not wait for it and does not write through it",
    )
}

#[tokio::test]
async fn a_cache_that_is_shared_on_purpose_is_refused() -> Result<()> {
    let house = House::build(with_plugins("", "")).await?;
    let cache = house.folder().join("cache");
    fs::create_dir(&cache)?;
    set_mode(&cache, 0o1777)?;
    says(&refusal(&house).await?, &["cache of compiled plugins", "1777", "[plugins] cache"])?;
    set_mode(&cache, 0o777)?;
    let gateway = house.open().await?;
    ensure!(mode(&cache)? == 0o700, "{:o}", mode(&cache)?);
    logged(&gateway, &["cache of compiled plugins", "stood open"])?;
    held(
        Area::Files,
        "a cache of compiled plugins that every user can write",
        "the gateway makes it private at the start; if it is shared on purpose (sticky, such as /tmp), the gateway does not start",
    )
}

/// The entry of a plugin in the cache.
fn entry(cache: &Path, plugin: &Path) -> Result<PathBuf> {
    let sha256 = hex::encode(Sha256::digest(fs::read(plugin)?));
    let found = fs::read_dir(cache)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&sha256)));
    found.with_context(|| format!("{} has no entry in {}", plugin.display(), cache.display()))
}

#[tokio::test]
async fn replaced_code_of_a_pinned_plugin_is_never_run() -> Result<()> {
    let pin = hex::encode(Sha256::digest(fs::read(guests().join("good.wasm"))?));
    let entries = format!("[[plugin]]\nname = 'good'\nsha256 = '{pin}'\n[[plugin]]\nname = 'odd'\nconfig.behaviour = 'allow'\n");
    let house = House::build(with_plugins("", &entries)).await?;
    let (mine, cache) = (house.folder().join("mine"), house.folder().join("cache"));
    fs::create_dir(&mine)?;
    for guest in ["good.wasm", "odd.wasm"] {
        fs::copy(guests().join(guest), mine.join(guest))?;
    }
    house.open().await?.stop(SOON).await?;
    let (good, odd) = (entry(&cache, &mine.join("good.wasm"))?, entry(&cache, &mine.join("odd.wasm"))?);
    let name = good.file_name().context("it has no name")?.to_string_lossy().into_owned();
    let forbids = async |gateway: &Gateway| {
        let body = json!({"number": "4915123456789", "message": "forbidden"});
        let refused =
            api::answer(gateway.api.request(Method::POST, "/api/whatsapp/send").header("Prefer", "respond-async").json(&body)).await?.expect(422)?;
        ensure!(refused.json["code"] == "forbidden_word", "{}", refused.json);
        anyhow::Ok(())
    };
    // Code that another plugin was compiled to, whole and with its own tag; the same with a byte changed; none at all.
    let other = fs::read(&odd)?;
    let mut changed = fs::read(&good)?;
    *changed.last_mut().context("it is empty")? ^= 1;
    for (what, planted) in [("another plugin's code", other.as_slice()), ("a changed byte", changed.as_slice()), ("a short file", b"code")] {
        fs::write(&good, planted)?;
        let gateway = house.open().await?;
        logged(&gateway, &["compiled code in the cache is not used", &name]).context(what)?;
        forbids(&gateway).await.context(what)?;
        ensure!(fs::read(&good)? != planted, "{what} is still there");
        gateway.stop(SOON).await?;
    }
    // What is as it was written is used.
    let gateway = house.open().await?;
    let thrown_away = gateway.log().lines().iter().any(|line| line.contains("compiled code in the cache is not used"));
    ensure!(!thrown_away, "{}", gateway.log().tail());
    forbids(&gateway).await?;
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
        ("1099511627776 bytes; at most 67108864", &|| Ok(File::create(&file)?.set_len(1 << 40)?)),
        ("67108865 bytes; at most 67108864", &|| Ok(File::create(&file)?.set_len((64 << 20) + 1)?)),
    ];
    for (words, plant) in cases {
        plant().context(words)?;
        says(&refusal(&house).await.context(words)?, &["one.wasm", words])?;
        if words == "a folder" { fs::remove_dir(&file)? } else { fs::remove_file(&file)? }
    }
    held(
        Area::Files,
        "a named pipe, a device, a loop of links, a folder, or a file of 1 TiB in the place of a `.wasm` file",
        "the plugin is refused at once, and the error says what was found; at most 64 MiB are read",
    )
}

/// A component that holds one core module of so many functions, each empty.
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
    let section = |id: u8, content: Vec<u8>| [vec![id], leb(u32::try_from(content.len()).expect("small")), content].concat();
    let types = section(1, vec![1, 0x60, 0, 0]);
    let declared = section(3, [leb(count), vec![0; count as usize]].concat());
    let bodies = section(10, [leb(count), [2, 0, 0x0b].repeat(count as usize)].concat());
    let module = [b"\0asm\x01\0\0\0".to_vec(), types, declared, bodies].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module)].concat()
}

#[tokio::test]
async fn a_component_that_takes_too_long_to_compile_is_refused_by_name() -> Result<()> {
    let house = House::build(with_plugins("", "[[plugin]]\nname = 'many'\n")).await?;
    fs::create_dir(house.folder().join("mine"))?;
    fs::write(house.folder().join("mine/many.wasm"), functions(100_000))?;
    says(&refusal(&house).await?, &["many.wasm", "more than 80000 functions"])?;
    held(
        Area::Files,
        "a plugin with 100,000 functions",
        "the plugin is refused by name before it is compiled; at most 80,000 functions are allowed",
    )?;

    let house = House::build(with_plugins("load_timeout = '1ms'", "[[plugin]]\nname = 'good'\n")).await?;
    fs::create_dir(house.folder().join("mine"))?;
    fs::copy(guests().join("good.wasm"), house.folder().join("mine/good.wasm"))?;
    says(&refusal(&house).await?, &["good.wasm", "took longer than 1ms", "[plugins] load_timeout"])?;
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
    fs::copy(guests().join("schema_bomb.wasm"), house.folder().join("mine/schema_bomb.wasm"))?;
    says(&refusal(&house).await?, &["schema-bomb", "100000 parts once its references are written out"])?;
    held(
        Area::Files,
        "a plugin whose config schema doubles its references forty times",
        "the plugin is refused by name before its references are expanded",
    )
}

/// A script in the place of Chromium, in the gateway's folder.
async fn with_browser(script: &str) -> Result<House> {
    let plan = Plan { overlay: "plugin = []\n[browser]\nexecutable = './chromium'\nlaunch_timeout = '3s'\n".into(), ..Plan::default() };
    let house = House::build(plan).await?;
    let path = house.folder().join("chromium");
    // Its folder on the command line tells whose it is.
    fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
    set_mode(&path, 0o755)?;
    Ok(house)
}

/// The reason of the session's state.
async fn until_reason(gateway: &Gateway, words: &str) -> Result<()> {
    let said = until("the reason in the session's state", SOON, async || {
        let state = gateway.api.get("/v1/sessions/default").await?.expect(200)?;
        Ok(state.json["reason"].as_str().filter(|reason| reason.contains(words)).map(str::to_owned))
    });
    said.await.map(drop).with_context(|| format!("{words:?}; its log:\n{}", gateway.log().tail()))
}

#[tokio::test]
async fn a_browser_that_never_answers_is_named() -> Result<()> {
    let house = with_browser("exec sleep 1000").await?;
    let gateway = house.open().await?;
    until_reason(&gateway, "--version did not answer within 3s").await?;
    gateway.api.get("/livez").await?.expect(200)?;
    gateway.stop(SOON).await?;
    held(
        Area::Files,
        "a Chromium that never answers `--version`",
        "the gateway ends it after `launch_timeout`, 15 s at most; the session reports this and tries again, and the API keeps answering",
    )
}

/// The most memory a process has had, in bytes.
fn peak(pid: i32) -> Result<u64> {
    Ok(Process::new(pid)?.status()?.vmhwm.context("no VmHWM")? << 10)
}

#[tokio::test]
async fn a_browser_that_talks_without_an_end_costs_no_memory() -> Result<()> {
    let house = with_browser("test \"$1\" = --version && exec echo Chromium 156.0.0.0\nexec tr '\\0' x < /dev/zero >&2").await?;
    let gateway = house.open().await?;
    let before = peak(gateway.pid()?)?;
    until_reason(&gateway, "no connection within 3s").await?;
    let grown = peak(gateway.pid()?)?.saturating_sub(before);
    ensure!(grown < 100 << 20, "{} MiB more", grown >> 20);
    gateway.stop(SOON).await?;
    held(
        Area::Files,
        "a Chromium that writes one endless line to standard error",
        "the gateway keeps 2 KiB of a line, so its memory does not grow; the launch ends after `launch_timeout`",
    )
}

#[tokio::test]
async fn a_backup_follows_no_link_and_keeps_nobodys_file() -> Result<()> {
    let house = House::build(bare("")).await?;
    let (victim, folder) = (house.folder().join("victim"), house.folder().join("backups"));
    fs::create_dir_all(house.folder().join("session/.wwebjs_auth/session-a/Default/Local Storage"))?;
    fs::write(house.folder().join("session/.wwebjs_auth/session-a/Default/Local Storage/data"), "a login")?;
    fs::write(&victim, "theirs")?;
    fs::create_dir(&folder)?;
    // Where the draft of an earlier version was, for every process number that may come next.
    let next = std::process::id();
    for pid in next..next + 3000 {
        symlink(&victim, folder.join(format!(".a.tgz.{pid}.part")))?;
    }
    let file = folder.join("a.tgz");
    let output = command(house.folder())?.args(["profile", "backup", "a"]).arg(&file).output().await?;
    ensure!(output.status.success(), "{output:?}");
    ensure!(fs::read_to_string(&victim)? == "theirs", "a link was followed");
    ensure!(fs::symlink_metadata(&file)?.is_file() && mode(&file)? == 0o600, "{:?}", fs::symlink_metadata(&file)?);
    fs::remove_file(&file)?;
    symlink(&victim, &file)?;
    let output = command(house.folder())?.args(["profile", "backup", "a"]).arg(&file).output().await?;
    ensure!(!output.status.success() && fs::read_to_string(&victim)? == "theirs", "{output:?}");
    held(
        Area::Files,
        "links in the place of a backup and of its temporary file",
        "the temporary file gets a random name; no existing file is overwritten, and no link is followed",
    )
}

#[tokio::test]
async fn client_ids_that_differ_in_case_only_are_one() -> Result<()> {
    let two = "[sessions.session.sales]\n[sessions.session.Sales]\n";
    says(&refusal(&House::build(bare(two)).await?).await?, &["Sales and sales", "upper and lower case"])?;

    let house = House::build(bare("")).await?;
    let gateway = house.open().await?;
    gateway.api.post("/v1/sessions", &json!({"id": "Sales", "start": false})).await?.expect(201)?;
    for id in ["sales", "Sales", "DEFAULT"] {
        let refused = gateway.api.post("/v1/sessions", &json!({"id": id, "start": false})).await?.expect(409)?;
        ensure!(refused.json["code"] == "session_exists", "{}", refused.json);
        let there = if id == "DEFAULT" { "session default" } else { "session Sales" };
        says(&refused.json.to_string(), &[there])?;
    }
    gateway.stop(SOON).await?;

    // Both were made by a version that let them in.
    let store = Store::open(&house.folder().join("session/wharf.db")).await?;
    store.wish_session(SessionWish { client: "sales".parse()?, wanted: false, made: true, metadata: vec![] }).await?;
    store.close().await;
    let gateway = house.open().await?;
    for id in ["Sales", "sales"] {
        gateway.api.get(&format!("/v1/sessions/{id}")).await?.expect(200)?;
    }
    logged(&gateway, &["upper and lower case", "Sales", "sales"])?;
    held(
        Area::Files,
        "two client ids that differ only in upper and lower case",
        "the configuration is refused, and `POST /v1/sessions` answers 409 `session_exists`, both with the names; two such sessions in an older database continue with a warning",
    )
}
