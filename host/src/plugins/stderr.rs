//! A plugin's standard error. The first bytes are kept, because they hold the text of a panic. The
//! rest is dropped without an error, because a plugin that cannot write there would panic for that.
//!
//! A panic may quote the message that caused it ("byte index 3 is not a char boundary; it is inside
//! 'ä' of `…`"), and messages are never logged. So of a call only the place of a panic in the
//! plugin's source is reported. The text is reported when no message was there to be quoted, or
//! when the operator asks for it (`log_stderr`).

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use super::text::PluginText;

/// How many bytes are kept.
const MAX_KEPT: usize = 4096;
/// The most bytes of a place in a source.
const MAX_PLACE: usize = 200;

#[derive(Debug, Clone, Default)]
pub(super) struct Stderr(Arc<Mutex<Vec<u8>>>);

impl Stderr {
    /// What was kept, as one line.
    pub(super) fn text(&self) -> PluginText {
        PluginText::from(&*self.original())
    }

    /// Where the plugin panicked: `src/lib.rs:12:5` as Rust writes it, `app.py:12` from the last
    /// line of a Python traceback, `plugin.js:12:5` from the first line of a JavaScript stack.
    pub(super) fn place(&self) -> Option<PluginText> {
        let text = self.original();
        let mut lines = text.trim_start().lines();
        // After the traceback the Python runtime panics too, in a source that is not the author's.
        let place = match lines.next() {
            Some("Traceback (most recent call last):") => lines
                .take_while(|line| line.starts_with(' '))
                .filter_map(python)
                .last(),
            _ => text
                .lines()
                .find_map(|line| rust(line).or_else(|| javascript(line))),
        };
        place.map(|place| PluginText::truncated(MAX_PLACE, &place))
    }

    /// What was kept, as it was written.
    pub(super) fn original(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// `thread 'main' (1) panicked at src/lib.rs:12:5:`
fn rust(line: &str) -> Option<String> {
    let (_, place) = line.strip_prefix("thread '")?.split_once(" panicked at ")?;
    let (rest, column) = place.strip_suffix(':')?.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    (is_file(file) && is_number(line) && is_number(column))
        .then(|| format!("{file}:{line}:{column}"))
}

/// `  File "/app.py", line 12, in validate`
fn python(line: &str) -> Option<String> {
    let (file, rest) = line
        .trim_start()
        .strip_prefix("File \"")?
        .split_once("\", line ")?;
    let number = rest.split(',').next()?;
    (is_file(file) && is_number(number)).then(|| format!("{file}:{number}"))
}

/// `validate@plugin.js:12:5`, as SpiderMonkey writes it.
fn javascript(line: &str) -> Option<String> {
    let (function, place) = line.trim_start().split_once('@')?;
    let (rest, column) = place.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"_$./<".contains(&byte);
    (function.bytes().all(named) && is_file(file) && is_number(line) && is_number(column))
        .then(|| format!("{file}:{line}:{column}"))
}

/// Whether this is the path of a source file, and cannot be a sentence.
fn is_file(path: &str) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"/\\._-+@".contains(&byte);
    path.len() <= MAX_PLACE && path.contains('.') && path.bytes().all(name)
}

fn is_number(text: &str) -> bool {
    (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl IsTerminal for Stderr {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stderr {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Stderr {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_KEPT - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_by_its_place_and_never_by_its_words() {
        let place = |text: &str| {
            Stderr(Arc::new(Mutex::new(text.as_bytes().to_vec())))
                .place()
                .map(String::from)
        };
        let rust = "\nthread 'main' (1) panicked at plugins/mine/src/lib.rs:12:5:\nbyte index 3 is inside 'ä' of `my secret`\nnote: run with";
        assert_eq!(place(rust).as_deref(), Some("plugins/mine/src/lib.rs:12:5"));
        let python = "Traceback (most recent call last):\n  File \"/0/app.py\", line 9, in validate\n  File \"/0/rules.py\", line 30, in f\nValueError: my\n  File \"/secret.py\", line 1\n\nthread 'main' panicked at runtime/src/lib.rs:1:1:";
        assert_eq!(place(python).as_deref(), Some("/0/rules.py:30"));
        let javascript = "TypeError: my secret has no length\nrule@plugin.js:98:5\nguarded/guard/<@plugin.js:57:25\n";
        assert_eq!(place(javascript).as_deref(), Some("plugin.js:98:5"));
        for odd in [
            "",
            "my secret",
            "thread 'main' panicked at my secret: one:1:2:",
            "thread 'a' panicked at a b.rs:1:2:",
            "write to me@my.secret: 1:2",
            "me@my secret.js:1:2",
            "File \"my secret\", line 1",
        ] {
            assert_eq!(place(odd), None, "{odd}");
        }
    }
}
