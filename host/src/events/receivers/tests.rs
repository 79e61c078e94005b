//! Limits, circuit breakers and names of receivers, with a clock that the test moves.

use super::*;

fn id(target: &str) -> ReceiverId {
    ReceiverId {
        plugin: "webhook".into(),
        target: target.into(),
    }
}

fn failed() -> Seen {
    Seen::Failed("status 500".into())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_holds_its_receivers_room_and_nobody_elses() {
    let mut all = Receivers::new(4, 4);
    let begun = Instant::now();
    for n in 0..4 {
        all.begin(&id("slow"), &n.to_string(), begun);
    }
    assert_eq!(
        (all.places(begun), all.room(&id("slow"), begun).calls),
        ((0, Some(begun + YOUNG)), 0)
    );
    let later = begun + YOUNG;
    assert_eq!(
        (all.places(later), all.room(&id("slow"), later).calls),
        ((4, None), 0)
    );
    assert_eq!(all.room(&id("ok"), later).calls, 4);
    assert!(all.room(&id("ok"), later).order < all.room(&id("slow"), later).order);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_fails_is_asked_once_in_a_while_until_it_takes_something() {
    let mut all = Receivers::new(8, 32);
    let mut now = Instant::now();
    for n in 0..8 {
        all.begin(&id("dead"), &n.to_string(), now);
    }
    for n in 0..8 {
        all.end(&id("dead"), &n.to_string(), failed(), None, now);
    }
    let mut pauses = vec![];
    for n in 8..14 {
        let room = all.room(&id("dead"), now);
        assert_eq!(room.calls, 0);
        let next = room.more_at.expect("a time");
        pauses.push((next - now).as_secs());
        now = next;
        assert_eq!(all.room(&id("dead"), now).calls, 1, "one call to see");
        all.begin(&id("dead"), &n.to_string(), now);
        assert_eq!(
            all.room(&id("dead"), now).calls,
            0,
            "and no second one beside it"
        );
        all.end(&id("dead"), &n.to_string(), failed(), None, now);
    }
    assert_eq!(pauses, [2, 4, 8, 16, 30, 30]);
    assert!(all.failing()[&id("dead")].open && all.failing()[&id("dead")].failures == 14);
    all.end(&id("dead"), "late", Seen::Well, None, now);
    assert_eq!(all.room(&id("dead"), now).calls, 8);
    assert!(all.failing().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_event_that_is_refused_again_and_again_keeps_no_other_from_its_receiver() {
    let mut all = Receivers::new(8, 32);
    let now = Instant::now();
    for _ in 0..50 {
        all.begin(&id("picky"), "poison", now);
        all.end(&id("picky"), "poison", failed(), None, now);
    }
    assert_eq!(all.room(&id("picky"), now).calls, 8);
    assert_eq!(all.failing()[&id("picky")].failures, 50);
}

#[tokio::test(start_paused = true)]
async fn names_without_end_are_neither_kept_nor_counted_one_by_one() {
    let mut all = Receivers::new(8, 32);
    let now = Instant::now();
    for n in 0..1000 {
        all.begin(&id(&format!("t{n}")), "d", now);
        let label = all.end(&id(&format!("t{n}")), "d", Seen::Well, None, now);
        assert_eq!(label == "(other)", n >= NAMED, "{n}");
    }
    assert_eq!(all.known.len(), NAMED);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_without_deliveries_is_forgotten_and_not_called_failing_any_more() {
    let mut all = Receivers::new(8, 32);
    let now = Instant::now();
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    let gauge = |target: &str| {
        let name = format!("wharf_receiver_failing{{plugin=\"webhook\",target=\"{target}\"}} ");
        shown
            .render()
            .lines()
            .find_map(|line| line.strip_prefix(&name).map(str::to_owned))
    };
    metrics::with_local_recorder(&recorder, || {
        for n in 0..1000 {
            let id = id(&format!("t{n}"));
            all.begin(&id, "d", now);
            all.end(&id, "d", failed(), None, now);
        }
        all.begin(&id("t1"), "under way", now);
        assert_eq!((all.known.len(), all.failing().len()), (1000, 1000));
        all.forget_idle(|id| id.target == "t0");
        let mut left: Vec<String> = all.failing().into_keys().map(|id| id.target).collect();
        left.sort();
        assert_eq!(left, ["t0", "t1"]);
        assert_eq!(all.known.len(), 2);
        for (target, value) in [("t0", Some("1")), ("t1", Some("1")), ("t2", Some("0"))] {
            assert_eq!(gauge(target).as_deref(), value, "{target}");
        }

        // A name that was forgotten makes no room for another label.
        for n in 0..1000 {
            let id = id(&format!("later-{n}"));
            all.begin(&id, "d", now);
            assert_eq!(all.end(&id, "d", failed(), None, now), "(other)");
        }
        all.begin(&id("t2"), "d", now);
        assert_eq!(all.end(&id("t2"), "d", failed(), None, now), "t2");
        assert_eq!(gauge("t2").as_deref(), Some("1"));
        assert_eq!(gauge("later-0"), None);
    });
}
