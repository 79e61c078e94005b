//! Dead letters: listed, retried and purged.

use super::{receiver::Manner, *};

async fn dead(number: usize, receivers: &[(&str, &Receiver)]) -> House {
    let targets: Vec<(&str, String)> = receivers
        .iter()
        .map(|(name, receiver)| (*name, receiver.url()))
        .collect();
    let targets: Vec<(&str, &str)> = targets
        .iter()
        .map(|(name, url)| (*name, url.as_str()))
        .collect();
    let house = House::of(Teller::to(&targets), settings()).await;
    for n in 0..number {
        house.tell(&format!("e.{n}")).await;
    }
    house
        .until_state(DeliveryState::Dead, number * receivers.len())
        .await;
    house
}

#[tokio::test]
async fn one_of_a_target_and_all_since_a_time_are_delivered_again() {
    let (a, b) = (
        Receiver::that(Manner::Says(410)).await,
        Receiver::that(Manner::Says(410)).await,
    );
    let house = dead(4, &[("a", &a), ("b", &b)]).await;
    a.now(Manner::Says(200));
    b.now(Manner::Says(200));
    let all = house.state(DeliveryState::Dead).await;
    assert!(
        all.windows(2).all(|pair| pair[0].id > pair[1].id),
        "newest first"
    );
    let one = all.iter().find(|row| row.target == "a").expect("there");
    assert_eq!(house.events.retry_delivery(&one.id).await, Ok(true));
    until("the one", async || (a.taken().len() == 1).then_some(())).await;
    assert_eq!(
        house
            .events
            .delivery(&one.id)
            .await
            .expect("read")
            .expect("there")
            .event
            .expect("kept")
            .event
            .kind(),
        a.taken()[0]
    );
    house.until_state(DeliveryState::Delivered, 1).await;
    assert_eq!(
        house.events.retry_delivery(&one.id).await,
        Ok(false),
        "it is delivered"
    );

    let filter = DeliveryFilter {
        target: Some("a".into()),
        ..DeliveryFilter::default()
    };
    assert_eq!(house.events.retry_deliveries(&filter).await, Ok(3));
    until("all of the target", async || {
        (a.taken().len() == 4).then_some(())
    })
    .await;
    assert!(b.taken().is_empty());

    let mut left: Vec<Delivery> = house.state(DeliveryState::Dead).await;
    left.reverse();
    let filter = DeliveryFilter {
        since: Some(left[2].made_at),
        ..DeliveryFilter::default()
    };
    let since = left
        .iter()
        .filter(|row| row.made_at >= left[2].made_at)
        .count();
    assert_eq!(
        house.events.retry_deliveries(&filter).await,
        Ok(since as u64)
    );
    until("all since a time", async || {
        (b.taken().len() == since).then_some(())
    })
    .await;
    house.until_state(DeliveryState::Dead, 4 - since).await;
}

#[tokio::test]
async fn what_is_purged_is_gone_and_nothing_else() {
    let (a, b) = (
        Receiver::that(Manner::Says(410)).await,
        Receiver::that(Manner::Says(410)).await,
    );
    let house = dead(3, &[("a", &a), ("b", &b)]).await;
    let one = house.state(DeliveryState::Dead).await.remove(0);
    assert_eq!(house.events.purge_delivery(&one.id).await, Ok(true));
    assert_eq!(house.events.purge_delivery(&one.id).await, Ok(false));
    assert_eq!(house.events.delivery(&one.id).await, Ok(None));
    let filter = DeliveryFilter {
        target: Some("a".into()),
        ..DeliveryFilter::default()
    };
    let of_a = house
        .state(DeliveryState::Dead)
        .await
        .iter()
        .filter(|row| row.target == "a")
        .count();
    assert_eq!(
        house.events.purge_deliveries(&filter).await,
        Ok(of_a as u64)
    );
    let left = house.state(DeliveryState::Dead).await;
    assert!(
        left.len() == 5 - of_a && left.iter().all(|row| row.target == "b"),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_receiver_is_called_failing_no_longer_than_it_has_deliveries() {
    let away = Receiver::that(Manner::Says(503)).await;
    let house = House::of(Teller::to(&[("away", &away.url())]), settings()).await;
    house.tell("e").await;
    let mut shown = std::collections::HashSet::new();
    until("it fails", async || {
        gauges::count(&house.events.shared, &mut shown)
            .await
            .expect("counted");
        let reports = house.events.receivers().await.expect("read");
        reports.iter().any(|it| it.failing.is_some()).then_some(())
    })
    .await;
    let filter = DeliveryFilter {
        state: Some(DeliveryState::Pending),
        ..DeliveryFilter::default()
    };
    house
        .events
        .purge_deliveries(&filter)
        .await
        .expect("purged");
    // A call that was under way may end only now.
    until("it is forgotten", async || {
        gauges::count(&house.events.shared, &mut shown)
            .await
            .expect("counted");
        let reports = house.events.receivers().await.expect("read");
        reports.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn pages_go_on_where_the_one_before_ended() {
    let a = Receiver::that(Manner::Says(410)).await;
    let house = dead(7, &[("a", &a)]).await;
    for state in [Some(DeliveryState::Dead), None] {
        let filter = DeliveryFilter {
            state,
            ..DeliveryFilter::default()
        };
        let (mut seen, mut cursor) = (vec![], None);
        loop {
            let (page, next) = house
                .events
                .deliveries(&filter, cursor.as_deref(), 3)
                .await
                .expect("listed");
            seen.extend(page.into_iter().map(|letter| letter.delivery.id));
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        let mut sorted = seen.clone();
        sorted.sort_by(|a, b| b.cmp(a));
        sorted.dedup();
        assert_eq!((seen.len(), &seen), (7, &sorted));
    }
}

#[tokio::test]
async fn what_waits_too_long_is_given_up_and_what_is_dead_too_long_is_forgotten() {
    let away = Receiver::that(Manner::Says(503)).await;
    let house = House::of(Teller::to(&[("away", &away.url())]), settings()).await;
    house.tell("e").await;
    until("an attempt", async || {
        house
            .state(DeliveryState::Pending)
            .await
            .first()
            .filter(|row| row.attempt > 0)
            .map(|_| ())
    })
    .await;
    assert_eq!(house.store.give_up_deliveries(Timestamp(1)).await, Ok(0));
    let later = || Timestamp::now().plus_millis(60_000);
    until("it is given up between two attempts", async || {
        house
            .store
            .give_up_deliveries(later())
            .await
            .expect("written");
        let dead = house.state(DeliveryState::Dead).await;
        dead.first()
            .and_then(|row| row.reason.clone())
            .filter(|reason| reason.contains("max_age") && reason.contains("503"))
    })
    .await;
    assert_eq!(
        house.store.prune_dead_letters(Timestamp(1)).await,
        Ok(false)
    );
    assert_eq!(house.store.prune_dead_letters(later()).await, Ok(true));
    assert!(house.state(DeliveryState::Dead).await.is_empty());
    assert_eq!(
        house.store.prune_events(later()).await,
        Ok(true),
        "its event goes with it"
    );
}
