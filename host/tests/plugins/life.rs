//! Plugins are exchanged while the gateway runs: no call is lost, no round mixes two versions, and
//! what cannot be used changes nothing.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use wharf::{
    config::{self, Config},
    plugins::{Decision, Pipeline, PluginHost, PluginState, ReloadError},
};

use crate::support::{Place, allowed, guest, odd_and_good, rejected, subject, text};

/// The entries of this text.
fn entries(text: &str) -> Vec<config::Plugin> {
    let config: Config = toml::from_str(text).expect("a config");
    config.plugin
}

/// Puts a file into the plugin folder as a whole.
fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let part = folder.join(format!("{name}.part"));
    std::fs::write(&part, bytes).expect("written");
    std::fs::rename(&part, folder.join(name)).expect("in its place");
}

/// The chain of two validators, which mark what they let pass.
fn chain(mark: &str) -> String {
    ["relay-a", "relay-b"]
        .map(|name| {
            format!("[[plugin]]\nname = \"{name}\"\nmay_modify = true\nconfig.mark = \"{mark}\"\n")
        })
        .concat()
}

/// The guests `odd`, for the session `odd`, and `good`, whose files stay where they are.
async fn odd(behaviour: &str, settings: &str) -> (Place, PluginHost) {
    let place = Place::with(&["odd.wasm", "good.wasm"]).await;
    let host = place.load(&odd_and_good(behaviour, settings)).await;
    (place, host.expect("both load"))
}

fn put_version(folder: &Path, version: usize) {
    for letter in ["a", "b"] {
        let bytes = guest(&format!("relay_{letter}_{version}.wasm"));
        put(folder, &format!("relay_{letter}.wasm"), &bytes);
    }
}

async fn relayed(place: &Place, mark: &str) -> Arc<PluginHost> {
    put_version(&place.plugins(), 1);
    Arc::new(place.load(&chain(mark)).await.expect("both load"))
}

/// What the validators of the chain wrote on a message.
async fn marks(host: &PluginHost) -> Vec<(String, String)> {
    let (message, verdicts) = allowed(host.validate(&subject("any"), text("hello")).await);
    assert_eq!(message.metadata.len(), verdicts.len(), "{verdicts:?}");
    message.metadata
}

fn pair(name: &str, says: &str) -> (String, String) {
    (name.to_owned(), says.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_calls_loses_none_and_mixes_no_chain_while_plugins_are_swapped() {
    const CALLS: usize = 3000;
    const SWAPS: usize = 30;
    let place = Place::with(&[]).await;
    let host = relayed(&place, "0").await;
    let (done, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let began = Instant::now();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (host, done, answered) =
                (Arc::clone(&host), Arc::clone(&done), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut seen = std::collections::BTreeSet::new();
                while !done.load(Ordering::Relaxed) || answered.load(Ordering::Relaxed) < CALLS {
                    let found = marks(&host).await;
                    let [(first, of_first), (second, of_second)] = found.as_slice() else {
                        panic!("a chain of two: {found:?}")
                    };
                    assert_eq!((first.as_str(), second.as_str()), ("relay-a", "relay-b"));
                    assert_eq!(of_first, of_second, "a chain mixes two versions");
                    seen.insert(of_first.clone());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        })
        .collect();
    let mut took = Vec::new();
    for swap in 1..=SWAPS {
        put_version(&place.plugins(), 1 + swap % 2);
        let begun = Instant::now();
        let results = host
            .reload_changed(move || Ok(entries(&chain(&swap.to_string()))))
            .await
            .expect("read");
        took.push(begun.elapsed());
        assert!(
            results.len() == 2 && results.iter().all(Result::is_ok),
            "{results:?}"
        );
        // The next swap follows when calls were answered with this one.
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < before + CALLS / SWAPS / 2 {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::Relaxed);
    let mut seen = std::collections::BTreeSet::new();
    for caller in callers {
        seen.extend(caller.await.expect("no call failed"));
    }
    assert!(
        seen.len() > SWAPS / 2,
        "the versions that answered: {seen:?}"
    );
    took.sort();
    let (calls, all) = (answered.load(Ordering::Relaxed), began.elapsed());
    println!(
        "{calls} chains of two in {all:?} ({:.0} calls/s) beside {SWAPS} swaps of both plugins: median {:?}, longest {:?}",
        2.0 * calls as f64 / all.as_secs_f64(),
        took[took.len() / 2],
        took[took.len() - 1],
    );
    assert_eq!(
        marks(&host).await[0].1,
        format!("1.0.0 {SWAPS}"),
        "file and config are those of the last swap"
    );
}

#[tokio::test]
async fn a_candidate_that_cannot_be_used_leaves_the_old_one_and_says_why() {
    let place = Place::with(&[]).await;
    let host = relayed(&place, "x").await;
    let old = [pair("relay-a", "1.0.0 x"), pair("relay-b", "1.0.0 x")];
    let component = guest("relay_a_2.wasm");
    let half = &component[..component.len() / 2];
    let other = chain("x").replace("config.mark = \"x\"", "config.brand = \"x\"");
    for (bytes, text, said) in [
        (half, chain("x"), "it cannot be compiled"),
        (&guest("good.wasm"), chain("x"), "it calls itself \"good\""),
        (&component, other, "brand"),
        (
            &component,
            chain("x").replace("may_modify = true", "grants.secrets = [\"MISSING\"]"),
            "MISSING",
        ),
    ] {
        put(&place.plugins(), "relay_a.wasm", bytes);
        let error = host
            .reload("relay-a", move || Ok(entries(&text)))
            .await
            .expect_err(said);
        assert!(
            matches!(&error, ReloadError::Refused { plugin, reason } if plugin == "relay-a" && reason.contains(said)),
            "{error}"
        );
        assert_eq!(marks(&host).await, old);
        let status = host.statuses().swap_remove(0);
        assert_eq!(status.report.state, PluginState::Loaded);
        assert_eq!(status.report.version, "1.0.0");
        let failed = status.failed_reload.expect("reported");
        assert!(failed.reason.contains(said), "{failed:?}");
    }

    let wrong = host
        .reload("relay-a", || Err("gateway.toml:3: unknown key".into()))
        .await
        .expect_err("not read");
    assert!(
        matches!(&wrong, ReloadError::Configuration(why) if why.contains("toml:3")),
        "{wrong}"
    );
    let unknown = host
        .reload("relay-c", || Ok(entries(&chain("x"))))
        .await
        .expect_err("unknown");
    assert_eq!(unknown, ReloadError::Unknown("relay-c".into()));
    assert_eq!(marks(&host).await, old);

    let done = host
        .reload("relay-a", || Ok(entries(&chain("y"))))
        .await
        .expect("good");
    let versions = (
        done.before.expect("a plugin").version,
        done.after.expect("a plugin").version,
    );
    assert_eq!(versions, ("1.0.0".to_owned(), "2.0.0".to_owned()));
    let mixed = [pair("relay-a", "2.0.0 y"), pair("relay-b", "1.0.0 x")];
    assert_eq!(marks(&host).await, mixed, "only what was asked for changed");
    assert_eq!(host.statuses()[0].failed_reload, None);
}

#[tokio::test]
async fn entries_are_added_removed_and_ordered_as_far_as_the_pool_has_room() {
    let place = Place::with(&["good.wasm", "odd.wasm"]).await;
    put_version(&place.plugins(), 1);
    let [a, b] = ["relay-a", "relay-b"]
        .map(|name| format!("[[plugin]]\nname = \"{name}\"\nmay_modify = true\n"));
    let (good, odd) = (
        "[[plugin]]\nname = \"good\"\n",
        "[[plugin]]\nname = \"odd\"\nconfig.behaviour = \"allow\"\n",
    );
    let host = place.load(&a).await.expect("one plugin");
    let names = |host: &PluginHost| {
        let loaded = host.reports().into_iter();
        let loaded = loaded.filter(|report| report.state == PluginState::Loaded);
        loaded.map(|report| report.name).collect::<Vec<_>>()
    };
    let reload =
        async |name: &str, text: String| host.reload(name, move || Ok(entries(&text))).await;

    let added = reload("relay-b", format!("{b}{a}")).await.expect("added");
    assert!(added.before.is_none() && added.after.is_some());
    assert_eq!(names(&host), ["relay-b", "relay-a"]);
    assert_eq!(
        marks(&host).await[0].0,
        "relay-b",
        "the file says the order"
    );
    reload("good", format!("{b}{good}{a}"))
        .await
        .expect("added");
    assert_eq!(names(&host), ["relay-b", "good", "relay-a"]);

    let full = reload("odd", format!("{b}{good}{a}{odd}"))
        .await
        .expect_err("no room");
    assert!(
        full.to_string().contains("room for the calls of 3"),
        "{full}"
    );
    let disabled = good.replace("\"good\"", "\"good\"\nenabled = false");
    let removed = reload("good", format!("{b}{disabled}{a}"))
        .await
        .expect("removed");
    assert!(removed.before.is_some() && removed.after.is_none());
    let removed = reload("relay-a", b.clone()).await.expect("removed");
    assert!(removed.after.is_none());
    assert_eq!(names(&host), ["relay-b"]);
    reload("odd", format!("{b}{odd}"))
        .await
        .expect("there is room again");
    assert_eq!(names(&host), ["relay-b", "odd"]);
    let (_, verdicts) = allowed(host.validate(&subject("any"), text("hello")).await);
    assert_eq!(verdicts.len(), 2);
}

#[tokio::test]
async fn a_file_that_was_cut_off_unloads_nothing_and_a_disabled_entry_does() {
    let place = Place::with(&["good.wasm"]).await;
    let host = place
        .load("[[plugin]]\nname = \"good\"\n")
        .await
        .expect("it loads");
    let look = async |text: &'static str| {
        let all = host.reload_changed(move || Ok(entries(text))).await;
        all.expect("read")
    };
    let state = || {
        host.statuses()
            .into_iter()
            .next()
            .map(|one| one.report.state)
    };
    for cut in ["", "[whatsapp]\n"] {
        assert_eq!(look(cut).await, []);
        assert_eq!(state(), Some(PluginState::Loaded));
        let (_, verdicts) = allowed(host.validate(&subject("any"), text("hello")).await);
        assert_eq!(verdicts.len(), 1, "it still decides");
    }
    let done = look("[[plugin]]\nname = \"good\"\nenabled = false\n").await;
    assert!(
        done.len() == 1
            && done
                .iter()
                .all(|one| one.as_ref().is_ok_and(|one| one.after.is_none())),
        "{done:?}"
    );
    assert_eq!(state(), Some(PluginState::Disabled));
    // A switch of a plugin whose file is still there can be seen and taken back.
    let session = "any".parse().expect("a client id");
    host.set_switch(&session, "good", Some(false));
    assert_eq!(
        look("").await.len(),
        1,
        "what is not loaded leaves the list"
    );
    assert_eq!(state(), Some(PluginState::Available));
    let serving = host.serving(&session);
    assert!(
        serving.len() == 1 && serving[0].switch == Some(false) && !serving[0].serves,
        "{serving:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_versions_of_a_plugin_side_by_side_take_no_room_of_another() {
    let (_place, host) = odd("sleep", "on_error = \"allow\"\ntimeout = \"1s\"").await;
    let host = Arc::new(host);
    let calls = |host: &Arc<PluginHost>| -> Vec<_> {
        (0..100)
            .map(|_| {
                let host = Arc::clone(host);
                tokio::spawn(async move { host.validate(&subject("odd"), text("hello")).await })
            })
            .collect()
    };
    let mut all = calls(&host);
    for n in 0..3 {
        let text = odd_and_good(
            "sleep",
            &format!("on_error = \"allow\"\ntimeout = \"{}ms\"", 1001 + n),
        );
        // Its share is in use, but a candidate is asked about itself all the same.
        host.reload("odd", move || Ok(entries(&text)))
            .await
            .expect("reloaded");
        all.extend(calls(&host));
    }
    let mut asked = 0;
    while asked < 20 || all.iter().any(|call| !call.is_finished()) {
        let (_, verdicts) = allowed(host.validate(&subject("fine"), text("hello")).await);
        assert_eq!(verdicts[0].verdict, "allow");
        asked += 1;
    }
    let mut timed_out = 0;
    for call in all {
        match call.await.expect("no panic") {
            Decision::Allow(_, verdicts) => {
                assert_eq!(verdicts[0].verdict, "timed_out");
                timed_out += 1;
            }
            Decision::Busy(busy, _) => assert!(
                busy.reason.contains("too many of its calls"),
                "the pool itself was full: {busy}"
            ),
            Decision::Reject(rejection, _) => panic!("{rejection:?}"),
        }
    }
    assert!(timed_out > 0);
}

#[tokio::test]
async fn a_switch_decides_in_place_of_the_entry_and_outlives_reloads() {
    let (_place, host) = odd("allow", "").await;
    let asked = async |session: &str| -> Vec<String> {
        let (_, verdicts) = allowed(host.validate(&subject(session), text("hello")).await);
        verdicts.into_iter().map(|verdict| verdict.plugin).collect()
    };
    let id = |name: &str| name.parse().expect("a client id");
    // The entry of `odd` names the session `odd` alone.
    assert_eq!(asked("fine").await, ["good"]);
    host.set_switch(&id("fine"), "odd", Some(true));
    host.set_switch(&id("odd"), "odd", Some(false));
    host.set_switch(&id("fine"), "good", Some(false));
    for _ in 0..2 {
        assert_eq!(asked("fine").await, ["odd"]);
        assert_eq!(asked("odd").await, ["good"]);
        let told: Vec<_> = host
            .serving(&id("fine"))
            .into_iter()
            .map(|serving| (serving.plugin, serving.serves, serving.switch))
            .collect();
        assert_eq!(
            told,
            [
                ("odd".to_owned(), true, Some(true)),
                ("good".to_owned(), false, Some(false))
            ]
        );
        host.reload("odd", || Ok(entries(&odd_and_good("allow", ""))))
            .await
            .expect("reloaded");
    }
    host.set_switch(&id("fine"), "odd", None);
    host.forget_switches(&id("odd"));
    assert_eq!(asked("fine").await, [] as [String; 0]);
    assert_eq!(asked("odd").await, ["odd", "good"]);
    let reasons: Vec<_> = host
        .serving(&id("fine"))
        .into_iter()
        .map(|serving| serving.reason)
        .collect();
    assert_eq!(
        reasons,
        [
            "`sessions` of its entry does not name this session",
            "it was switched off for this session"
        ]
    );
}

#[tokio::test]
async fn a_plugin_that_fails_too_often_is_not_called_until_its_pause_is_over_or_it_is_reloaded() {
    let rule = "quarantine = { failures = 3, within = \"1h\", pause = \"1h\" }";
    let (_place, host) = odd("panic", rule).await;
    let mut news = host.quarantines().expect("told to the first who asks");
    let codes = async |n: usize| -> Vec<(String, &'static str)> {
        let mut codes = Vec::new();
        for _ in 0..n {
            let (rejection, verdicts) =
                rejected(host.validate(&subject("odd"), text("hello")).await);
            codes.push((rejection.code.to_string(), verdicts[0].verdict));
        }
        codes
    };
    let failed = ("plugin_failed".to_owned(), "trapped");
    let quarantined = ("plugin_quarantined".to_owned(), "quarantined");
    let first = codes(5).await;
    assert_eq!(
        first,
        [
            failed.clone(),
            failed.clone(),
            failed.clone(),
            quarantined.clone(),
            quarantined.clone()
        ]
    );
    let told = news.try_recv().expect("told");
    assert_eq!(
        (told.plugin.as_str(), told.session.as_str(), told.failures),
        ("odd", "odd", 3)
    );
    assert_eq!(host.statuses()[0].quarantined_until, Some(told.until));
    assert_eq!(host.statuses()[1].quarantined_until, None);

    let same = odd_and_good("panic", rule);
    host.reload("odd", move || Ok(entries(&same)))
        .await
        .expect("reloaded");
    assert_eq!(codes(1).await, [failed], "a reload ends it");
    assert!(news.try_recv().is_err(), "told once");

    // `on_error` decides, as for a failure.
    let (_other, host) = odd(
        "panic",
        &format!("on_error = \"allow\"\n{}", rule.replace('3', "1")),
    )
    .await;
    for verdict in ["trapped", "quarantined"] {
        let (_, verdicts) = allowed(host.validate(&subject("odd"), text("hello")).await);
        assert_eq!(verdicts[0].verdict, verdict);
    }
    // The gateway's own failures do not count.
    let (_third, host) = odd(
        "broken-kv",
        &format!("grants.kv = \"1MiB\"\n{}", rule.replace('3', "1")),
    )
    .await;
    for _ in 0..3 {
        let decision = host.validate(&subject("odd"), text("hello")).await;
        assert!(matches!(decision, Decision::Busy(..)), "{decision:?}");
    }
}

/// Waits until the chain answers so.
async fn until_marked(host: &PluginHost, says: [&str; 2]) {
    let wanted = [pair("relay-a", says[0]), pair("relay-b", says[1])];
    until(&format!("{wanted:?}"), async || marks(host).await == wanted).await;
}

async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !ask().await {
        assert!(Instant::now() < end, "not within 60 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watched_files_are_reloaded_when_they_have_changed_and_a_half_one_ends_nothing() {
    let place = Place::with(&[]).await;
    let host = relayed(&place, "1").await;
    let file = place.dir.path().join("gateway.toml");
    std::fs::write(&file, chain("1")).expect("written");
    let read = {
        let file = file.clone();
        move || {
            let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
            let config: Config = toml::from_str(&text).map_err(|error| error.to_string())?;
            Ok(config.plugin)
        }
    };
    let watching = tokio::spawn(Arc::clone(&host).watch(Some(file.clone()), read));

    // The first half of a file that is being copied.
    let component = guest("relay_a_2.wasm");
    let path = place.plugins().join("relay_a.wasm");
    std::fs::write(&path, &component[..component.len() / 2]).expect("written");
    until("the half file is refused", async || {
        host.statuses()[0].failed_reload.is_some()
    })
    .await;
    until_marked(&host, ["1.0.0 1", "1.0.0 1"]).await;
    std::fs::write(&path, &component).expect("written");
    until_marked(&host, ["2.0.0 1", "1.0.0 1"]).await;

    std::fs::write(&file, "[[plugin]]\nname =").expect("written");
    put(&place.plugins(), "relay_b.wasm", &guest("relay_b_2.wasm"));
    std::fs::write(&file, chain("2")).expect("written");
    until_marked(&host, ["2.0.0 2", "2.0.0 2"]).await;
    watching.abort();
}

#[tokio::test]
async fn a_start_with_compiled_plugins_takes_milliseconds() {
    let place = Place::with(&["number_policy.wasm", "templates.wasm", "webhook.wasm"]).await;
    let entries = ["number-policy", "templates"]
        .map(|name| format!("[[plugin]]\nname = \"{name}\"\n"))
        .concat()
        + "[[plugin]]\nname = \"webhook\"\ngrants.http = [\"https://hooks.example.org\"]\n\
           [[plugin.config.targets]]\nname = \"crm\"\nurl = \"https://hooks.example.org/in\"\n";
    place.load(&entries).await.expect("fills the cache");
    let mut took = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        place.load(&entries).await.expect("all three load");
        took.push(begun.elapsed());
    }
    took.sort();
    println!(
        "start of three bundled plugins from the cache: median {:?} of {took:?}",
        took[2]
    );
    // An unoptimised gateway compiles for much longer than this.
    assert!(took[0] < Duration::from_secs(5), "{took:?}");
}
