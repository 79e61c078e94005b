//! Shows QR codes, pairing codes and the steps of a passkey ceremony on the terminal. They are
//! never written to a log file, because they are credentials or lead to one.

use std::io::{IsTerminal, Write, stdout};

use tokio::{sync::watch, task::JoinHandle};

use crate::{
    model::{ClientId, Timestamp},
    qr,
    services::HelperAddress,
    session::{PasskeyStage, PasskeyView, SessionHandle, Snapshot},
    tasks,
    whatsapp::PasskeyPurpose,
};

pub(super) fn show(handle: &SessionHandle, helper: HelperAddress) -> JoinHandle<()> {
    let (client, snapshot) = (handle.client().clone(), handle.snapshot());
    tasks::until_done("terminal", move || {
        tell(client.clone(), snapshot.clone(), helper.clone())
    })
}

async fn tell(client: ClientId, mut snapshot: watch::Receiver<Snapshot>, helper: HelperAddress) {
    if !stdout().is_terminal() {
        return;
    }
    let (mut shown, mut typed, mut asked) = (None, None, None);
    loop {
        let (code, pairing, passkey, past) = {
            let now = snapshot.borrow_and_update();
            (
                now.qr.clone(),
                now.pairing.clone(),
                now.passkey.clone(),
                now.past_passkeys.last().map(|past| past.reason.clone()),
            )
        };
        if pairing != typed {
            if let Some(pairing) = &pairing {
                let (code, life) = (&pairing.code, pairing.expires_at.rfc3339());
                // Errors are ignored: a closed terminal is no reason to stop.
                let _ = writeln!(
                    stdout(),
                    "\n    {code}\n\nType this in WhatsApp (Linked devices, Link with phone number) for session {client}; it is valid until {life}.\n"
                );
            }
            typed = pairing;
        }
        if passkey != asked {
            let words = match (&passkey, &asked) {
                (Some(view), _) => words(view, &helper, Timestamp::now()),
                (None, Some(before)) if before.is_pending() => {
                    past.map(|reason| format!("the passkey request has ended: {reason}"))
                }
                (None, _) => None,
            };
            if let Some(words) = words {
                let _ = writeln!(stdout(), "\nSession {client}: {words}\n");
            }
            asked = passkey;
        }
        if code != shown {
            if let Some(Ok(picture)) = code.as_ref().map(|code| qr::terminal(&code.code)) {
                let life = code
                    .as_ref()
                    .map(|code| code.expires_at.rfc3339())
                    .unwrap_or_default();
                // Errors are ignored: a closed terminal is no reason to stop.
                let _ = writeln!(
                    stdout(),
                    "\n{picture}\nScan this with WhatsApp (Linked devices) for session {client}; it is valid until {life}.\n"
                );
            }
            shown = code;
        }
        if snapshot.changed().await.is_err() {
            return;
        }
    }
}

/// What a person has to do about a passkey now; `None` if there is nothing to do yet.
fn words(view: &PasskeyView, helper: &HelperAddress, now: Timestamp) -> Option<String> {
    let clock = |end: Timestamp| {
        let seconds = end.since(now) / 1000;
        format!("{}:{:02}", seconds / 60, seconds % 60)
    };
    let left = clock(view.expires_at);
    let link = view
        .token
        .as_deref()
        .map(|token| helper.link(token))
        .unwrap_or_default();
    let reason = view.reason.as_deref().unwrap_or_default();
    match view.stage {
        PasskeyStage::Asked => None,
        PasskeyStage::Signing => {
            let before = if reason.is_empty() {
                String::new()
            } else {
                format!("{reason}.\n")
            };
            let who = match view.purpose {
                PasskeyPurpose::Link => "WhatsApp wants this account's passkey before it links",
                PasskeyPurpose::Checkpoint => {
                    "WhatsApp asks this linked account for its passkey and blocks the page"
                }
            };
            let place = if helper.local_only {
                " on this machine (the link works here only; [server] public_url names another address)"
            } else {
                ""
            };
            let code = match (view.purpose, view.code_without) {
                (PasskeyPurpose::Checkpoint, _) => String::new(),
                (_, Some(until)) => format!(" For {} no code has to be compared.", clock(until)),
                (_, None) => " A code will have to be compared with the phone's.".to_owned(),
            };
            Some(format!(
                "{before}{who} ({left} left). Open{place}\n\n    {link}\n\nand follow it; leave WhatsApp open on the phone.{code}"
            ))
        }
        PasskeyStage::Phone => Some(format!(
            "passkey sent, waiting for the phone: keep WhatsApp open there ({left})"
        )),
        PasskeyStage::Confirm => {
            let code = view.code.as_deref().unwrap_or_default();
            Some(format!(
                "does the phone show {code}? Confirm it within {left} at\n\n    {link}\n"
            ))
        }
        PasskeyStage::Finishing => {
            Some("passkey accepted, WhatsApp completes the linking".to_owned())
        }
        PasskeyStage::Failed if view.again => Some(format!(
            "{reason}; to start again, sign within {left} at\n\n    {link}\n"
        )),
        PasskeyStage::Failed => Some(format!("the passkey request has failed: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(stage: PasskeyStage) -> PasskeyView {
        let mut view = PasskeyView::new(stage, PasskeyPurpose::Link, Timestamp(0));
        view.token = Some("pk_1".into());
        view.code = (stage == PasskeyStage::Confirm).then(|| "ABCD-EFGH".into());
        view.code_without = Some(Timestamp(281_000));
        view.expires_at = Timestamp(581_000);
        view
    }

    #[test]
    fn a_person_is_told_where_to_go_and_how_long_there_is() {
        let here = HelperAddress {
            base: "http://127.0.0.1:3001".into(),
            local_only: true,
        };
        let said = |stage, helper: &HelperAddress| {
            words(&view(stage), helper, Timestamp(0)).unwrap_or_default()
        };
        let signing = said(PasskeyStage::Signing, &here);
        for part in [
            "(9:41 left)",
            "For 4:41 no code",
            "http://127.0.0.1:3001/passkey/pk_1",
            "[server] public_url",
        ] {
            assert!(signing.contains(part), "{part}: {signing}");
        }
        let away = HelperAddress {
            base: "https://wharf.example.org".into(),
            local_only: false,
        };
        let signing = said(PasskeyStage::Signing, &away);
        assert!(
            signing.contains("https://wharf.example.org/passkey/pk_1")
                && !signing.contains("public_url"),
            "{signing}"
        );
        assert!(
            said(PasskeyStage::Confirm, &away)
                .contains("does the phone show ABCD-EFGH? Confirm it within 9:41 at")
        );
        assert!(said(PasskeyStage::Phone, &away).contains("keep WhatsApp open there (9:41)"));
        let late = PasskeyStage::Failed;
        assert!(said(late, &away).contains("has failed"));
        let mut late = view(late);
        late.again = true;
        assert!(
            words(&late, &away, Timestamp(0))
                .is_some_and(|text| text.contains("to start again, sign within 9:41 at"))
        );
        assert_eq!(
            words(&view(PasskeyStage::Asked), &away, Timestamp(0)),
            None,
            "the challenge follows within a second"
        );
    }
}
