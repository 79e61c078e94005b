//! Components that must not be loaded: forged, malformed, or too costly to compile.

use std::fmt::Write;

use super::{
    Attack,
    wat::{EXPORTS, Parts, ROOM, component, data, text, words},
};

/// The attacks, each with the words of the refusal.
pub(super) fn all() -> Vec<Attack> {
    [
        files(),
        exports(),
        imports(),
        proposals(),
        bombs(),
        descriptions(),
    ]
    .concat()
}

fn bytes(
    name: &'static str,
    does: &'static str,
    stopped_by: &'static str,
    component: Vec<u8>,
    words: &'static str,
) -> Attack {
    Attack::of_bytes(name, does, stopped_by, component).refused(words)
}

fn parts(
    name: &'static str,
    does: &'static str,
    stopped_by: &'static str,
    parts: &Parts,
    words: &'static str,
) -> Attack {
    bytes(name, does, stopped_by, component(name, parts), words)
}

fn from_text(
    name: &'static str,
    does: &'static str,
    stopped_by: &'static str,
    text: &str,
    words: &'static str,
) -> Attack {
    let bytes_of = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    bytes(name, does, stopped_by, bytes_of, words)
}

fn core(fields: impl Into<String>) -> Parts {
    Parts {
        core: fields.into(),
        ..Parts::default()
    }
}

fn files() -> Vec<Attack> {
    let header = "the first bytes of the file";
    let whole = component("cut", &Parts::default());
    let engine = wasmtime::Engine::default();
    let compiled = engine
        .precompile_component(&whole)
        .expect("a good component");
    let mut flipped = whole.clone();
    for at in (200..flipped.len()).step_by(97) {
        flipped[at] ^= 0x55;
    }
    vec![
        bytes(
            "core-module",
            "is a core module",
            header,
            b"\0asm\x01\0\0\0".to_vec(),
            "core module",
        ),
        bytes(
            "a-text",
            "is the text of a component",
            header,
            b"(component)".to_vec(),
            "not WebAssembly",
        ),
        bytes(
            "nothing",
            "is an empty file",
            header,
            vec![],
            "not WebAssembly",
        ),
        bytes(
            "compiled",
            "is code that wasmtime has compiled elsewhere, which would be run without a check",
            header,
            compiled,
            "not WebAssembly",
        ),
        bytes(
            "cut",
            "is half a component",
            "the validation of the component",
            whole[..whole.len() / 2].to_vec(),
            "cannot be compiled",
        ),
        bytes(
            "flipped",
            "is a component with changed bits",
            "the validation of the component",
            flipped,
            "cannot be compiled",
        ),
        bytes(
            "appended",
            "is a component with bytes behind its end",
            "the validation of the component",
            [&whole[..], b"\x7fELF\x02\x01\x01"].concat(),
            "cannot be compiled",
        ),
    ]
}

fn exports() -> Vec<Attack> {
    let names = "the check of the exported names";
    let types = "the check of the exported functions and their types";
    let forged = |from: &str, to: &str| Parts {
        exports: EXPORTS.replace(from, to),
        ..Parts::default()
    };
    let twice = Parts {
        exports: format!(
            "{EXPORTS} (export \"wharf:plugin/send-validation@0.1.7\" (instance $validation))"
        ),
        ..Parts::default()
    };
    // The same component with another type of `validate`; the core function fits it.
    let other_type = text("other-type", &Parts::default()).replace(
        "(param \"ctx\" $context) (param \"message\" $message) (result (result $verdict (error $error)))",
        "(param \"ctx\" u32) (result u32)",
    ).replace(" (post-return (func $core \"post-return\"))", "");
    vec![
        parts(
            "other-line",
            "exports its interface in a version of the contract that does not exist",
            names,
            &forged("send-validation@0.1.0", "send-validation@0.9.0"),
            "this gateway speaks",
        ),
        parts(
            "no-version",
            "exports its interface without a version",
            names,
            &forged("send-validation@0.1.0", "send-validation"),
            "without a version",
        ),
        parts(
            "two-versions",
            "exports its interface in two versions, one of which nobody would judge",
            names,
            &twice,
            "two versions",
        ),
        parts(
            "other-interface",
            "exports an interface of the package that the gateway does not have",
            names,
            &forged("send-validation@0.1.0", "send-everything@0.1.0"),
            "never calls",
        ),
        parts(
            "no-lifecycle",
            "exports no `lifecycle`",
            names,
            &forged(
                "(export \"wharf:plugin/lifecycle@0.1.0\" (instance $lifecycle))",
                "",
            ),
            "lifecycle",
        ),
        parts(
            "no-point",
            "exports no extension point",
            names,
            &forged(
                "(export \"wharf:plugin/send-validation@0.1.0\" (instance $validation))",
                "",
            ),
            "no extension point",
        ),
        parts(
            "other-package",
            "exports an extension point under a package with a similar name",
            names,
            &forged(
                "wharf:plugin/send-validation@0.1.0",
                "wharf:plugins/send-validation@0.1.0",
            ),
            "no extension point",
        ),
        parts(
            "no-function",
            "exports the extension point without its function",
            types,
            &forged(
                "(instance $validation (export \"validate\" (func $validate)))",
                "(instance $validation (export \"verdict\" (type $verdict)))",
            ),
            "`validate`",
        ),
        parts(
            "no-such-function",
            "exports the extension point with a function of another name",
            types,
            &forged("(export \"validate\"", "(export \"validated\""),
            "`validate`",
        ),
        parts(
            "type-for-function",
            "exports a type in the place of the function",
            types,
            &forged(
                "(export \"validate\" (func $validate))",
                "(export \"validate\" (type $verdict))",
            ),
            "function export",
        ),
        parts(
            "swapped",
            "exports `describe` in the place of `validate`",
            types,
            &forged(
                "(export \"validate\" (func $validate))",
                "(export \"validate\" (func $describe))",
            ),
            "2-tuple",
        ),
        from_text(
            "other-type",
            "exports `validate` with other parameters and another result",
            types,
            &other_type,
            "2-tuple",
        ),
    ]
}

fn imports() -> Vec<Attack> {
    let linked = "the gateway links what it provides and nothing else";
    let with = |first: &str| Parts {
        first: first.to_owned(),
        ..Parts::default()
    };
    let import = |name, does, first: &str, words| parts(name, does, linked, &with(first), words);
    vec![
        import(
            "unknown-import",
            "imports an interface of another package",
            "(import \"evil:host/backdoor@1.0.0\" (instance (export \"open\" (func))))",
            "evil:host/backdoor",
        ),
        import(
            "unknown-wasi",
            "imports an interface that WASI does not have",
            "(import \"wasi:kernel/memory@0.2.0\" (instance (export \"open\" (func))))",
            "wasi:kernel/memory",
        ),
        import(
            "unknown-function",
            "imports a function that the gateway's storage does not have",
            "(import \"wharf:plugin/kv@0.1.0\" (instance (export \"all-namespaces\" (func))))",
            "all-namespaces",
        ),
        import(
            "other-import-type",
            "imports a function of the gateway with another type",
            "(import \"wharf:plugin/secrets@0.1.0\" (instance (export \"get\" (func (param \"number\" u32) (result string)))))",
            "secrets",
        ),
        import(
            "own-lifecycle",
            "imports `lifecycle`, so that the gateway would describe the plugin",
            "(import \"wharf:plugin/lifecycle@0.1.0\" (instance (export \"start\" (func))))",
            "lifecycle",
        ),
        import(
            "bare-import",
            "imports a function without an interface",
            "(import \"system\" (func (param \"command\" string)))",
            "system",
        ),
        import(
            "import-module",
            "imports a core module to run",
            "(import \"code\" (core module))",
            "code",
        ),
        parts(
            "re-export",
            "exports the gateway's own `secrets` as its extension point",
            linked,
            &Parts {
                exports: EXPORTS
                    .replace("(instance $validation)", "(instance $theirs)")
                    .replace("(instance $validation ", "(instance $unused "),
                ..with(
                    "(import \"wharf:plugin/secrets@0.1.0\" (instance $theirs (export \"get\" (func (param \"name\" string) (result (option string))))))",
                )
            },
            "",
        ),
    ]
}

fn proposals() -> Vec<Attack> {
    let off = "the proposals of WebAssembly that the gateway switches off";
    let module = |name, does, fields: &str, words| parts(name, does, off, &core(fields), words);
    vec![
        module(
            "memory64",
            "uses a memory with 64-bit addresses",
            "(memory $wide i64 1)",
            "memory64",
        ),
        module(
            "threads",
            "uses a memory that threads share",
            "(memory $shared 1 1 shared)",
            "threads",
        ),
        module(
            "garbage",
            "uses garbage-collected types",
            "(type $s (struct (field i32))) (func (drop (struct.new $s (i32.const 1))))",
            "",
        ),
        module(
            "exceptions",
            "throws exceptions",
            "(tag $t) (func (throw $t))",
            "",
        ),
        module(
            "stacks",
            "switches stacks",
            "(type $f (func)) (type $c (cont $f)) (func $g) (elem declare func $g) (func (drop (cont.new $c (ref.func $g))))",
            "",
        ),
        module(
            "pages",
            "uses pages of one byte",
            "(memory $small 1 1 (pagesize 1))",
            "",
        ),
    ]
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
