//! Faults during an attempt and around it.

use super::{receiver::Manner, *};

#[tokio::test]
async fn a_panic_costs_its_own_delivery_an_attempt_and_nothing_else() {
    let ok = Receiver::that(Manner::After(Duration::from_millis(300))).await;
    let teller = Teller::to(&[("boom", "http://127.0.0.1:9"), ("ok", &ok.url())]);
    of(&teller.panics).push("boom".into());
    let house = House::of(
        teller,
        config::Delivery {
            max_attempts: 3,
            ..settings()
        },
    )
    .await;
    for n in 0..20 {
        house.tell(&format!("e.{n}")).await;
    }
    let failing = until("five deliveries that panicked", async || {
        let reports = house.events.receivers().await.expect("read");
        let failing = reports.into_iter().filter_map(|it| it.failing);
        failing.into_iter().find(|failing| failing.open)
    })
    .await;
    assert!(failing.reason.contains("panicked"), "{failing:?}");
    let tried = until("what came of them", async || {
        let waiting = house.state(DeliveryState::Pending).await.into_iter();
        let tried: Vec<Delivery> = waiting.filter(|row| row.attempt > 0).collect();
        (tried.len() >= 5).then_some(tried)
    })
    .await;
    assert!(
        tried
            .iter()
            .all(|row| row.target == "boom" && row.next_at.since(row.updated_at) > 500),
        "what panicked waits before it is tried again: {tried:?}"
    );
    let attempts = of(&house.teller.asked)
        .iter()
        .filter(|(subject, _)| subject.starts_with("dlv_"))
        .count();
    assert!(attempts < 20 + 30, "{attempts} attempts until then");
    house.until_state(DeliveryState::Delivered, 20).await;
    // A call that was made twice would have come before that of a later event is answered.
    house.tell("e.last").await;
    house.until_state(DeliveryState::Delivered, 21).await;
    let once: std::collections::BTreeSet<_> = ok.calls().into_iter().collect();
    assert_eq!(
        (once.len(), ok.calls().len()),
        (21, 21),
        "what else was in flight was sent once"
    );
    // The operator repairs it.
    of(&house.teller.targets)[0].1 = ok.url();
    of(&house.teller.panics).clear();
    until("what panicked", async || {
        let filter = DeliveryFilter {
            target: Some("boom".into()),
            ..DeliveryFilter::default()
        };
        house
            .events
            .retry_deliveries(&filter)
            .await
            .expect("retried");
        (house.state(DeliveryState::Delivered).await.len() == 42).then_some(())
    })
    .await;
}

#[tokio::test]
async fn after_all_attempts_a_panic_is_a_dead_letter() {
    let teller = Teller::to(&[("boom", "http://127.0.0.1:9")]);
    of(&teller.panics).push("boom".into());
    let house = House::of(
        teller,
        config::Delivery {
            max_attempts: 2,
            ..settings()
        },
    )
    .await;
    house.tell("e").await;
    let dead = house.until_state(DeliveryState::Dead, 1).await;
    assert_eq!(dead[0].attempt, 2);
    let reason = dead[0].reason.as_deref().unwrap_or_default();
    assert!(
        reason.contains("2 attempts")
            && reason.contains("panicked")
            && !reason.contains("as the test wants"),
        "{reason}"
    );
}

#[tokio::test]
async fn what_came_of_a_call_is_not_forgotten_while_the_database_cannot_be_written() {
    let ok = Receiver::that(Manner::After(Duration::from_millis(500))).await;
    let house = House::patient(
        Teller::to(&[("ok", &ok.url())]),
        settings(),
        Duration::from_millis(100),
    )
    .await;
    house.tell("e").await;
    until("a call", async || (ok.calls().len() == 1).then_some(())).await;
    let held = crate::store::hold(&house.path).await;
    until("its answer", async || (ok.taken().len() == 1).then_some(())).await;
    // Each of these writes waits for the lock in vain, as the record of the outcome does.
    for _ in 0..5 {
        assert_eq!(
            house.store.pause_sending(&session(), true).await,
            Err(StoreError::Busy)
        );
    }
    held.await;
    let done = house.until_state(DeliveryState::Delivered, 1).await;
    assert_eq!(
        (done[0].attempt, ok.calls().len()),
        (1, 1),
        "it was made once"
    );
}

#[tokio::test]
async fn a_code_goes_to_whom_it_is_for_or_to_nobody() {
    let receiver = Receiver::that(Manner::Says(200)).await;
    let late = Receiver::that(Manner::Says(503)).await;
    let house = House::of(
        Teller::to(&[("now", &receiver.url()), ("late", &late.url())]),
        settings(),
    )
    .await;
    let expires_at = Timestamp::now().plus_millis(2500);
    for n in 0..12 {
        let session = format!("shop-{n}").parse().expect("id");
        let event = Event::Qr {
            code: format!("code-{n}"),
            expires_at,
            attempt: 1,
        };
        house
            .events
            .append(&session, None, event)
            .await
            .expect("appended");
    }
    until("all codes", async || {
        (receiver.taken().len() == 12).then_some(())
    })
    .await;
    let mut codes = receiver.taken();
    codes.sort();
    let mut wanted: Vec<String> = (0..12).map(|n| format!("qr code-{n}")).collect();
    wanted.sort();
    assert_eq!(codes, wanted);
    until("the codes expire", async || {
        (Timestamp::now() > expires_at).then_some(())
    })
    .await;
    late.now(Manner::Says(200));
    let filter = DeliveryFilter {
        target: Some("late".into()),
        state: Some(DeliveryState::Pending),
        ..DeliveryFilter::default()
    };
    house
        .events
        .retry_deliveries(&filter)
        .await
        .expect("retried");
    let stale = house.until_state(DeliveryState::Stale, 12).await;
    assert!(
        stale
            .iter()
            .all(|row| row.target == "late" && row.reason.is_some())
    );
    assert!(
        late.taken().is_empty() && !late.calls().contains(&"qr ".to_owned()),
        "{:?}",
        late.calls()
    );
}
