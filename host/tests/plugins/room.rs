//! A plugin cannot use the instances of another one, and a lack of instances is a failure of the
//! gateway, not of the plugin.

use std::{sync::Arc, time::Duration};

use wharf::plugins::{Decision, Pipeline, PluginHost};

use crate::support::{Place, allowed, guest, odd, subject, text};

/// The component, changed to need `more` further memories and three times as many tables for each
/// call.
fn needing(component: &[u8], more: u8) -> Vec<u8> {
    // A core module with three tables and a memory of one page.
    let module = [
        b"\0asm\x01\0\0\0".as_slice(),
        &[4, 10, 3, 0x70, 0, 1, 0x70, 0, 1, 0x70, 0, 1],
        &[5, 3, 1, 0, 1],
    ]
    .concat();
    let index = core_modules(component);
    let instances: Vec<u8> = (0..more).flat_map(|_| [0, index, 0]).collect();
    let section = |id: u8, content: Vec<u8>| {
        [
            vec![id, u8::try_from(content.len()).expect("small")],
            content,
        ]
        .concat()
    };
    [
        component.to_vec(),
        section(1, module),
        section(2, [vec![more], instances].concat()),
    ]
    .concat()
}

/// The number of core modules; each one is a section.
fn core_modules(component: &[u8]) -> u8 {
    let (mut at, mut found) = (8, 0);
    while at < component.len() {
        let id = component[at];
        at += 1;
        let (mut size, mut shift) = (0usize, 0);
        loop {
            let byte = component[at];
            at += 1;
            size |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        at += size;
        found += u8::from(id == 1);
    }
    found
}

async fn greedy(component: &[u8]) -> Result<PluginHost, String> {
    let place = Place::with(&["good.wasm"]).await;
    std::fs::write(place.dir.path().join("plugins/greedy.wasm"), component).expect("a component");
    let entry = "[[plugin]]\nname = \"greedy\"\nsessions = [\"greedy\"]\non_error = \"allow\"\ntimeout = \"1s\"\ngrants.kv = \"1MiB\"\n";
    place
        .load(&format!("{entry}[[plugin]]\nname = \"good\"\n"))
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_takes_everything_takes_no_room_of_another() {
    for more in [0, 7] {
        let host = Arc::new(
            greedy(&needing(&guest("greedy.wasm"), more))
                .await
                .expect("both load"),
        );
        let calls: Vec<_> = (0..200)
            .map(|_| {
                let host = Arc::clone(&host);
                tokio::spawn(async move { host.validate(&subject("greedy"), text("hello")).await })
            })
            .collect();
        let mut asked = 0;
        while asked < 20 || calls.iter().any(|call| !call.is_finished()) {
            let (_, verdicts) = allowed(host.validate(&subject("fine"), text("hello")).await);
            assert_eq!(verdicts[0].verdict, "allow", "{more} more memories");
            asked += 1;
        }
        let mut busy = 0;
        for call in calls {
            match call.await.expect("no panic") {
                // The plugin's time was over, and `on_error = "allow"` accepts the message.
                Decision::Allow(_, verdicts) => assert_eq!(verdicts[0].verdict, "timed_out"),
                Decision::Busy(reason, verdicts) => {
                    assert_eq!(
                        (reason.plugin.as_str(), verdicts[0].verdict),
                        ("greedy", "busy")
                    );
                    busy += 1;
                }
                Decision::Reject(rejection, _) => panic!("{rejection:?}"),
            }
        }
        assert!(busy > 0, "calls beyond its own share had room");
    }
}

#[tokio::test]
async fn a_call_that_needs_more_than_any_may_is_refused_at_the_start() {
    let refused = greedy(&needing(&guest("greedy.wasm"), 8))
        .await
        .expect_err("nine memories");
    assert!(
        refused.contains("greedy") && refused.contains("9 memories"),
        "{refused}"
    );
}

#[tokio::test]
async fn storage_that_does_not_answer_is_no_fault_of_the_plugin_and_lets_nothing_pass() {
    for on_error in ["allow", "reject"] {
        let host = odd(
            "slow-kv",
            &format!("on_error = \"{on_error}\"\ntimeout = \"150ms\"\ngrants.kv = \"1MiB\""),
        )
        .await;
        let Decision::Busy(busy, verdicts) = host.validate(&subject("odd"), text("hello")).await
        else {
            panic!("{on_error}: it was decided")
        };
        assert_eq!(
            (busy.plugin.as_str(), verdicts[0].verdict),
            ("odd", "busy"),
            "{on_error}"
        );
        // Here the storage fails, and the plugin allows the message nevertheless.
        let host = odd(
            "broken-kv",
            &format!("on_error = \"{on_error}\"\ngrants.kv = \"1MiB\""),
        )
        .await;
        assert!(
            matches!(
                host.validate(&subject("odd"), text("hello")).await,
                Decision::Busy(..)
            ),
            "{on_error}"
        );
    }
    // A monitored plugin does not hold back a message.
    let host = odd(
        "slow-kv",
        "mode = \"monitor\"\ntimeout = \"150ms\"\ngrants.kv = \"1MiB\"",
    )
    .await;
    let (_, verdicts) = allowed(host.validate(&subject("odd"), text("hello")).await);
    assert_eq!(verdicts[0].verdict, "busy");
    assert!(Duration::from_micros(verdicts[0].micros) >= Duration::from_millis(100));
}
