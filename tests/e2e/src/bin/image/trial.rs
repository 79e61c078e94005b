//! Tries the image as compose.yaml runs it: links it by a simulated phone, sends one message, and
//! stops it by its stop signal.

use std::{
    fs,
    path::Path,
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nix::unistd::{Gid, Uid, chown};
use tokio::net::TcpListener;
use wharf_e2e::{Api, dockerfile, house::BOOT, processes::ProcessSet, until};
use wharf_standin::{Account, Options, Standin};

use crate::engine::Engine;

const IMAGE: &str = "localhost/wharf";
const BUILT: &str = "localhost/wharf-built";
const CONTAINER: &str = "wharf-trial";
const KEY: &str = "a-key-of-the-trial-and-of-nothing-else";
/// `stop_grace_period` of compose.yaml.
const GRACE: &str = "45";
const OWNER: u32 = 10_001;
/// The profile inside the container, which the browser has on its command line. The command line is
/// visible on the host too.
const PROFILE: &str = "/var/lib/wharf/.wwebjs_auth/session-default";

pub(crate) async fn run(root: &Path, text: &str, built: &Path) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "a base image is made by debootstrap, which needs root"
    );
    let folder = built.parent().context("a folder around what was built")?;
    let engine = Engine::new(folder.join("engine"))?;
    make(&engine, root, text, built, folder)?;
    println!(
        "made: {IMAGE}, {} MB",
        engine
            .inspect(IMAGE, "{{.Size}}")?
            .parse::<u64>()
            .unwrap_or_default()
            / 1_000_000
    );
    settings(&engine, text)?;
    let seccomp = root.join("deploy/seccomp.json");
    let narrow = narrow(&seccomp, folder)?;
    without_key_and_sandbox(&engine, &narrow)?;

    let as_compose = [
        "--read-only",
        "--read-only-tmpfs=false",
        "--tmpfs=/tmp:mode=1777",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
    ];
    let mut options: Vec<String> = as_compose.map(ToOwned::to_owned).into();
    options.push(format!("--security-opt=seccomp={}", seccomp.display()));
    let sandboxed = scene(&engine, folder, OWNER, &options)
        .await
        .context("as compose.yaml runs it")?;
    ensure!(sandboxed, "the pages run without Chromium's sandbox");
    println!(
        "good: non-root, read-only, without capabilities, the pages in Chromium's sandbox; linked, sent, stopped cleanly"
    );

    // As on a platform where the volume belongs to root and user namespaces are not allowed.
    let options = [
        "--user=0".to_owned(),
        format!("--security-opt=seccomp={narrow}"),
        format!("--env=CHROMIUM={}", wrapper(root)?),
    ];
    let sandboxed = scene(&engine, folder, 0, &options)
        .await
        .context("started as root, without user namespaces")?;
    ensure!(
        !sandboxed,
        "the page has a sandbox though no user namespaces are allowed"
    );
    println!(
        "good: started as root on root's volume it becomes its own user, and without user namespaces it runs when it is told to"
    );
    Ok(())
}

/// Builds the runtime stage as the Dockerfile has it, with what was built here in place of the
/// builder stage.
fn make(engine: &Engine, root: &Path, text: &str, built: &Path, folder: &Path) -> Result<()> {
    let stages = dockerfile::stages(text)?;
    let [builder, runtime] = stages.as_slice() else {
        anyhow::bail!("the Dockerfile has {} stages, not two", stages.len())
    };
    engine.base(&runtime.base)?;
    engine.built(BUILT, built)?;
    let name = builder
        .name
        .as_deref()
        .context("the builder stage has no name")?;
    let (_, steps) = text
        .split_once(&format!("FROM {}", runtime.base))
        .context("the runtime stage")?;
    let file = folder.join("trial.Dockerfile");
    fs::write(
        &file,
        format!("FROM {BUILT} AS {name}\nFROM {}{steps}", runtime.base),
    )?;
    engine.build(IMAGE, &file, root)
}

/// Checks that the image's settings are those of the Dockerfile.
fn settings(engine: &Engine, text: &str) -> Result<()> {
    let stages = dockerfile::stages(text)?;
    let runtime = stages.last().context("a stage")?;
    for (format, word) in [
        ("{{.Config.User}}", "USER"),
        ("{{.Config.WorkingDir}}", "WORKDIR"),
        ("{{.Config.StopSignal}}", "STOPSIGNAL"),
    ] {
        let (said, wanted) = (
            engine.inspect(IMAGE, format)?,
            &runtime.last(word)?.arguments,
        );
        ensure!(
            said == *wanted,
            "{word}: {said:?} in the image, {wanted:?} in the Dockerfile"
        );
    }
    ensure!(
        engine.inspect(IMAGE, "{{.HealthCheck.Test}}")? == "[CMD wharf health]",
        "the health check is not in the image"
    );
    Ok(())
}

/// Checks that the container does not start without a key or without user namespaces, and that it
/// says what to do.
fn without_key_and_sandbox(engine: &Engine, narrow: &str) -> Result<()> {
    let (status, said) = engine.once(IMAGE, &[], &[])?;
    ensure!(
        status == Some(2) && said.contains("set WHARF_API_KEY"),
        "without a key: {status:?}, {said}"
    );
    let seccomp = format!("--security-opt=seccomp={narrow}");
    let key = format!("--env=WHARF_API_KEY={KEY}");
    let (status, said) = engine.once(IMAGE, &[&seccomp, &key], &[])?;
    ensure!(
        status == Some(1) && said.contains("deploy/seccomp.json") && said.contains("CHROMIUM="),
        "without user namespaces: {status:?}, {said}"
    );
    let (status, said) = engine.once(IMAGE, &[&seccomp], &["keys", "new"])?;
    ensure!(
        status == Some(0) && said.contains("sha256:"),
        "keys new: {status:?}, {said}"
    );
    println!(
        "good: without a key, and without user namespaces, it does not start and says what to do"
    );
    Ok(())
}

/// Writes a seccomp profile that forbids user namespaces, as Docker's default one does; returns its
/// path.
fn narrow(profile: &Path, folder: &Path) -> Result<String> {
    let text = fs::read_to_string(profile)
        .with_context(|| format!("cannot read {}", profile.display()))?;
    let mut profile: serde_json::Value = serde_json::from_str(&text)?;
    let user = 0x1000_0000;
    let more = serde_json::json!([
        {"names": ["unshare"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [{"index": 0, "value": user, "valueTwo": user, "op": "SCMP_CMP_MASKED_EQ"}]}
    ]);
    let rules = profile["syscalls"].as_array_mut().context("rules")?;
    rules.extend(more.as_array().cloned().unwrap_or_default());
    let place = folder.join("narrow.json");
    fs::write(&place, profile.to_string())?;
    Ok(place.to_string_lossy().into_owned())
}

/// The path in the image of the program that `CHROMIUM` names where there is no sandbox.
fn wrapper(root: &Path) -> Result<String> {
    let name = "headless-shell-without-sandbox";
    ensure!(
        root.join("deploy").join(name).is_file(),
        "deploy/{name} is gone"
    );
    Ok(format!("/usr/local/lib/wharf/{name}"))
}

/// A running container, which is removed when the value is dropped.
struct Running<'a> {
    engine: &'a Engine,
    child: Child,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.engine.remove(CONTAINER);
        // The process ends with the container.
        let _ = self.child.wait();
    }
}

/// Runs one container from start to stop; returns whether its pages ran in Chromium's sandbox.
async fn scene(engine: &Engine, folder: &Path, owner: u32, options: &[String]) -> Result<bool> {
    let standin = Standin::start(Options::default()).await?;
    let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
    let volume = tempfile::Builder::new()
        .prefix("volume-")
        .tempdir_in(folder)?;
    chown(
        volume.path(),
        Some(Uid::from_raw(owner)),
        Some(Gid::from_raw(owner)),
    )?;
    // The image's own configuration, with the stand-in's address.
    let (_, own) = engine.once(IMAGE, &["--entrypoint=cat"], &["/etc/wharf/gateway.toml"])?;
    let page = own
        .lines()
        .find(|line| line.starts_with("# url = \"https://web.whatsapp.com"))
        .context("the page's address in gateway.toml")?;
    let config = folder.join("trial.toml");
    fs::write(
        &config,
        own.replace(page, &format!("url = \"{}\"", standin.url())),
    )?;

    let mut all = vec![
        format!("--volume={}:/var/lib/wharf", volume.path().display()),
        format!("--volume={}:/etc/wharf/gateway.toml:ro", config.display()),
        format!("--env=WHARF_API_KEY={KEY}"),
        format!("--env=PORT={port}"),
        // The container shares the machine's network, so it listens on the loopback address only.
        "--env=HOST=127.0.0.1".to_owned(),
    ];
    all.extend_from_slice(options);
    let log = folder.join("trial.log");
    let mut running = Running {
        engine,
        child: engine.start(CONTAINER, IMAGE, &all, &log)?,
    };
    let result = live(engine, &standin, port).await.and_then(|sandboxed| {
        let status = stop(&mut running)?;
        ensure!(status.success(), "it ended with {status}");
        Ok(sandboxed)
    });
    let said = fs::read_to_string(&log).unwrap_or_default();
    let sandboxed = result.with_context(|| format!("its log:\n{said}"))?;
    ensure!(
        said.contains("\"message\":\"stopped\""),
        "it was not stopped in order; its log:\n{said}"
    );
    ensure!(
        !said.contains("did not close in time"),
        "a browser was not closed; its log:\n{said}"
    );
    let login = volume
        .path()
        .join(".wwebjs_auth/session-default/.wharf-login.json");
    ensure!(login.is_file(), "no login is on the volume");
    Ok(sandboxed)
}

async fn live(engine: &Engine, standin: &Standin, port: u16) -> Result<bool> {
    let api = Api::with_key(&format!("http://127.0.0.1:{port}"), KEY)?;
    until("the gateway", BOOT * 2, async || {
        Ok(api
            .get("/livez")
            .await
            .ok()
            .filter(|answer| answer.status == 200))
    })
    .await?;
    let (status, said) = engine.exec(CONTAINER, &["wharf", "health"])?;
    ensure!(
        status == Some(0) && said.starts_with("ready: "),
        "wharf health: {status:?}, {said}"
    );
    let qr = api.until_qr(BOOT).await?;
    standin.scan(Some(&qr), Account::default()).await?;
    api.until_state("ready", BOOT).await?;
    api.send("+49 151 23456789", "from a container")
        .await?
        .expect(200)?;
    ensure!(
        standin
            .view()
            .messages
            .iter()
            .any(|message| message.body == "from a container"),
        "the message did not arrive"
    );
    let (_, owner) = engine.exec(
        CONTAINER,
        &["stat", "--format=%u", "/var/lib/wharf/wharf.db"],
    )?;
    ensure!(
        owner.trim() == OWNER.to_string(),
        "the database belongs to {owner}"
    );
    // A sandboxed page is in another user namespace than its browser.
    let mut processes = ProcessSet::of(Path::new(PROFILE));
    let (browsers, pages) = (processes.browsers(), processes.renderers());
    ensure!(
        browsers.len() == 1 && !pages.is_empty(),
        "{} browsers and {} pages run",
        browsers.len(),
        pages.len()
    );
    let namespace = |pid: &i32| fs::read_link(format!("/proc/{pid}/ns/user"));
    let of_browser = namespace(&browsers[0])?;
    let of_pages: Vec<_> = pages.iter().map(namespace).collect::<Result<_, _>>()?;
    Ok(of_pages.iter().all(|page| *page != of_browser))
}

fn stop(running: &mut Running<'_>) -> Result<ExitStatus> {
    let began = Instant::now();
    running.engine.stop(CONTAINER, GRACE)?;
    let status = running.child.wait()?;
    ensure!(
        began.elapsed() < Duration::from_secs(40),
        "it took {:?} to stop",
        began.elapsed()
    );
    Ok(status)
}
