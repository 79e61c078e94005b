//! Runs other programs with a time limit; their output is shown only when they fail, if wanted.

use std::{
    io::{self, IsTerminal, Read, Write},
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// Shows what is being done. On a terminal it is one line that is overwritten; elsewhere a new line
/// every 20 s.
pub(crate) struct Progress {
    what: String,
    started: Instant,
    said: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub(crate) fn start(what: &str) -> Self {
        let terminal = io::stderr().is_terminal();
        let mut progress = Self {
            what: what.into(),
            started: Instant::now(),
            said: None,
            terminal,
        };
        progress.say("");
        progress
    }

    /// Shows the progress, at most five times per second on a terminal. `detail` is e.g. `120 of
    /// 531`.
    pub(crate) fn say(&mut self, detail: &str) {
        let pause = Duration::from_millis(if self.terminal { 200 } else { 20_000 });
        if self.said.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        self.said = Some(Instant::now());
        let seconds = self.started.elapsed().as_secs();
        let line = match (detail, seconds) {
            ("", 0) => self.what.to_string(),
            ("", _) => format!("{} … {seconds} s", self.what),
            _ => format!("{} … {detail}, {seconds} s", self.what),
        };
        self.write(&line, false);
    }

    /// Writes the final line.
    pub(crate) fn end(mut self, outcome: &str) {
        let line = format!(
            "{}: {outcome}, {:.1} s",
            self.what,
            self.started.elapsed().as_secs_f32()
        );
        self.write(&line, true);
    }

    fn write(&mut self, line: &str, last: bool) {
        let mut out = io::stderr();
        // Errors are ignored: a closed terminal must not fail the step.
        let _ = match (self.terminal, last) {
            (true, true) => writeln!(out, "\r\x1b[2K  {line}"),
            (true, false) => write!(out, "\r\x1b[2K  {line}"),
            (false, _) => writeln!(out, "  {line}"),
        };
        let _ = out.flush();
    }
}

/// A program's exit status and output.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) text: String,
}

/// Runs a command to its end and collects its output. `watch` gets each line, which ends with a
/// line feed or a carriage return, and returns whether to keep it. It is also called with `None`
/// after each line and at least every 200 ms.
///
/// # Errors
/// When the command cannot be started, or takes longer than `limit` and is killed.
pub(crate) fn capture(
    command: &mut Command,
    limit: Duration,
    mut watch: impl FnMut(Option<&str>) -> bool,
) -> Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let (sender, lines) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        read_lines(pipe, sender.clone());
    }
    if let Some(pipe) = child.stderr.take() {
        read_lines(pipe, sender);
    }
    let until = Instant::now() + limit;
    let mut text = String::new();
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(said) => {
                if watch(Some(&said)) {
                    text.push_str(&said);
                    text.push('\n');
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        watch(None);
        if Instant::now() > until {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
            bail!(
                "{name} took longer than {} minutes and was stopped; it said:\n{text}",
                limit.as_secs() / 60
            );
        }
    }
    Ok(Output {
        status: child.wait()?,
        text,
    })
}

fn read_lines(mut pipe: impl Read + Send + 'static, sender: mpsc::Sender<String>) {
    thread::spawn(move || {
        let (mut line, mut buffer) = (Vec::new(), [0; 8192]);
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            for byte in &buffer[..count] {
                match byte {
                    // A progress bar is overwritten with carriage returns; an empty line before one
                    // is left out.
                    b'\r' if line.is_empty() => {}
                    b'\n' | b'\r' => {
                        // This fails when the receiver has given up.
                        let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
                        line.clear();
                    }
                    byte => line.push(*byte),
                }
            }
        }
        if !line.is_empty() {
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
}

/// Runs a command to its end; its output is shown only when it fails.
///
/// # Errors
/// When the command fails (the error has its output) or takes longer than `limit`.
pub(crate) fn quiet(what: &str, command: &mut Command, limit: Duration) -> Result<()> {
    let mut progress = Progress::start(what);
    let output = capture(command, limit, |_| {
        progress.say("");
        true
    })?;
    if output.status.success() {
        progress.end("done");
        return Ok(());
    }
    progress.end("failed");
    bail!("{what}: {}\n{}", output.status, output.text)
}

/// Runs a command with our own input and output.
///
/// # Errors
/// When the command fails or takes longer than `limit`.
pub(crate) fn loud(what: &str, command: &mut Command, limit: Duration) -> Result<()> {
    let mut child = command.spawn().with_context(|| {
        format!(
            "{what}: cannot start {}",
            command.get_program().to_string_lossy()
        )
    })?;
    let until = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return if status.success() {
                Ok(())
            } else {
                Err(anyhow::anyhow!("{what}: {status}"))
            };
        }
        if Instant::now() > until {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
            bail!(
                "{what} took longer than {} minutes and was stopped",
                limit.as_secs() / 60
            );
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Replaces this process by the program, which then gets its signals and sets its exit status.
///
/// # Errors
/// When the program cannot be started.
pub(crate) fn become_program(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    bail!(
        "cannot start {}: {error}",
        command.get_program().to_string_lossy()
    )
}
