//! `wharf plugin run`: gives written inputs to a component and prints what it does.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use super::{
    answer::{self, Answered},
    input::{self, Input},
    loaded::{ComponentFile, Loaded},
    output::Output,
    settings::Settings,
};
use crate::{
    cli::{Called, Run},
    model::Timestamp,
    plugins::CallReport,
};

/// Runs every input. Returns false if the plugin failed.
pub(super) async fn run(
    Run { called }: &Run,
    config: Option<&Path>,
    say: Output<'_>,
) -> Result<bool, String> {
    let (loaded, inputs) = open(called, config).await?;
    let mut good = true;
    for input in inputs {
        let Answered { answer, failed } = answer::ask(&loaded, &input, &called.session).await;
        let calls = loaded.instruments.take();
        good &= !failed;
        if called.json {
            let calls: Vec<Value> = calls.iter().map(as_json).collect();
            let line = json!({"point": input::name(input.point()), "answer": answer, "failed": failed, "calls": calls});
            say(&line.to_string());
        } else {
            say(&format!("{answer:#}"));
            calls.iter().for_each(|call| describe(call, say));
        }
    }
    Ok(good)
}

/// Loads the component, and reads and checks all inputs.
pub(super) async fn open(
    called: &Called,
    config: Option<&Path>,
) -> Result<(Loaded, Vec<Input>), String> {
    // Mistakes in the inputs are reported before the component is compiled, which may take long.
    let values = input::values(&called.input)?;
    let inputs = values
        .iter()
        .enumerate()
        .map(|(at, json)| {
            Input::read(json, &called.session).map_err(|error| match values.len() {
                1 => format!("the input: {error}"),
                _ => format!("input {}: {error}", at + 1),
            })
        })
        .collect::<Result<Vec<Input>, String>>()?;
    let now = called.now.as_deref().map(time).transpose()?;
    let settings = Settings::read(config)?.with_grants(called.grants.as_deref())?;
    let file = ComponentFile::new(&called.file)?;
    let name = file.name(&settings).await?;
    let loaded = Loaded::open(&file, &name, &settings, None).await?;
    for input in &inputs {
        input.suits(called.point, &loaded.points())?;
    }
    loaded.instruments.set_now(now);
    Ok((loaded, inputs))
}

/// A point in time as an author writes it.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let read: Result<jiff::Timestamp, _> = text.parse();
    read.map(|time| Timestamp(time.as_millisecond()))
        .map_err(|_| {
            format!("now: {text:?} is not a time; expected RFC 3339, e.g. 2026-01-31T09:00:00Z")
        })
}

fn as_json(call: &CallReport) -> Value {
    json!({
        "function": call.function,
        "wallMicros": micros(call.wall),
        "instantiationMicros": micros(call.instantiation),
        "cpuMicros": micros(call.cpu),
        "memoryBytes": call.memory,
        "log": call.log,
        "stderr": call.stderr,
        "notGranted": call.not_granted,
    })
}

fn describe(call: &CallReport, say: Output<'_>) {
    say(&format!(
        "{}: {} (instantiation {}), CPU {}, memory {}",
        call.function,
        shown(call.wall),
        shown(call.instantiation),
        shown(call.cpu),
        mebibytes(call.memory)
    ));
    for line in &call.log {
        let fields: String = line
            .fields
            .iter()
            .map(|(name, value)| format!(" {name}={value:?}"))
            .collect();
        say(&format!("  {}: {}{fields}", line.level, line.message));
    }
    for capability in &call.not_granted {
        say(&format!(
            "  not granted: {capability}; `grants` of its [[plugin]] entry, or --grants, gives it"
        ));
    }
    if !call.stderr.trim().is_empty() {
        say("  standard error:");
        for line in call.stderr.trim().lines() {
            say(&format!("    {}", line.escape_debug()));
        }
    }
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A duration in milliseconds.
pub(super) fn shown(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1000.0)
}

pub(super) fn mebibytes(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    format!("{mebibytes:.2} MiB")
}
