use super::*;

pub(super) fn rules() -> Rules {
    Rules::new(
        &crate::config::Sessions::default(),
        &crate::config::WhatsApp::default(),
    )
}

pub(super) fn inputs() -> Vec<Input> {
    let why = || "…".to_owned();
    let mut inputs = vec![
        Input::Start,
        Input::Stop,
        Input::Launched,
        Input::LaunchFailed {
            fatal: true,
            reason: why(),
        },
        Input::LaunchFailed {
            fatal: false,
            reason: why(),
        },
        Input::ContractBroken(why()),
        Input::Qr,
        Input::QrExhausted,
        Input::PasskeyAsked,
        Input::PasskeyEnded,
        Input::Navigated,
        Input::Refresh(why()),
        Input::LoggedOut(why()),
        Input::Banned {
            wait: None,
            reason: why(),
        },
        Input::Banned {
            wait: Some(Duration::from_secs(9)),
            reason: why(),
        },
        Input::Lost(why()),
        Input::Tick,
    ];
    inputs.extend(
        [
            Stage::Booting,
            Stage::NeedsLink,
            Stage::Syncing,
            Stage::Ready,
            Stage::Offline,
            Stage::Replaced,
            Stage::Outdated,
        ]
        .map(Input::Page),
    );
    inputs
}

/// The table of the documentation: the states that may follow a state, apart from `disconnected`,
/// `error`, a manual start and a reload of the page.
fn may_follow(before: SessionState, after: SessionState) -> bool {
    match before {
        Disconnected | Error | MaxReconnectExceeded => after == Loading,
        Loading => matches!(
            after,
            QrReady | Authenticated | AuthFailure | Reconnecting | MaxReconnectExceeded
        ),
        QrReady => matches!(after, Authenticated | Reconnecting | MaxReconnectExceeded),
        Authenticated => matches!(
            after,
            Ready | AuthFailure | Reconnecting | MaxReconnectExceeded
        ),
        Ready => matches!(
            after,
            Loading | Reconnecting | MaxReconnectExceeded | AuthFailure
        ),
        Reconnecting => matches!(after, Loading | Ready | MaxReconnectExceeded),
        AuthFailure => matches!(after, QrReady | Loading),
    }
}

fn run(machine: Machine, inputs: &[Input]) -> (Machine, Vec<Effect>) {
    let mut effects = Vec::new();
    let mut machine = machine;
    for input in inputs {
        let (next, more) = machine.step(input.clone(), &rules());
        machine = next;
        effects.extend(more);
    }
    (machine, effects)
}

fn at(linked: bool, inputs: &[Input]) -> Machine {
    run(Machine::new(linked), inputs).0
}

fn ready() -> Machine {
    at(
        true,
        &[Input::Start, Input::Launched, Input::Page(Stage::Ready)],
    )
}

/// Visits every reachable machine and checks every step.
#[test]
fn every_step_from_every_reachable_machine_keeps_the_table() {
    let rules = Rules {
        max_attempts: 2,
        reload_limit: 2,
        qr_limit: 2,
        ..rules()
    };
    let mut seen = vec![Machine::new(false), Machine::new(true)];
    let mut states = std::collections::HashSet::new();
    let mut next = 0;
    while next < seen.len() {
        let machine = seen[next].clone();
        next += 1;
        for input in inputs() {
            let (after, effects) = machine.clone().step(input.clone(), &rules);
            let mut state = machine.state;
            let mut open = machine.open;
            for effect in &effects {
                match effect {
                    Effect::Enter {
                        before,
                        after,
                        reason,
                    } => {
                        assert_eq!(*before, state, "{machine:?} {input:?}");
                        assert!(!reason.is_empty());
                        let reload = *after == Loading
                            && matches!(
                                input,
                                Input::Navigated | Input::Refresh(_) | Input::Page(Stage::Replaced)
                            );
                        let allowed = matches!(after, Disconnected | Error)
                            || input == Input::Start
                            || reload
                            || may_follow(*before, *after);
                        assert!(allowed, "{before} -> {after} on {input:?}");
                        state = *after;
                        states.insert(state);
                    }
                    Effect::Launch => {
                        assert!(
                            !std::mem::replace(&mut open, true) || effects.contains(&Effect::Close),
                            "two browsers: {machine:?} {input:?}"
                        );
                    }
                    Effect::Close => open = false,
                    Effect::Reload | Effect::RefreshQr => assert!(open, "{machine:?} {input:?}"),
                    Effect::Timer(_) => {}
                }
            }
            assert_eq!(state, after.state);
            assert_eq!(open, after.open, "{machine:?} {input:?} {effects:?}");
            assert!(
                effects
                    .iter()
                    .filter(|effect| matches!(effect, Effect::Timer(_)))
                    .count()
                    <= 1
            );
            // No state may wait forever for something that the gateway has to bring about.
            if after.state != machine.state
                && matches!(after.state, Authenticated | Ready | Reconnecting)
            {
                assert!(
                    effects
                        .iter()
                        .any(|effect| matches!(effect, Effect::Timer(Some(_)))),
                    "{after:?} waits for nothing"
                );
            }
            if !seen.contains(&after) {
                assert!(
                    seen.len() < 5000,
                    "the machine does not come back to itself"
                );
                seen.push(after);
            }
        }
    }
    assert_eq!(
        states.len(),
        SessionState::ALL.len(),
        "every state is reachable"
    );
}

#[test]
fn a_first_link_goes_by_qr_to_ready() {
    let path = [
        Input::Start,
        Input::Launched,
        Input::Page(Stage::NeedsLink),
        Input::Qr,
        Input::Page(Stage::Syncing),
        Input::Page(Stage::Ready),
    ];
    let (machine, effects) = run(Machine::new(false), &path);
    let entered: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Enter { after, .. } => Some(*after),
            _ => None,
        })
        .collect();
    assert_eq!(entered, [Loading, QrReady, Authenticated, Ready]);
    assert!(machine.linked && machine.can_send());
}

#[test]
fn the_pauses_are_those_of_the_seed() {
    let mut machine = at(true, &[Input::Start]);
    let mut pauses = Vec::new();
    for _ in 0..5 {
        let (next, effects) = machine.step(Input::Lost("gone".into()), &rules());
        for effect in effects {
            if let Effect::Timer(Some(Wait::Pause(pause))) = effect {
                pauses.push(pause.as_secs());
            }
        }
        assert_eq!(next.state, Reconnecting);
        machine = next.step(Input::Tick, &rules()).0;
        assert_eq!(machine.state, Loading);
    }
    assert_eq!(pauses, [5, 30, 60, 120, 240]);
    let (machine, effects) = machine.step(Input::Lost("gone".into()), &rules());
    assert_eq!(machine.state, MaxReconnectExceeded);
    assert!(effects.contains(&Effect::Timer(Some(Wait::Pause(Duration::from_secs(1800))))));
}

#[test]
fn attempts_are_forgiven_after_a_stable_minute_and_not_at_the_login() {
    let relaunched = at(
        true,
        &[
            Input::Start,
            Input::Lost("x".into()),
            Input::Tick,
            Input::Launched,
            Input::Page(Stage::Ready),
        ],
    );
    assert_eq!((relaunched.state, relaunched.attempt), (Ready, 1));
    assert_eq!(run(relaunched, &[Input::Tick]).0.attempt, 0);
}

#[test]
fn a_short_loss_of_the_socket_is_no_event_and_a_long_one_counts_no_attempt() {
    let (machine, effects) = run(
        ready(),
        &[Input::Page(Stage::Offline), Input::Page(Stage::Ready)],
    );
    assert_eq!(machine.state, Ready);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Enter { .. }))
    );
    let (machine, _) = run(ready(), &[Input::Page(Stage::Offline), Input::Tick]);
    assert_eq!(
        (machine.state, machine.attempt, machine.open),
        (Reconnecting, 0, true)
    );
    assert_eq!(run(machine, &[Input::Page(Stage::Ready)]).0.state, Ready);
}

#[test]
fn a_page_that_receives_what_arrived_meanwhile_is_not_ready_and_gets_the_time_of_a_sync() {
    let (machine, effects) = run(ready(), &[Input::Page(Stage::Syncing)]);
    assert_eq!((machine.state, machine.mending), (Ready, true));
    assert!(effects.contains(&Effect::Timer(Some(Wait::Deadline(rules().offline_grace)))));
    let (machine, effects) = run(machine, &[Input::Tick, Input::Page(Stage::Syncing)]);
    assert_eq!(machine.state, Reconnecting);
    let sync = Effect::Timer(Some(Wait::Deadline(rules().sync_timeout)));
    assert!(effects.contains(&sync));
    let (machine, effects) = run(
        machine,
        &[Input::Page(Stage::Offline), Input::Page(Stage::Syncing)],
    );
    assert!(!effects.contains(&sync), "a page that flaps gets it once");
    let (back, _) = run(machine.clone(), &[Input::Page(Stage::Ready)]);
    assert_eq!((back.state, back.catching_up), (Ready, false));
    let (lost, _) = run(machine, &[Input::Tick]);
    assert_eq!((lost.state, lost.attempt), (Reconnecting, 1));
}

#[test]
fn a_page_that_loads_itself_anew_for_ever_is_lost_and_one_that_comes_up_is_forgiven() {
    let rules = rules();
    let times = |n: u32| vec![Input::Navigated; usize::try_from(n).expect("few")];
    let loading = at(true, &[Input::Start, Input::Launched]);
    let (machine, _) = run(loading.clone(), &times(rules.reload_limit));
    assert_eq!((machine.state, machine.attempt), (Loading, 0));
    let (lost, effects) = run(machine.clone(), &times(1));
    assert_eq!(
        (lost.state, lost.attempt, lost.open),
        (Reconnecting, 1, false),
        "{effects:?}"
    );
    let (machine, _) = run(machine, &[Input::Page(Stage::Syncing)]);
    assert_eq!(
        run(machine, &times(rules.reload_limit)).0.state,
        Loading,
        "it had come up in between"
    );
}

#[test]
fn a_reload_by_the_page_counts_no_attempt() {
    let machine = run(ready(), &[Input::Navigated]).0;
    assert_eq!(
        (machine.state, machine.attempt, machine.open),
        (Loading, 0, true)
    );
}

#[test]
fn a_logout_leads_to_a_new_qr_when_told_so_and_is_said_once() {
    let path = [
        Input::LoggedOut("the phone".into()),
        Input::Navigated,
        Input::LoggedOut("the phone".into()),
        Input::Qr,
    ];
    let (machine, effects) = run(ready(), &path);
    assert_eq!(machine.state, QrReady);
    let logouts = effects
        .iter()
        .filter(|effect| {
            matches!(
                effect,
                Effect::Enter {
                    after: Disconnected,
                    ..
                }
            )
        })
        .count();
    assert_eq!(logouts, 1);

    let manual = Rules {
        relink: false,
        ..rules()
    };
    let (machine, effects) = ready().step(Input::LoggedOut("the phone".into()), &manual);
    assert_eq!(machine.state, Disconnected);
    assert!(effects.contains(&Effect::Close));
}

#[test]
fn a_login_that_was_lost_while_away_is_named_before_the_new_qr() {
    let (_, effects) = run(
        Machine::new(true),
        &[Input::Start, Input::Launched, Input::Qr],
    );
    assert!(effects.iter().any(|effect| matches!(
        effect,
        Effect::Enter {
            after: AuthFailure,
            ..
        }
    )));
    let manual = Rules {
        relink: false,
        ..rules()
    };
    let (machine, _) = at(true, &[Input::Start, Input::Launched]).step(Input::Qr, &manual);
    assert_eq!(
        (machine.state, machine.open),
        (AuthFailure, false),
        "a person decides"
    );
}

#[test]
fn unscanned_codes_end_and_a_manual_start_shows_new_ones() {
    let mut path = vec![Input::Start, Input::Launched];
    path.extend(std::iter::repeat_n(Input::Qr, 61));
    let machine = at(false, &path);
    assert_eq!((machine.state, machine.open), (Disconnected, false));
    assert_eq!(
        run(machine, &[Input::Start, Input::Launched, Input::Qr])
            .0
            .state,
        QrReady
    );
}

#[test]
fn while_a_passkey_is_awaited_nothing_about_qr_codes_happens() {
    let rules = Rules {
        qr_limit: 2,
        ..rules()
    };
    let step = |machine: Machine, inputs: &[Input]| {
        inputs
            .iter()
            .fold((machine, vec![]), |(machine, mut all), input| {
                let (next, effects) = machine.step(input.clone(), &rules);
                all.extend(effects);
                (next, all)
            })
    };
    let (asked, _) = step(
        Machine::new(false),
        &[
            Input::Start,
            Input::Launched,
            Input::Qr,
            Input::Qr,
            Input::PasskeyAsked,
        ],
    );
    assert!(asked.passkey && asked.state == QrReady);
    let (held, effects) = step(
        asked,
        &[
            Input::Qr,
            Input::QrExhausted,
            Input::Qr,
            Input::PasskeyAsked,
        ],
    );
    assert_eq!((held.state, held.passkey), (QrReady, true), "{effects:?}");
    assert!(
        effects.iter().all(|effect| *effect == Effect::Timer(None)),
        "{effects:?}"
    );
    // After a cancelled ceremony the count of unscanned codes starts again.
    let (again, _) = step(held.clone(), &[Input::PasskeyEnded, Input::Qr, Input::Qr]);
    assert_eq!(
        (again.state, again.passkey, again.qr_shown),
        (QrReady, false, 2)
    );
    let linked = step(held, &[Input::Page(Stage::Syncing)]).0;
    assert_eq!((linked.state, linked.passkey), (Authenticated, false));
    // Some accounts see no QR code before the passkey request, which then shows that the page is
    // up.
    let (without, effects) = step(
        Machine::new(false),
        &[Input::Start, Input::Launched, Input::PasskeyAsked],
    );
    assert!(
        without.state == QrReady && effects.last() == Some(&Effect::Timer(None)),
        "{effects:?}"
    );
}

#[test]
fn a_login_opened_elsewhere_is_taken_back_once() {
    let (machine, effects) = run(
        ready(),
        &[
            Input::Page(Stage::Replaced),
            Input::Page(Stage::Replaced),
            Input::Navigated,
        ],
    );
    assert!(effects.contains(&Effect::Reload));
    let machine = run(
        machine,
        &[Input::Page(Stage::Ready), Input::Page(Stage::Replaced)],
    )
    .0;
    assert_eq!((machine.state, machine.open), (Error, false));
}

#[test]
fn news_of_a_closed_page_changes_nothing() {
    let stopped = run(ready(), &[Input::Stop]).0;
    for input in inputs() {
        if !matches!(input, Input::Start | Input::Stop | Input::Tick) {
            assert_eq!(
                stopped.clone().step(input.clone(), &rules()).0,
                stopped,
                "{input:?}"
            );
        }
    }
}
