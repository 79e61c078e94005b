//! Checks that Dockerfile, Railway's file, compose file and seccomp profile agree with the gateway
//! and with each other.

use std::collections::BTreeMap;

use clap::Parser;
use serde_json::Value;
use wharf::{
    cli::{self, Cli},
    config::{BrowserKind, Server, Sessions},
};
use wharf_e2e::{
    dockerfile::{self, Stage},
    project::root,
};

use super::{STATE, is_read, seconds, stop_time, text, value};

fn stages() -> Vec<Stage> {
    dockerfile::stages(&text("Dockerfile")).expect("the Dockerfile")
}

#[test]
fn the_images_stages_are_one_debian_and_the_toolchain_of_the_repository() {
    let stages = stages();
    let [builder, runtime] = stages.as_slice() else {
        panic!("{} stages", stages.len())
    };
    let toolchain: toml::Table = text("rust-toolchain.toml").parse().expect("toml");
    let channel = toolchain["toolchain"]["channel"]
        .as_str()
        .expect("a channel");
    let suite = runtime
        .base
        .strip_prefix("debian:")
        .and_then(|tag| tag.strip_suffix("-slim"))
        .expect("a slim Debian");
    assert_eq!(builder.base, format!("rust:{channel}-slim-{suite}"));
    assert!(
        builder
            .environment()
            .expect("pairs")
            .contains(&("RUSTUP_TOOLCHAIN".into(), channel.into()))
    );
    let targets = toolchain["toolchain"]["targets"]
        .as_array()
        .expect("targets");
    for target in targets {
        let add = format!("rustup target add {}", target.as_str().expect("text"));
        assert!(
            builder.all("RUN").iter().any(|run| run.arguments == add),
            "{add}"
        );
    }
    for mount in builder.all("RUN").into_iter().flat_map(|run| &run.flags) {
        assert!(mount.starts_with("mount=type=cache,id="), "{mount}");
    }
}

#[test]
fn the_image_says_of_itself_what_the_gateway_does() {
    let stages = stages();
    let runtime = stages.last().expect("a stage");
    let environment: BTreeMap<String, String> =
        runtime.environment().expect("pairs").into_iter().collect();
    for name in environment.keys() {
        assert!(
            is_read(name) || name == "HOME",
            "the gateway does not read {name}"
        );
    }
    let port = Server::default().port.to_string();
    assert_eq!(
        (
            &runtime.last("EXPOSE").expect("one").arguments,
            &environment["PORT"]
        ),
        (&port, &port)
    );
    assert_eq!(
        runtime.last("VOLUME").expect("one").exec().expect("exec"),
        [STATE]
    );
    assert_eq!(
        (
            environment["SESSION_PATH"].as_str(),
            environment["WHARF_CONFIG"].as_str()
        ),
        (STATE, cli::MACHINE_CONFIG)
    );
    assert_eq!(
        runtime.last("STOPSIGNAL").expect("one").arguments,
        "SIGTERM"
    );
    assert_eq!(runtime.last("USER").expect("one").arguments, "wharf");
    for (word, program) in [("HEALTHCHECK", true), ("CMD", false)] {
        let words = runtime.last(word).expect("one").exec().expect("exec");
        let words = if program {
            words
        } else {
            [vec!["wharf".to_owned()], words].concat()
        };
        let parsed = Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{word}: {error}"));
        assert!(parsed.command.is_some(), "{word}: {words:?}");
    }
    // The signal is for the gateway alone, so the init must not send it to a process group (tini's
    // -g).
    let entrypoint = runtime
        .last("ENTRYPOINT")
        .expect("one")
        .exec()
        .expect("exec");
    assert_eq!(
        entrypoint,
        ["/usr/bin/tini", "--", "/usr/local/lib/wharf/entrypoint"]
    );
    let packages = &runtime.all("RUN")[0].arguments;
    for package in [
        "ca-certificates",
        "chromium",
        "chromium-headless-shell",
        "tini",
    ] {
        assert!(
            packages.split_whitespace().any(|word| word == package),
            "{package}"
        );
    }
    let copied = runtime.all("COPY").iter().any(|copy| {
        copy.arguments
            == "deploy/entrypoint deploy/headless-shell-without-sandbox /usr/local/lib/wharf/"
    });
    assert!(
        copied,
        "the entrypoint is not where ENTRYPOINT looks for it"
    );
}

/// `auto` recognises the headless shell by the name of the program.
#[test]
fn the_browser_without_a_sandbox_is_taken_for_the_headless_shell_that_it_is() {
    let wrapper = root().join("deploy/headless-shell-without-sandbox");
    let (path, kind) =
        wharf::browser::find_executable(Some(&wrapper), BrowserKind::Auto).expect("a file");
    assert_eq!((path, kind), (wrapper, BrowserKind::HeadlessShell));
    let (script, entrypoint) = (
        text("deploy/headless-shell-without-sandbox"),
        text("deploy/entrypoint"),
    );
    assert!(
        script.contains("exec /usr/lib/chromium/chromium-headless-shell --no-sandbox \"$@\""),
        "{script}"
    );
    assert!(
        entrypoint.contains("CHROMIUM=/usr/local/lib/wharf/headless-shell-without-sandbox"),
        "{entrypoint}"
    );
    assert!(
        entrypoint.contains(STATE) && entrypoint.contains(cli::MACHINE_CONFIG),
        "{entrypoint}"
    );
}

#[test]
fn railway_builds_the_same_image_and_lets_it_stop() {
    let wanted = dockerfile::railway(&text("Dockerfile"));
    assert_eq!(
        text("deploy/railway.Dockerfile"),
        wanted,
        "`cargo xtask image --write` writes deploy/railway.Dockerfile anew"
    );
    let file: Value = serde_json::from_str(&text("railway.json")).expect("JSON");
    assert!(
        root()
            .join(file["build"]["dockerfilePath"].as_str().expect("a path"))
            .is_file()
    );
    let deploy = &file["deploy"];
    assert_eq!(deploy["healthcheckPath"], "/readyz");
    // Only one gateway may use a volume, so the next deployment must not overlap with the previous
    // one.
    assert_eq!(deploy["overlapSeconds"], 0);
    assert!(
        deploy["drainingSeconds"].as_u64().expect("a number") >= stop_time().as_secs(),
        "{deploy}"
    );
}

#[test]
fn the_compose_file_agrees_with_the_image_and_lets_it_stop() {
    let file = text("compose.yaml");
    assert!(seconds(value(&file, "stop_grace_period")) >= stop_time());
    let port = Server::default().port;
    assert!(
        file.contains(&format!("- \"127.0.0.1:{port}:{port}\"\n")),
        "reached from this machine alone"
    );
    assert!(
        file.contains(&format!("- wharf:{STATE}\n")) && file.contains("\nvolumes:\n  wharf:\n")
    );
    let profile = file
        .lines()
        .find_map(|line| line.trim().strip_prefix("- seccomp="))
        .expect("a profile");
    assert!(root().join(profile).is_file(), "{profile}");
    let environment = file
        .split("environment:\n")
        .nth(1)
        .and_then(|rest| rest.split("    ports:").next())
        .expect("the environment");
    for (name, _) in environment
        .lines()
        .filter(|line| !line.trim().starts_with('#'))
        .filter_map(|line| line.trim().split_once(": "))
    {
        assert!(is_read(name), "the gateway does not read {name}");
    }
    let limit: u64 = value(&file, "mem_limit")
        .strip_suffix('g')
        .and_then(|number| number.parse().ok())
        .expect("gigabytes");
    assert!(
        limit << 30 > Sessions::default().memory_hard.0,
        "the kernel would kill before the gateway begins a browser anew"
    );
}

#[test]
fn the_seccomp_profile_lets_chromium_make_its_sandbox_and_little_else() {
    let profile: Value = serde_json::from_str(&text("deploy/seccomp.json")).expect("JSON");
    let rules = profile["syscalls"].as_array().expect("rules");
    assert!(
        rules.iter().all(|rule| rule["action"] == "SCMP_ACT_ERRNO"),
        "a rule that allows"
    );
    let names: Vec<&str> = rules
        .iter()
        .flat_map(|rule| rule["names"].as_array().expect("names"))
        .filter_map(Value::as_str)
        .collect();
    for needed in ["clone", "clone3", "unshare", "chroot", "seccomp", "prctl"] {
        assert!(
            !names.contains(&needed),
            "Chromium's sandbox needs {needed}"
        );
    }
    for dangerous in [
        "mount",
        "pivot_root",
        "bpf",
        "ptrace",
        "kexec_load",
        "init_module",
        "keyctl",
        "io_uring_setup",
        "setns",
        "open_by_handle_at",
    ] {
        assert!(names.contains(&dangerous), "{dangerous} is allowed");
    }
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len(), "a name stands twice");
}
