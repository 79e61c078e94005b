//! A notifier that fails to name targets.

use super::{receiver::Manner, *};

#[tokio::test]
async fn a_notifier_that_fails_is_asked_again_about_the_same_event() {
    let receiver = Receiver::that(Manner::Says(200)).await;
    let house = House::of(Teller::to(&[("one", &receiver.url())]), settings()).await;
    of(&house.teller.deaf).insert("e.deaf".into(), 2);
    house.tell("e.deaf").await;
    house.tell("e.other").await;
    until("the other event", async || {
        receiver
            .taken()
            .contains(&"e.other".to_owned())
            .then_some(())
    })
    .await;
    until("the event of which nothing was known", async || {
        receiver
            .taken()
            .contains(&"e.deaf".to_owned())
            .then_some(())
    })
    .await;
    let attempts: Vec<u32> = of(&house.teller.asked)
        .iter()
        .filter(|(kind, _)| kind == "e.deaf")
        .map(|(_, attempt)| *attempt)
        .collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert_eq!(receiver.calls().len(), 2);
    assert!(house.state(DeliveryState::Dead).await.is_empty());
}

#[tokio::test]
async fn what_nobody_could_say_of_is_a_dead_letter_in_the_end_and_can_be_taken_up() {
    let receiver = Receiver::that(Manner::Says(200)).await;
    let house = House::of(
        Teller::to(&[("one", &receiver.url())]),
        config::Delivery {
            max_attempts: 2,
            ..settings()
        },
    )
    .await;
    of(&house.teller.deaf).insert("e".into(), 2);
    house.tell("e").await;
    let dead = house.until_state(DeliveryState::Dead, 1).await;
    assert_eq!((dead[0].target.as_str(), dead[0].attempt), ("", 2));
    assert!(
        dead[0]
            .reason
            .as_deref()
            .is_some_and(|reason| reason.contains("trapped")),
        "{dead:?}"
    );
    assert_eq!(house.events.retry_delivery(&dead[0].id).await, Ok(true));
    until("the event", async || {
        (receiver.taken() == ["e"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_notifier_that_fails_again_and_again_is_not_waited_for_and_misses_nothing() {
    let receiver = Receiver::that(Manner::Says(200)).await;
    let house = House::of(Teller::to(&[("one", &receiver.url())]), settings()).await;
    *of(&house.teller.fails) = 6;
    for n in 0..40 {
        house.tell(&format!("e.{n}")).await;
    }
    until("an open circuit", async || {
        house
            .events
            .receivers()
            .await
            .expect("read")
            .iter()
            .any(|it| it.failing.as_ref().is_some_and(|it| it.open))
            .then_some(())
    })
    .await;
    assert!(
        of(&house.teller.asked).len() <= 20,
        "the others did not wait for it"
    );
    until("everything", async || {
        (receiver.taken().len() == 40).then_some(())
    })
    .await;
    let once: std::collections::BTreeSet<_> = receiver.calls().into_iter().collect();
    assert_eq!((once.len(), receiver.calls().len()), (40, 40));
    // Events that were not routed at first have lost no attempt.
    let last: Vec<u32> = of(&house.teller.asked)
        .iter()
        .filter(|(kind, _)| kind == "e.39")
        .map(|(_, attempt)| *attempt)
        .collect();
    assert_eq!(last, [1]);
}

#[tokio::test]
async fn a_notifier_that_is_not_loaded_keeps_its_deliveries_waiting() {
    let receiver = Receiver::that(Manner::Says(200)).await;
    let house = House::of(Teller::to(&[("one", &receiver.url())]), settings()).await;
    // As with a target that was removed from the configuration: the notifier's `request` fails.
    receiver.now(Manner::Says(503));
    house.tell("e").await;
    until("a call", async || {
        (receiver.calls().len() == 1).then_some(())
    })
    .await;
    let targets = std::mem::take(&mut *of(&house.teller.targets));
    until("a second attempt", async || {
        house
            .state(DeliveryState::Pending)
            .await
            .first()
            .filter(|row| row.attempt >= 2)
            .map(|_| ())
    })
    .await;
    receiver.now(Manner::Says(200));
    *of(&house.teller.targets) = targets;
    until("the event", async || {
        (receiver.taken() == ["e"]).then_some(())
    })
    .await;
}
