//! `wharf plugin bench`: what full calls of a component cost. Each call has a fresh instance, is
//! configured, and is limited, as in a gateway; calls follow each other, so nothing competes.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    answer::{self, Answered},
    output::Output,
    running::{self, mebibytes, micros, shown},
};
use crate::{cli::Bench, plugins::CallReport};

/// Inputs before the measurement, which fill caches.
const WARM_UP: u64 = 20;

/// The calls of one function.
#[derive(Debug, Default)]
struct Calls {
    wall: Vec<Duration>,
    cpu: Vec<Duration>,
    instantiation: Duration,
    memory: u64,
}

impl Calls {
    fn add(&mut self, call: &CallReport) {
        self.wall.push(call.wall);
        self.cpu.push(call.cpu);
        self.instantiation += call.instantiation;
        self.memory = self.memory.max(call.memory);
    }

    fn finish(&mut self) {
        self.wall.sort_unstable();
        self.cpu.sort_unstable();
    }

    /// The share of instantiation in the wall time of all calls, in percent.
    fn instantiation_percent(&self) -> f64 {
        let all: Duration = self.wall.iter().sum();
        100.0 * self.instantiation.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// The smallest value that is not exceeded by `percent` percent of the sorted values.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// Measures.
pub(super) async fn bench(
    bench: &Bench,
    config: Option<&Path>,
    say: Output<'_>,
) -> Result<(), String> {
    let (loaded, inputs) = running::open(&bench.called, config).await?;
    let [input] = inputs.as_slice() else {
        return Err(format!(
            "bench measures one input, but there are {}",
            inputs.len()
        ));
    };
    let ask = async || {
        let Answered { answer, failed } = answer::ask(&loaded, input, &bench.called.session).await;
        // Failing calls cost something else than answers, and would be measured in their place.
        if failed {
            return Err(format!("the plugin fails, so it is not measured: {answer}"));
        }
        Ok(loaded.instruments.take())
    };
    for _ in 0..WARM_UP {
        ask().await?;
    }
    let mut functions: BTreeMap<&'static str, Calls> = BTreeMap::new();
    let began = Instant::now();
    let mut asked = 0;
    loop {
        let done = match bench.seconds {
            Some(seconds) => asked > 0 && began.elapsed() >= Duration::from_secs(seconds),
            None => asked >= bench.calls,
        };
        if done {
            break;
        }
        for call in ask().await? {
            functions.entry(call.function).or_default().add(&call);
        }
        asked += 1;
    }
    if functions.is_empty() {
        return Err("the plugin is not called for this input: it does not want the event".into());
    }
    for (function, calls) in &mut functions {
        calls.finish();
        if bench.called.json {
            say(&as_json(function, calls).to_string());
        } else {
            describe(function, calls, say);
        }
    }
    Ok(())
}

fn as_json(function: &str, calls: &Calls) -> Value {
    json!({
        "function": function,
        "calls": calls.wall.len(),
        "p50Micros": micros(percentile(&calls.wall, 50)),
        "p99Micros": micros(percentile(&calls.wall, 99)),
        "maxMicros": micros(percentile(&calls.wall, 100)),
        "cpuP50Micros": micros(percentile(&calls.cpu, 50)),
        "cpuP99Micros": micros(percentile(&calls.cpu, 99)),
        "instantiationPercent": calls.instantiation_percent(),
        "memoryBytes": calls.memory,
    })
}

fn describe(function: &str, calls: &Calls, say: Output<'_>) {
    say(&format!(
        "{function}: {} calls, p50 {}, p99 {}, max {}",
        calls.wall.len(),
        shown(percentile(&calls.wall, 50)),
        shown(percentile(&calls.wall, 99)),
        shown(percentile(&calls.wall, 100))
    ));
    say(&format!(
        "  CPU p50 {}, p99 {}; instantiation {:.0} % of the time; memory {}",
        shown(percentile(&calls.cpu, 50)),
        shown(percentile(&calls.cpu, 99)),
        calls.instantiation_percent(),
        mebibytes(calls.memory)
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        for (percent, millis) in [(50, 100), (99, 198), (100, 200)] {
            assert_eq!(percentile(&values, percent), Duration::from_millis(millis));
        }
        assert_eq!(
            percentile(&[Duration::from_millis(7)], 50),
            Duration::from_millis(7)
        );
    }
}
