//! Dockerfile, compose file, unit, Railway's file and archive: what they say agrees with the gateway, and what the
//! archive holds starts.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::Value;
use wharf::{
    cli::{self, Cli},
    config::{BrowserKind, Config, Server, Sessions, Sources},
};
use wharf_e2e::{
    House, Plan,
    dockerfile::{self, Stage},
    gateway,
    project::root,
};

const LIMIT: Duration = Duration::from_secs(60);

/// Where the gateway of a machine or a container keeps its logins and its database.
const STATE: &str = "/var/lib/wharf";

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Whoever stops the gateway has to wait so long: its own budget, and the guards' after a gateway that did not make it.
fn stop_time() -> Duration {
    let file = text("gateway.toml");
    let grace = file.split("# close_grace = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("its default");
    Server::default().shutdown.duration() + seconds(grace)
}

/// Whether the gateway reads that variable of its environment.
fn is_read(name: &str) -> bool {
    let sources = Sources { variables: BTreeMap::from([(name.to_owned(), "x".to_owned())]), ..Sources::default() };
    // The command line reads this one.
    name == "WHARF_CONFIG" || !sources.names_set([]).is_empty()
}

fn stages() -> Vec<Stage> {
    dockerfile::stages(&text("Dockerfile")).expect("the Dockerfile")
}

#[test]
fn the_images_stages_are_one_debian_and_the_toolchain_of_the_repository() {
    let stages = stages();
    let [builder, runtime] = stages.as_slice() else { panic!("{} stages", stages.len()) };
    let toolchain: toml::Table = text("rust-toolchain.toml").parse().expect("toml");
    let channel = toolchain["toolchain"]["channel"].as_str().expect("a channel");
    let suite = runtime.base.strip_prefix("debian:").and_then(|tag| tag.strip_suffix("-slim")).expect("a slim Debian");
    assert_eq!(builder.base, format!("rust:{channel}-slim-{suite}"));
    assert!(builder.environment().expect("pairs").contains(&("RUSTUP_TOOLCHAIN".into(), channel.into())));
    let targets = toolchain["toolchain"]["targets"].as_array().expect("targets");
    for target in targets {
        let add = format!("rustup target add {}", target.as_str().expect("text"));
        assert!(builder.all("RUN").iter().any(|run| run.arguments == add), "{add}");
    }
    for mount in builder.all("RUN").into_iter().flat_map(|run| &run.flags) {
        assert!(mount.starts_with("mount=type=cache,id="), "{mount}");
    }
}

#[test]
fn the_image_says_of_itself_what_the_gateway_does() {
    let stages = stages();
    let runtime = stages.last().expect("a stage");
    let environment: BTreeMap<String, String> = runtime.environment().expect("pairs").into_iter().collect();
    for name in environment.keys() {
        assert!(is_read(name) || name == "HOME", "the gateway does not read {name}");
    }
    let port = Server::default().port.to_string();
    assert_eq!((&runtime.last("EXPOSE").expect("one").arguments, &environment["PORT"]), (&port, &port));
    assert_eq!(runtime.last("VOLUME").expect("one").exec().expect("exec"), [STATE]);
    assert_eq!((environment["SESSION_PATH"].as_str(), environment["WHARF_CONFIG"].as_str()), (STATE, cli::MACHINE_CONFIG));
    assert_eq!(runtime.last("STOPSIGNAL").expect("one").arguments, "SIGTERM");
    assert_eq!(runtime.last("USER").expect("one").arguments, "wharf");
    for (word, program) in [("HEALTHCHECK", true), ("CMD", false)] {
        let words = runtime.last(word).expect("one").exec().expect("exec");
        let words = if program { words } else { [vec!["wharf".to_owned()], words].concat() };
        let parsed = Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{word}: {error}"));
        assert!(parsed.command.is_some(), "{word}: {words:?}");
    }
    // The signal is for the gateway alone, so the init must not pass it on to a group (tini's -g).
    let entrypoint = runtime.last("ENTRYPOINT").expect("one").exec().expect("exec");
    assert_eq!(entrypoint, ["/usr/bin/tini", "--", "/usr/local/lib/wharf/entrypoint"]);
    let packages = &runtime.all("RUN")[0].arguments;
    for package in ["ca-certificates", "chromium", "chromium-headless-shell", "tini"] {
        assert!(packages.split_whitespace().any(|word| word == package), "{package}");
    }
    let copied =
        runtime.all("COPY").iter().any(|copy| copy.arguments == "deploy/entrypoint deploy/headless-shell-without-sandbox /usr/local/lib/wharf/");
    assert!(copied, "the entrypoint is not where ENTRYPOINT looks for it");
}

/// `auto` tells the shell by the name of the program.
#[test]
fn the_browser_without_a_sandbox_is_taken_for_the_headless_shell_that_it_is() {
    let wrapper = root().join("deploy/headless-shell-without-sandbox");
    let (path, kind) = wharf::browser::find_executable(Some(&wrapper), BrowserKind::Auto).expect("a file");
    assert_eq!((path, kind), (wrapper, BrowserKind::HeadlessShell));
    let (script, entrypoint) = (text("deploy/headless-shell-without-sandbox"), text("deploy/entrypoint"));
    assert!(script.contains("exec /usr/lib/chromium/chromium-headless-shell --no-sandbox \"$@\""), "{script}");
    assert!(entrypoint.contains("CHROMIUM=/usr/local/lib/wharf/headless-shell-without-sandbox"), "{entrypoint}");
    assert!(entrypoint.contains(STATE) && entrypoint.contains(cli::MACHINE_CONFIG), "{entrypoint}");
}

#[test]
fn railway_builds_the_same_image_and_lets_it_stop() {
    let wanted = dockerfile::railway(&text("Dockerfile"));
    assert_eq!(text("deploy/railway.Dockerfile"), wanted, "`cargo xtask image --write` writes deploy/railway.Dockerfile anew");
    let file: Value = serde_json::from_str(&text("railway.json")).expect("JSON");
    assert!(root().join(file["build"]["dockerfilePath"].as_str().expect("a path")).is_file());
    let deploy = &file["deploy"];
    assert_eq!(deploy["healthcheckPath"], "/readyz");
    // One volume has one gateway: the next deployment must not begin beside the one before.
    assert_eq!(deploy["overlapSeconds"], 0);
    assert!(deploy["drainingSeconds"].as_u64().expect("a number") >= stop_time().as_secs(), "{deploy}");
}

/// The value of a key that stands once in a file of lines `key: value` or `key=value`.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let mut found = text.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix([':', '=']).map(str::trim));
    let value = found.next().unwrap_or_else(|| panic!("no {key}"));
    assert_eq!(found.next(), None, "{key} stands twice");
    value
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.strip_suffix('s').and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text} is not in seconds")))
}

#[test]
fn the_compose_file_agrees_with_the_image_and_lets_it_stop() {
    let file = text("compose.yaml");
    assert!(seconds(value(&file, "stop_grace_period")) >= stop_time());
    let port = Server::default().port;
    assert!(file.contains(&format!("- \"127.0.0.1:{port}:{port}\"\n")), "reached from this machine alone");
    assert!(file.contains(&format!("- wharf:{STATE}\n")) && file.contains("\nvolumes:\n  wharf:\n"));
    let profile = file.lines().find_map(|line| line.trim().strip_prefix("- seccomp=")).expect("a profile");
    assert!(root().join(profile).is_file(), "{profile}");
    let environment = file.split("environment:\n").nth(1).and_then(|rest| rest.split("    ports:").next()).expect("the environment");
    for (name, _) in environment.lines().filter(|line| !line.trim().starts_with('#')).filter_map(|line| line.trim().split_once(": ")) {
        assert!(is_read(name), "the gateway does not read {name}");
    }
    let limit: u64 = value(&file, "mem_limit").strip_suffix('g').and_then(|number| number.parse().ok()).expect("gigabytes");
    assert!(limit << 30 > Sessions::default().memory_hard.0, "the kernel would kill before the gateway begins a browser anew");
}

#[test]
fn the_seccomp_profile_lets_chromium_make_its_sandbox_and_little_else() {
    let profile: Value = serde_json::from_str(&text("deploy/seccomp.json")).expect("JSON");
    let rules = profile["syscalls"].as_array().expect("rules");
    assert!(rules.iter().all(|rule| rule["action"] == "SCMP_ACT_ERRNO"), "a rule that allows");
    let names: Vec<&str> = rules.iter().flat_map(|rule| rule["names"].as_array().expect("names")).filter_map(Value::as_str).collect();
    for needed in ["clone", "clone3", "unshare", "chroot", "seccomp", "prctl"] {
        assert!(!names.contains(&needed), "Chromium's sandbox needs {needed}");
    }
    for dangerous in ["mount", "pivot_root", "bpf", "ptrace", "kexec_load", "init_module", "keyctl", "io_uring_setup", "setns", "open_by_handle_at"] {
        assert!(names.contains(&dangerous), "{dangerous} is allowed");
    }
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len(), "a name stands twice");
}

#[test]
fn the_unit_starts_what_is_installed_and_lets_it_stop() {
    let unit = text("deploy/wharf.service");
    let words: Vec<&str> = value(&unit, "ExecStart").split_whitespace().collect();
    let parsed = Cli::try_parse_from(&words).expect("a command line");
    assert_eq!((words[0], parsed.command), ("/usr/local/bin/wharf", Some(cli::Command::Run)));
    assert_eq!(parsed.config.as_deref(), Some(Path::new(cli::MACHINE_CONFIG)));
    assert!(seconds(value(&unit, "TimeoutStopSec")) >= stop_time());
    assert_eq!(format!("/var/lib/{}", value(&unit, "StateDirectory")), STATE);
    assert_eq!(value(&unit, "WorkingDirectory"), STATE);
    // A signal to all processes, or a kill of what outlives the gateway, costs a fresh login.
    assert_eq!(value(&unit, "KillMode"), "process");
    // A wrong configuration is not mended by a start.
    assert_eq!(value(&unit, "RestartPreventExitStatus"), "2");
    let namespaces: Vec<&str> = value(&unit, "RestrictNamespaces").split(' ').collect();
    assert_eq!(namespaces, ["user", "pid", "net"], "what Chromium's sandbox is made of");
    let user = value(&unit, "User");
    assert!(text("deploy/wharf.sysusers").lines().any(|line| line.starts_with(&format!("u {user} ")) && line.ends_with(STATE)), "{user}");
    assert!(!unit.contains("\nMemoryDenyWriteExecute="), "plugins and pages make code");
}

/// As systemd reads it, where there is one; with a program that is there.
#[test]
fn systemd_finds_nothing_wrong_with_the_unit() -> Result<()> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("systemd-analyze is not installed: the unit was not verified");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let unit = folder.path().join("wharf.service");
    let program = gateway::program()?;
    let here = |text: String| text.replace("/usr/local/bin/wharf", &program.to_string_lossy()).replace("file:/usr/local", "file:/");
    let verify = |text: &str| -> Result<(bool, String)> {
        fs::write(&unit, text)?;
        let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let good = here(text("deploy/wharf.service"));
    let (passed, said) = verify(&good)?;
    // It also looks at units of this machine that ours comes after.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("wharf.service")).collect();
    ensure!(passed && ours.is_empty(), "{said}");
    let (_, said) = verify(&good.replace("KillMode=process", "KillMode=gently"))?;
    ensure!(said.contains("wharf.service"), "a wrong unit would not be noticed: {said}");
    Ok(())
}

#[test]
fn what_the_docs_type_is_understood() {
    let mut seen = 0;
    for file in ["docs/deployment.md", "docs/operations.md", "docs/passkey.md", "docs/sessions.md", "README.md"] {
        let page = text(file);
        let blocks = page.split("```sh").skip(1).filter_map(|rest| rest.split_once('\n')?.1.split("```").next());
        let lines = blocks.flat_map(str::lines).map(str::trim);
        for line in lines.filter_map(|line| line.split(" | ").next()) {
            let words: Vec<&str> = line.split_whitespace().skip_while(|word| *word != "wharf").collect();
            let is_typed = line.starts_with("wharf ") || line.starts_with("sudo -u wharf wharf ");
            if !is_typed {
                continue;
            }
            let words = if line.starts_with("sudo") { &words[1..] } else { &words[..] };
            seen += 1;
            let parsed = Cli::try_parse_from(words);
            assert!(parsed.is_ok(), "{file}: {line}: {:?}", parsed.err().map(|error| error.to_string()));
        }
    }
    assert!(seen >= 7, "{seen} commands");
}

/// `cargo xtask` as it is built beside the gateway.
fn xtask() -> Result<Command> {
    let program = gateway::program()?.with_file_name("xtask");
    ensure!(program.is_file(), "{} is not built", program.display());
    let mut command = Command::new(program);
    command.current_dir(root());
    Ok(command)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    Ok(said)
}

/// Packed twice, unpacked elsewhere, and asked there: it finds its own configuration and its plugins.
#[test]
fn the_archive_is_the_same_each_time_and_works_where_it_is_unpacked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (first, second, place) = (folder.path().join("first"), folder.path().join("second"), folder.path().join("place"));
    for to in [&first, &second] {
        said(xtask()?.args(["dist", "--profile", "dev", "--no-build", "--to"]).arg(to).env("SOURCE_DATE_EPOCH", "1700000000"))?;
    }
    let archive = fs::read_dir(&first)?.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "gz"));
    let archive = archive.context("an archive")?;
    let name = archive.file_name().context("a name")?.to_string_lossy().into_owned();
    ensure!(fs::read(&archive)? == fs::read(second.join(&name))?, "the same files make another archive");
    said(Command::new("sha256sum").arg("--check").arg(format!("{name}.sha256")).current_dir(&first))?;
    let list = said(Command::new("tar").args(["--list", "--verbose", "--numeric-owner", "--file"]).arg(&archive).env("TZ", "UTC"))?;
    ensure!(list.lines().all(|line| line.contains(" 0/0 ") && line.contains("2023-11-14")), "owners and times: {list}");

    fs::create_dir(&place)?;
    said(Command::new("tar").args(["--extract", "--strip-components=1", "--file"]).arg(&archive).arg("--directory").arg(&place))?;
    let files = ["share/doc/wharf/docs/deployment.md", "share/doc/wharf/LICENSE", "lib/systemd/system/wharf.service", "lib/sysusers.d/wharf.conf"];
    for file in files {
        ensure!(place.join(file).is_file(), "no {file}");
    }
    let elsewhere = tempfile::tempdir()?;
    let wharf = || {
        let mut command = Command::new(place.join("bin/wharf"));
        command.env_clear().current_dir(elsewhere.path());
        command
    };
    ensure!(said(wharf().arg("--version"))?.trim() == format!("wharf {}", env!("CARGO_PKG_VERSION")));
    let checked = said(wharf().arg("check"))?;
    let own = place.join("share/wharf");
    for line in [
        format!("configuration: {}", own.join("gateway.toml").display()),
        format!("session path: {}", own.join("whatsapp-session").display()),
        format!("plugins: {}", own.join("plugins").display()),
    ] {
        ensure!(checked.lines().any(|said| said == line), "no {line:?} in\n{checked}");
    }
    ensure!(checked.contains(&format!("loaded, {}", own.join("plugins/number_policy.wasm").display())), "{checked}");
    // The machine's file is good as well, but for the plugins, which lie where it is unpacked in /usr/local.
    let system: Config = toml::from_str(&fs::read_to_string(own.join("gateway.system.toml"))?)?;
    ensure!(system.sessions.path == Path::new(STATE) && system.plugins.dir == Path::new("/usr/local/share/wharf/plugins"));
    Ok(())
}

#[test]
fn an_installation_is_below_its_prefix_and_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let prefix: PathBuf = folder.path().join("here");
    let install = |path: &Path| {
        said(
            xtask()?
                .args(["install", "--profile", "dev", "--no-build", "--prefix"])
                .arg(path)
                .env("PATH", format!("{}:/usr/bin:/bin", path.join("bin").display())),
        )
    };
    let told = install(&prefix)?;
    ensure!(told.contains(&format!("{} is on the PATH", prefix.join("bin").display())), "{told}");
    let checked = said(Command::new(prefix.join("bin/wharf")).arg("check").env_clear().current_dir(folder.path()))?;
    ensure!(checked.contains(&format!("configuration: {}", prefix.join("share/wharf/gateway.toml").display())), "{checked}");
    fs::write(prefix.join("share/wharf/gateway.toml"), "# mine\n")?;
    let told = install(&prefix)?;
    ensure!(told.contains("gateway.toml is kept"), "{told}");
    ensure!(fs::read_to_string(prefix.join("share/wharf/gateway.toml"))? == "# mine\n");
    Ok(())
}

/// What the container's health check asks, of a gateway that runs, one that is asked on a wrong port, and none.
#[tokio::test]
async fn health_is_a_line_and_an_exit_status() -> Result<()> {
    let house = House::build(Plan { overlay: "plugin = []\n[browser]\nexecutable = '/nowhere/chromium'\n".into(), ..Plan::default() }).await?;
    let gateway = house.open().await?;
    let port = gateway.api.url.rsplit(':').next().context("a port")?.to_owned();
    let ask = async |port: &str, words: &[&str]| -> Result<(Option<i32>, String)> {
        let mut command = gateway::command(house.folder())?;
        let output = tokio::time::timeout(LIMIT, command.args(words).env("PORT", port).output()).await??;
        Ok((output.status.code(), format!("{}{}", String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?)))
    };
    for (words, wanted) in [(&["health"][..], "ready"), (&["health", "--live"], "alive")] {
        let (status, said) = ask(&port, words).await?;
        ensure!(status == Some(0) && said == format!("{wanted}: http://127.0.0.1:{port}\n"), "{words:?}: {status:?} {said}");
    }
    // The stand-in is another program.
    let other = house.standin.url();
    let other = other.trim_end_matches('/').rsplit(':').next().context("a port")?.to_owned();
    let (status, said) = ask(&other, &["health"]).await?;
    ensure!(status == Some(1) && said.contains("not as this gateway"), "{status:?} {said}");
    ensure!(gateway.stop(LIMIT).await?.success());
    let (status, said) = ask(&port, &["health"]).await?;
    ensure!(status == Some(1) && said.contains("no gateway answers at") && said.lines().count() == 1, "{status:?} {said}");
    let (status, said) = ask("many", &["health"]).await?;
    ensure!(status == Some(1) && said.contains("PORT = \"many\""), "a wrong configuration is no other status: {status:?} {said}");
    Ok(())
}
