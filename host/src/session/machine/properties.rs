//! Properties of every history, for any order of inputs and any rules.

use proptest::prelude::*;

use super::{
    tests::{inputs, rules},
    *,
};

fn some_rules() -> impl Strategy<Value = Rules> {
    (0_u32..7, 0_u32..5, any::<bool>(), any::<bool>()).prop_map(
        |(max_attempts, qr_limit, relink, slow)| Rules {
            max_attempts,
            qr_limit,
            relink,
            slow_delay: slow.then_some(Duration::from_secs(1)),
            ..rules()
        },
    )
}

/// What a supervisor would have: a browser or none, a timer or none.
#[derive(Debug, Default)]
struct World {
    browsers: u32,
    timer: Option<Wait>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_history_loses_an_attempt_or_starts_two_browsers_or_waits_for_nothing(
        linked in any::<bool>(),
        rules in some_rules(),
        history in prop::collection::vec(prop::sample::select(inputs()), 0..60),
    ) {
        let mut machine = Machine::new(linked);
        let mut world = World::default();
        for input in history {
            // A timer that is not set cannot fire.
            if input == Input::Tick && world.timer.take().is_none() {
                continue;
            }
            let before = machine.clone();
            let (after, effects) = machine.step(input.clone(), &rules);
            let mut state = before.state;
            for effect in &effects {
                match effect {
                    Effect::Launch => world.browsers += 1,
                    Effect::Close => world.browsers -= 1,
                    Effect::Timer(wait) => world.timer = *wait,
                    Effect::Enter { before, after, .. } => {
                        prop_assert_eq!(*before, state, "a step that nobody saw");
                        state = *after;
                    }
                    Effect::Reload | Effect::RefreshQr => prop_assert_eq!(world.browsers, 1),
                }
                prop_assert!(world.browsers <= 1, "two browsers after {:?}", input);
            }
            prop_assert_eq!(state, after.state);
            prop_assert_eq!(after.open, world.browsers == 1);
            prop_assert!(effects.iter().filter(|effect| **effect == Effect::Launch).count() <= 1, "two launches on {:?}", input);

            // The attempt count grows by one at a failure, is reset by a manual start or after a
            // stable time, and never exceeds the limit.
            let forgiven = input == Input::Start || (input == Input::Tick && before.state == Ready && !before.mending);
            if forgiven {
                prop_assert_eq!(after.attempt, 0);
            } else {
                prop_assert!(after.attempt == before.attempt || after.attempt == before.attempt + 1, "{} to {} on {:?}", before.attempt, after.attempt, input);
            }
            prop_assert!(after.attempt <= rules.max_attempts);
            // A login counts as lost only if the page says so.
            if before.linked && !after.linked {
                prop_assert!(matches!(input, Input::LoggedOut(_) | Input::Qr | Input::PasskeyAsked | Input::Page(Stage::NeedsLink)), "{:?}", input);
            }
            // A passkey is awaited only in a state in which a QR code could be shown, and no QR
            // code is requested then.
            prop_assert!(!after.passkey || (after.state == QrReady && after.open), "{:?}", after);
            prop_assert!(!before.passkey || !effects.contains(&Effect::RefreshQr), "a new batch of QR codes spoils the passkey's ceremony");
            // A state that neither a person nor the page will end has a timer.
            let waits_for_us = matches!(after.state, Authenticated | Reconnecting) || (after.state == MaxReconnectExceeded && rules.slow_delay.is_some());
            prop_assert!(!waits_for_us || world.timer.is_some(), "{:?} waits for nothing", after);
            // Without a browser the session waits for an attempt or a person.
            prop_assert!(after.open || matches!(after.state, Disconnected | Reconnecting | MaxReconnectExceeded | AuthFailure | Error), "{:?}", after);
            machine = after;
        }
    }
}
