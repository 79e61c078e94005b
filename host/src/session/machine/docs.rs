//! The table and the diagram of the documentation, generated from the state machine itself.
//!
//! `WHARF_WRITE_DOCS=1 cargo test -p wharf --lib machine::docs` writes them; without the variable,
//! the test fails when they are outdated.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use super::{
    tests::{inputs, rules},
    *,
};

const BEGIN: &str = "<!-- begin: made from the state machine -->\n";
const END: &str = "<!-- end: made from the state machine -->";

type Steps = BTreeMap<(usize, usize), BTreeMap<String, String>>;

/// An input in the words of an operator.
fn words(input: &Input) -> String {
    match input {
        Input::Start => "a person or the gateway starts it",
        Input::Stop => "a person stops it",
        Input::Launched => "the browser has started",
        Input::LaunchFailed { fatal: true, .. } => "no browser can be started, ever",
        Input::LaunchFailed { fatal: false, .. } => "the browser or the page did not come up",
        Input::Page(Stage::Booting) => "the page says: booting",
        Input::Page(Stage::NeedsLink) => "the page says: no login",
        Input::Page(Stage::Syncing) => "the page says: linked, syncing",
        Input::Page(Stage::Ready) => "the page says: connected and synced",
        Input::Page(Stage::Offline) => "the page says: no connection",
        Input::Page(Stage::Replaced) => "the page says: the login is used elsewhere",
        Input::Page(Stage::Outdated) => "the page says: this version is refused",
        Input::ContractBroken(_) => "the contract with the page is broken",
        Input::Qr => "a QR is shown",
        Input::QrExhausted => "the batch of QR codes is used up",
        Input::PasskeyAsked => "WhatsApp asks for a passkey",
        Input::PasskeyEnded => "the passkey is not awaited any more",
        Input::Navigated => "the page was loaded anew",
        Input::Refresh(_) => "the page should be loaded anew, at a quiet moment",
        Input::LoggedOut(_) => "WhatsApp ended the login",
        Input::Banned { wait: None, .. } => "banned for good",
        Input::Banned { wait: Some(_), .. } => "banned for a time",
        Input::Lost(_) => "page or browser died, hangs, or outgrew its limit",
        Input::Tick => "the wait is over",
    }
    .to_owned()
}

fn place(state: SessionState) -> usize {
    SessionState::ALL
        .iter()
        .position(|other| *other == state)
        .expect("a state")
}

/// Every transition that some history can take.
fn steps() -> Steps {
    let mut steps = Steps::new();
    for relink in [true, false] {
        let rules = Rules {
            max_attempts: 1,
            qr_limit: 1,
            reload_limit: 1,
            relink,
            ..rules()
        };
        let mut seen = vec![Machine::new(false), Machine::new(true)];
        let mut next = 0;
        while next < seen.len() {
            let machine = seen[next].clone();
            next += 1;
            for input in inputs() {
                let (after, effects) = machine.clone().step(input.clone(), &rules);
                for effect in effects {
                    if let Effect::Enter {
                        before,
                        after,
                        reason,
                    } = effect
                    {
                        steps
                            .entry((place(before), place(after)))
                            .or_default()
                            .entry(words(&input))
                            .or_insert(reason);
                    }
                }
                if !seen.contains(&after) {
                    seen.push(after);
                }
            }
        }
    }
    steps
}

fn render(steps: &Steps) -> String {
    let name = |at: usize| SessionState::ALL[at].as_str();
    let mut out = String::from("```mermaid\nstateDiagram-v2\n    [*] --> loading\n");
    // The diagram omits transitions that are possible from every state: a start to loading, a stop
    // to disconnected, a permanent failure to error.
    let everywhere = [words(&Input::Start), words(&Input::Stop)];
    for ((before, after), causes) in steps {
        let told = causes.keys().any(|cause| !everywhere.contains(cause));
        if told && SessionState::ALL[*after] != Error {
            writeln!(out, "    {} --> {}", name(*before), name(*after)).expect("written");
        }
    }
    out.push_str("```\n\n| from | to | when | reason shown |\n|---|---|---|---|\n");
    for ((before, after), causes) in steps {
        for (cause, reason) in causes
            .iter()
            .filter(|(cause, _)| !everywhere.contains(cause))
        {
            writeln!(
                out,
                "| `{}` | `{}` | {cause} | {reason} |",
                name(*before),
                name(*after)
            )
            .expect("written");
        }
    }
    out
}

#[test]
fn the_documented_table_is_that_of_the_machine() {
    let path = Path::new("../docs/sessions.md");
    let text = fs::read_to_string(path).expect("docs/sessions.md");
    let (head, rest) = text.split_once(BEGIN).expect("the begin marker");
    let (old, tail) = rest.split_once(END).expect("the end marker");
    let new = render(&steps());
    if std::env::var_os("WHARF_WRITE_DOCS").is_some() {
        fs::write(path, format!("{head}{BEGIN}{new}{END}{tail}")).expect("written");
    } else {
        assert!(
            old == new,
            "docs/sessions.md is old: run WHARF_WRITE_DOCS=1 cargo test -p wharf --lib machine::docs"
        );
    }
}
