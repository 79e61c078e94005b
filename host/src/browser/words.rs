//! The output of a browser, with limits: a program that hangs, or that writes without an end or a
//! line break, costs a few kilobytes and a deadline.

use std::{path::Path, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt},
    process::Command,
    time::timeout,
};

use super::BrowserError;

/// How long to wait for the answer to `--version`.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// How many bytes of the answer to `--version` are read.
const ANSWER: u64 = 4096;
/// How many bytes of a line are kept.
const LINE: usize = 2048;

/// The answer of the program to `--version`.
///
/// # Errors
/// When the program cannot be started, does not exit within 15 seconds, or exits with an error.
pub async fn version(executable: &Path) -> Result<String, BrowserError> {
    version_within(executable, PATIENCE).await
}

pub(super) async fn version_within(
    executable: &Path,
    patience: Duration,
) -> Result<String, BrowserError> {
    let failed = |what: String| BrowserError::Failed(format!("{} {what}", executable.display()));
    let mut command = Command::new(executable);
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    let group = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .map(Pid::from_raw);
    let mut said = Vec::new();
    let answer = async {
        if let Some(out) = child.stdout.take() {
            // This closes the pipe, so a program that goes on writing gets a SIGPIPE.
            out.take(ANSWER).read_to_end(&mut said).await?;
        }
        child.wait().await
    };
    let ended = timeout(patience, answer).await;
    match ended {
        Ok(Ok(status)) if status.success() => Ok(String::from_utf8_lossy(&said).trim().to_owned()),
        Ok(Ok(status)) => Err(failed(format!("--version ended with {status}"))),
        Ok(Err(error)) => Err(failed(format!("--version cannot be read: {error}"))),
        Err(_) => {
            // With whatever it has started. Fails when it is gone.
            let _ = group.map(|group| killpg(group, Signal::SIGKILL));
            let _ = child.wait().await;
            Err(failed(format!(
                "--version did not answer within {patience:?}"
            )))
        }
    }
}

/// The next line, of which at most 2 KiB are kept; `None` at the end.
pub(super) async fn next_line(pipe: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    let mut cut = false;
    loop {
        let chunk = pipe.fill_buf().await.ok()?;
        if chunk.is_empty() && line.is_empty() {
            return None;
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let (part, used) = end.map_or((chunk, chunk.len()), |end| (&chunk[..end], end + 1));
        let room = LINE - line.len();
        cut |= part.len() > room;
        line.extend_from_slice(&part[..part.len().min(room)]);
        let ended = end.is_some() || chunk.is_empty();
        pipe.consume(used);
        // A line without an end is returned once it is full; the rest of the chunk that was read is
        // dropped.
        if ended || cut {
            return Some(
                String::from_utf8_lossy(&line).trim_end().to_owned() + if cut { "…" } else { "" },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use tokio::{io::BufReader, time::Instant};

    use super::*;
    use crate::browser::process::alive;

    fn script(dir: &Path, text: &str) -> std::path::PathBuf {
        let path = dir.join("chromium");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made executable");
        path
    }

    #[tokio::test]
    async fn a_browser_that_hangs_or_never_stops_talking_is_ended_and_named() {
        let dir = tempfile::tempdir().expect("tempdir");
        let said = version(&script(dir.path(), "echo Chromium 156.0.1.2"))
            .await
            .expect("answers");
        assert_eq!(said, "Chromium 156.0.1.2");
        let path = script(dir.path(), "sleep 1000 & echo $! > \"$0.pid\"; wait");
        let began = Instant::now();
        let error = version_within(&path, Duration::from_millis(500))
            .await
            .expect_err("hangs")
            .to_string();
        assert!(
            error.contains("--version did not answer within 500ms"),
            "{error}"
        );
        assert!(began.elapsed() < Duration::from_secs(10));
        let pid: i32 = fs::read_to_string(path.with_extension("pid"))
            .expect("started")
            .trim()
            .parse()
            .expect("a pid");
        let until = Instant::now() + Duration::from_secs(10);
        while alive(pid) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!alive(pid), "what it had started is gone too");
        let error = version_within(&script(dir.path(), "exec yes"), Duration::from_secs(10))
            .await
            .expect_err("endless")
            .to_string();
        assert!(error.contains("--version ended with signal"), "{error}");
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_cut() {
        let text = format!("one\n{}\r\nlast", "x".repeat(5000));
        let mut pipe = BufReader::new(text.as_bytes());
        let mut lines = vec![];
        while let Some(line) = next_line(&mut pipe).await {
            lines.push(line);
        }
        let full = "x".repeat(LINE) + "…";
        assert_eq!(lines, ["one", full.as_str(), "last"]);
        let mut endless = BufReader::new(tokio::io::repeat(b'x'));
        for _ in 0..100 {
            assert_eq!(next_line(&mut endless).await.as_ref(), Some(&full));
        }
    }
}
