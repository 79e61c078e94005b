//! Components that are too costly to compile, to instantiate or to ask about themselves.

use std::fmt::Write;

use super::{
    Attack,
    loading::{core, parts},
    wat::{Parts, ROOM, data, words},
};

/// The attacks, each with the words of the refusal.
pub(super) fn all() -> Vec<Attack> {
    [bombs(), descriptions()].concat()
}

fn nested(levels: usize) -> String {
    // Each level instantiates the level below it twice.
    let mut text = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for level in 1..=levels {
        let below = level - 1;
        text = format!(
            "(component $c{level} {text} (instance (instantiate $c{below})) (instance (instantiate $c{below})))"
        );
    }
    format!("{text} (instance (instantiate $c{levels}))")
}

/// A function in which as many locals change in as many loops.
fn loops(locals: usize, loops: usize) -> Parts {
    let changes: String = (0..locals)
        .map(|n| format!("(local.set {n} (i64.add (local.get {n}) (i64.const 1)))"))
        .collect();
    core(format!(
        "(func (local {}) {} {changes} {})",
        "i64 ".repeat(locals),
        "(loop ".repeat(loops),
        ")".repeat(loops)
    ))
}

/// What is just small enough to be compiled, and costs the compiler the most.
pub(super) fn small_enough() -> Attack {
    Attack::new("small-enough", "", "", &loops(1100, 900))
}

fn first_memory(pages: usize) -> Parts {
    Parts {
        memory: format!("(memory (export \"memory\") {pages})"),
        ..Parts::default()
    }
}

fn bombs() -> Vec<Attack> {
    let cost = "the functions are measured before they are compiled";
    let share = "the share of the pool that a call may have";
    let many = |count: usize, field: &str| core(field.repeat(count));
    let last = |last: String| Parts {
        last,
        ..Parts::default()
    };
    let large = format!("(func {})", "(drop (i32.const 1000000))".repeat(220_000));
    let branches = format!(
        "(func (param i32) {})",
        "(block (br_if 0 (local.get 0)))".repeat(60_000)
            + &"(drop (i32.load (i32.const 100000)))".repeat(50_000)
    );
    let mut types = "(type $t0 (tuple u8 u8))".to_owned();
    for level in 1..40 {
        let below = level - 1;
        let _ = write!(types, "(type $t{level} (tuple $t{below} $t{below}))");
    }
    vec![
        parts(
            "functions",
            "has 100,000 functions",
            cost,
            &core("(func)".repeat(100_000)),
            "80000 functions",
        ),
        parts(
            "large-function",
            "has a function of 1.1 MB",
            cost,
            &core(large),
            "bytes; at most",
        ),
        parts(
            "nested-loops",
            "has 3,000 locals that change in 900 nested loops",
            cost,
            &loops(3000, 900),
            "nested loops",
        ),
        parts(
            "branches",
            "has 60,000 branches in 0.8 MB",
            cost,
            &core(branches),
            "branches",
        ),
        parts(
            "types",
            "has a type that doubles forty times",
            "the validation of the component",
            &last(types),
            "cannot be compiled",
        ),
        parts(
            "instances",
            "instantiates 1,000 modules",
            share,
            &last(format!(
                "(core module $m) {}",
                "(core instance (instantiate $m))".repeat(1000)
            )),
            "",
        ),
        parts(
            "nested-instances",
            "instantiates a component that instantiates two, ten levels deep",
            share,
            &last(nested(10)),
            "",
        ),
        parts(
            "memories",
            "has 30 memories",
            share,
            &many(30, "(memory 1)"),
            "",
        ),
        parts(
            "tables",
            "has 100 tables",
            share,
            &last(format!(
                "(core module $m (table 1 funcref) (table 1 funcref) (table 1 funcref)) {}",
                "(core instance (instantiate $m))".repeat(40)
            )),
            "tables",
        ),
        parts(
            "several-memories",
            "divides 38 MiB of memory over three modules",
            "the limit counts all memories of a call together",
            &last(format!(
                "(core module $m (memory 200)) {}",
                "(core instance (instantiate $m))".repeat(3)
            )),
            "over_memory",
        ),
        parts(
            "large-memory",
            "begins with a memory of 4 GiB",
            "the largest memory of the pool, 256 MiB",
            &first_memory(65_536),
            "",
        ),
        parts(
            "memory-over-limit",
            "begins with a memory of 64 MiB",
            "the memory limit of the call (`memory`)",
            &first_memory(1024),
            "over_memory",
        ),
        parts(
            "large-table",
            "begins with a table of ten million elements",
            "the largest table of the pool",
            &core("(table 10000000 funcref)"),
            "",
        ),
        parts(
            "globals",
            "has 90,000 globals",
            "the largest instance of the pool",
            &core("(global i64 (i64.const 0))".repeat(90_000)),
            "",
        ),
        parts(
            "start",
            "loops forever in the start function of its module",
            "the CPU limit of the call (`cpu`)",
            &core("(func $s (loop $l (br $l))) (start $s)"),
            "over_cpu",
        )
        .with("cpu = \"50ms\""),
    ]
}

fn descriptions() -> Vec<Attack> {
    let cpu = "the CPU limit of the call (`cpu`)";
    let described = |describe: &str| Parts {
        describe: describe.into(),
        ..Parts::default()
    };
    let large = || "(memory (export \"memory\") 100)".to_owned();
    let schema = |text: &str| Parts {
        memory: large(),
        schema: Some((131_072, text.len())),
        core: data(131_072, &text.replace('\\', "\\\\").replace('"', "\\\"")),
        ..Parts::default()
    };
    let patterns: String = (0..150)
        .map(|n| format!("\"p{n}\":{{\"pattern\":\"^(a|b){{{n}}}$\"}},"))
        .collect();
    let patterns = format!(
        "{{\"type\":\"object\",\"properties\":{{{}}}}}",
        patterns.trim_end_matches(',')
    );
    let doubled = (1..40).fold("\"d0\":{}".to_owned(), |text, n| {
        let below = n - 1;
        format!("{text},\"d{n}\":{{\"allOf\":[{{\"$ref\":\"#/$defs/d{below}\"}},{{\"$ref\":\"#/$defs/d{below}\"}}]}}")
    });
    let doubled = format!("{{\"$defs\":{{{doubled}}},\"$ref\":\"#/$defs/d39\"}}");
    vec![
        parts(
            "spin-describe",
            "loops forever in `describe`",
            cpu,
            &described("(loop $l (br $l))"),
            "over_cpu",
        )
        .with("cpu = \"50ms\""),
        parts(
            "spin-configure",
            "loops forever in `configure`",
            cpu,
            &Parts {
                configure: "(loop $l (br $l))".into(),
                ..Parts::default()
            },
            "over_cpu",
        )
        .with("cpu = \"50ms\""),
        parts(
            "other-name",
            "calls itself by the name of another plugin",
            "the name must be that of the entry",
            &Parts {
                name: Some((ROOM, 4)),
                core: data(ROOM, "good"),
                ..Parts::default()
            },
            "calls itself \"good\"",
        ),
        parts(
            "name-of-megabytes",
            "calls itself by a name of 2 MB",
            "the reason is cut to 4 KiB and escaped",
            &Parts {
                memory: large(),
                name: Some((131_072, 1_900_000)),
                ..Parts::default()
            },
            "calls itself",
        ),
        parts(
            "name-outside",
            "has its name outside of its memory",
            "each answer is checked against the memory and the types of the contract",
            &Parts {
                name: Some((0xffff_0000, 1_000_000)),
                ..Parts::default()
            },
            "out of bounds",
        ),
        parts(
            "events",
            "asks for events by 80,000 patterns, with which every event would be compared",
            "a plugin has at most 100 patterns",
            &Parts {
                memory: large(),
                events: (131_072, 80_000),
                ..Parts::default()
            },
            "80000 patterns",
        ),
        parts(
            "long-event",
            "asks for events by a pattern of 1 MB",
            "a pattern has at most 128 bytes",
            &Parts {
                memory: large(),
                core: format!(
                    "(data (i32.const {ROOM}) \"{}\")",
                    words(&[131_072, 1_000_000])
                ),
                events: (ROOM, 1),
                ..Parts::default()
            },
            "by 1 patterns",
        ),
        parts(
            "large-schema",
            "has a config schema of 600 KB",
            "a schema has at most 512 KiB",
            &Parts {
                memory: large(),
                schema: Some((131_072, 600_000)),
                ..Parts::default()
            },
            "config schema has 600000 bytes",
        ),
        parts(
            "no-schema",
            "has a config schema that is not JSON",
            "the check of the schema",
            &schema("{{{{"),
            "not JSON",
        ),
        parts(
            "doubled-schema",
            "has a config schema whose references double forty times",
            "a schema is measured before its references are followed",
            &schema(&doubled),
            "parts once its references",
        ),
        parts(
            "endless-schema",
            "has a config schema that refers to itself",
            "a schema is measured before its references are followed",
            &schema("{\"allOf\":[{\"$ref\":\"#\"}]}"),
            "without an end",
        ),
        parts(
            "outside-schema",
            "has a config schema that refers to a file of the machine",
            "a schema is measured before its references are followed",
            &schema("{\"$ref\":\"file:///etc/passwd\"}"),
            "only references within itself",
        ),
        parts(
            "patterns",
            "has a config schema with 150 regular expressions, each of which may take megabytes",
            "a schema has at most 100 patterns",
            &schema(&patterns),
            "a pattern counts as",
        ),
        parts(
            "large-pattern",
            "has a config schema with a regular expression that is large once it is compiled",
            "a compiled pattern has at most 2 MiB",
            &schema("{\"pattern\":\"^((\\\\p{L}{100}){100}){100}$\"}"),
            "config schema",
        ),
        parts(
            "issues",
            "finds two megabytes of faults in its configuration",
            "the reason is cut to 4 KiB and escaped",
            &Parts {
                memory: large(),
                core: format!(
                    "(data (i32.const 2048) \"{}\") (data (i32.const {ROOM}) \"{}\")",
                    words(&[1, ROOM, 1]),
                    words(&[131_072, 900_000, 131_072, 900_000])
                ),
                ..Parts::default()
            },
            "config at",
        ),
    ]
}
