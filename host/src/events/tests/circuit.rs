//! Receivers that hang, are slow or were down, beside one that works.

use super::{receiver::Manner, *};

#[tokio::test]
async fn receivers_that_hang_delay_nobody() {
    let ok = Receiver::that(Manner::Says(200)).await;
    let nine = Receiver::that(Manner::After(Duration::from_secs(9))).await;
    let mut slow = vec![];
    for _ in 0..6 {
        slow.push(Receiver::that(Manner::Hangs).await);
    }
    let mut targets: Vec<(String, String)> = slow
        .iter()
        .enumerate()
        .map(|(n, slow)| (format!("a-slow-{n}"), slow.url()))
        .collect();
    targets.extend([("nine".to_owned(), nine.url()), ("ok".to_owned(), ok.url())]);
    let targets: Vec<(&str, &str)> = targets
        .iter()
        .map(|(name, url)| (name.as_str(), url.as_str()))
        .collect();
    // More of them than the shared limit allows calls.
    let house = House::of(
        Teller::to(&targets),
        config::Delivery {
            concurrency: 6,
            per_receiver: 4,
            ..settings()
        },
    )
    .await;
    for n in 0..120 {
        house.tell(&format!("e.{n}")).await;
    }
    let begun = Instant::now();
    until("everything at the receiver that is well", async || {
        (ok.taken().len() == 120).then_some(())
    })
    .await;
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    for slow in &slow {
        assert!(
            (1..=4).contains(&slow.calls().len()),
            "{} calls",
            slow.calls().len()
        );
    }
    // Each is delivered once, and the slow receiver does not count as failing.
    let once: std::collections::BTreeSet<_> = ok.calls().into_iter().collect();
    assert_eq!((once.len(), ok.calls().len()), (120, 120));
    until("what takes nine seconds", async || {
        (nine.taken().len() >= 4).then_some(())
    })
    .await;
    let failing: Vec<String> = house
        .events
        .receivers()
        .await
        .expect("read")
        .into_iter()
        .filter(|it| it.failing.is_some())
        .map(|it| it.count.target)
        .collect();
    assert!(
        !failing.contains(&"nine".to_owned()) && !failing.contains(&"ok".to_owned()),
        "{failing:?}"
    );
}

#[tokio::test]
async fn what_waited_for_a_receiver_reaches_it_once_it_is_back_and_delays_nobody_meanwhile() {
    let ok = Receiver::that(Manner::Says(200)).await;
    let away = Receiver::that(Manner::Says(503)).await;
    let house = House::of(
        Teller::to(&[("away", &away.url()), ("ok", &ok.url())]),
        settings(),
    )
    .await;
    for n in 0..300 {
        house.tell(&format!("e.{n}")).await;
    }
    until("everything at the receiver that is well", async || {
        (ok.taken().len() == 300).then_some(())
    })
    .await;
    let reports = until("an open circuit", async || {
        let reports = house.events.receivers().await.expect("read");
        reports
            .iter()
            .any(|it| it.failing.as_ref().is_some_and(|failing| failing.open))
            .then_some(reports)
    })
    .await;
    assert_eq!(
        (
            reports[0].count.target.as_str(),
            reports[0].count.pending,
            reports[0].count.dead
        ),
        ("away", 300, 0)
    );
    // Deliveries that are not tried use up no attempts, and the receiver is not called all the
    // time.
    assert!(away.calls().len() < 20, "{} calls", away.calls().len());
    away.now(Manner::Says(200));
    house.tell("e.last").await;
    until("what waited", async || {
        (away.taken().len() == 301).then_some(())
    })
    .await;
    let once: std::collections::BTreeSet<_> = away.taken().into_iter().collect();
    assert_eq!(once.len(), 301);
    until("nothing waits", async || {
        house
            .events
            .receivers()
            .await
            .expect("read")
            .is_empty()
            .then_some(())
    })
    .await;
    assert_eq!(ok.calls().len(), 301);
}

#[tokio::test]
async fn the_next_one_is_due_on_time_without_anybody_knocking() {
    let receiver = Receiver::that(Manner::Says(503)).await;
    let house = House::of(Teller::to(&[("one", &receiver.url())]), settings()).await;
    house.tell("e").await;
    until("an attempt", async || {
        (receiver.calls().len() == 1).then_some(())
    })
    .await;
    receiver.now(Manner::Says(200));
    let begun = Instant::now();
    house.until_state(DeliveryState::Delivered, 1).await;
    // The notifier asks for no pause, and the shortest pause is a second. So the retry comes
    // neither at once nor only after the idle time.
    assert!(
        begun.elapsed() > Duration::from_millis(500) && begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(house.state(DeliveryState::Delivered).await[0].attempt, 2);
}
