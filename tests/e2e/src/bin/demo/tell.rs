//! The demo's output: one line for each step, as it happens.

use std::io::{self, IsTerminal, Write};

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use wharf_e2e::Call;

/// Prints something that has happened.
pub(crate) fn done(text: &str) {
    line("\x1b[32m", "✓", text);
}

/// Prints a remark.
pub(crate) fn note(text: &str) {
    line("", " ", text);
}

/// Prints a command that a user could have typed.
pub(crate) fn command(text: &str) {
    line("\x1b[1m", "\n$", text);
}

/// Prints the command of a `POST` with JSON, on three lines.
pub(crate) fn post(url: &str, body: &str) {
    command(&format!(
        "curl -X POST {url} \\\n    -H 'Content-Type: application/json' \\\n    -d '{body}'"
    ));
}

fn line(colour: &str, mark: &str, text: &str) {
    let mut out = io::stdout();
    let (colour, end) = if out.is_terminal() {
        (colour, "\x1b[0m")
    } else {
        ("", "")
    };
    // A closed pipe must not end the demo and leave processes behind.
    let _ = writeln!(out, "{colour}{mark}{end} {text}").and_then(|()| out.flush());
}

/// Prints the QR code for a dark terminal: the light modules are drawn.
pub(crate) fn qr(text: &str) {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else {
        return;
    };
    let picture = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .quiet_zone(true)
        .build();
    // Errors are ignored as in `line`.
    let _ = writeln!(io::stdout(), "\n{picture}\n");
}

/// One webhook in a few words.
pub(crate) fn webhook(call: &Call) -> String {
    let payload = &call.json["payload"];
    let detail = match call.event() {
        "message.ack" => format!(
            "{} ({})",
            payload["ack"],
            payload["ackName"].as_str().unwrap_or_default()
        ),
        "session.status" => payload["status"].as_str().unwrap_or_default().to_owned(),
        _ => payload["body"].as_str().unwrap_or_default().to_owned(),
    };
    format!("{} {detail}", call.event()).trim_end().to_owned()
}
