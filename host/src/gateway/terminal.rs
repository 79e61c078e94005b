//! Shows QR codes and pairing codes to whoever sits at the terminal. Never into a log file: they are credentials.

use std::io::{IsTerminal, Write, stdout};

use tokio::task::JoinHandle;

use crate::{qr, session::SessionHandle};

pub(super) fn show_qr(handle: &SessionHandle) -> JoinHandle<()> {
    let (client, mut snapshot) = (handle.client().clone(), handle.snapshot());
    tokio::spawn(async move {
        if !stdout().is_terminal() {
            return;
        }
        let (mut shown, mut typed) = (None, None);
        loop {
            let (code, pairing) = {
                let now = snapshot.borrow_and_update();
                (now.qr.clone(), now.pairing.clone())
            };
            if pairing != typed {
                if let Some(pairing) = &pairing {
                    let (code, life) = (&pairing.code, pairing.expires_at.rfc3339());
                    // A closed terminal is no reason to stop.
                    let _ = writeln!(
                        stdout(),
                        "\n    {code}\n\nType this in WhatsApp (Linked devices, Link with phone number) for session {client}; it is valid until {life}.\n"
                    );
                }
                typed = pairing;
            }
            if code != shown {
                if let Some(Ok(picture)) = code.as_ref().map(|code| qr::terminal(&code.code)) {
                    let life = code.as_ref().map(|code| code.expires_at.rfc3339()).unwrap_or_default();
                    // A closed terminal is no reason to stop.
                    let _ =
                        writeln!(stdout(), "\n{picture}\nScan this with WhatsApp (Linked devices) for session {client}; it is valid until {life}.\n");
                }
                shown = code;
            }
            if snapshot.changed().await.is_err() {
                return;
            }
        }
    })
}
