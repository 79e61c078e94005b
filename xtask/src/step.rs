//! Runs other programs with a time limit; their output is shown only when they fail, if wanted.

use std::{
    fs,
    io::{self, IsTerminal, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
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
            kill_all(&mut child);
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
pub(crate) fn run_captured(what: &str, command: &mut Command, limit: Duration) -> Result<()> {
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
pub(crate) fn run_inherited(what: &str, command: &mut Command, limit: Duration) -> Result<()> {
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
            kill_all(&mut child);
            bail!(
                "{what} took longer than {} minutes and was stopped",
                limit.as_secs() / 60
            );
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Kills a child and its descendants: `cargo test` would leave the tests running, and those their
/// gateways and browsers.
fn kill_all(child: &mut Child) {
    let below = descendants(child.id());
    // Each of them may have ended already.
    let _ = child.kill();
    let _ = child.wait();
    if !below.is_empty() {
        // The shell's own command, because not every machine has the program of that name.
        let _ = Command::new("sh")
            .args(["-c", "kill -KILL \"$@\" 2>/dev/null", "sh"])
            .args(below.iter().map(u32::to_string))
            .status();
    }
}

/// The processes that a process started, and those that they started.
fn descendants(pid: u32) -> Vec<u32> {
    let parents = parents();
    let (mut found, mut open) = (Vec::new(), vec![pid]);
    while let Some(parent) = open.pop() {
        let children = parents.iter().filter(|(_, of)| *of == parent);
        for (pid, _) in children {
            found.push(*pid);
            open.push(*pid);
        }
    }
    found
}

/// Every process with its parent, from `/proc`; nothing where there is none.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let described = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // `pid (name) state parent …`; the name may contain spaces and parentheses.
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
        Some((pid, parent.parse().ok()?))
    };
    entries.flatten().filter_map(described).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_takes_too_long_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pid");
        let mut command = Command::new("sh");
        // The inner shell is not replaced by `sleep`, because another command follows.
        let script = format!("sh -c 'echo $$ > {file:?}; sleep 60; true'; true");
        command.args(["-c", &script]);
        assert!(run_inherited("sleep", &mut command, Duration::from_secs(1)).is_err());
        let pid = fs::read_to_string(&file).expect("it ran");
        let until = Instant::now() + Duration::from_secs(10);
        let alive = || fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        // A zombie has ended, too; who reaps it depends on the machine.
        while alive().is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(Instant::now() < until, "it still runs");
            thread::sleep(Duration::from_millis(20));
        }
    }
}
