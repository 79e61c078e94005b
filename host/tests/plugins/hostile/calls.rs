//! Plugins that load and then misbehave in a call, written as text.

use super::{
    Attack,
    wat::{Parts, ROOM, VERDICT, data, words},
};

/// The limit of CPU time for attacks that use all of it.
const SHORT: &str = "cpu = \"50ms\"";

fn attack(
    name: &'static str,
    does: &'static str,
    stopped_by: &'static str,
    parts: Parts,
    kind: &'static str,
    words: &'static str,
) -> Attack {
    Attack::new(name, does, stopped_by, &parts).fails(kind, words)
}

fn validate(code: impl Into<String>) -> Parts {
    Parts {
        validate: code.into(),
        ..Parts::default()
    }
}

/// Only where a call is made: `configure`, which is called when the plugin is loaded, gets the two
/// bytes `{}`.
fn realloc(code: &str) -> Parts {
    Parts {
        realloc: format!("(if (i32.gt_u (local.get $size) (i32.const 2)) (then {code}))"),
        ..Parts::default()
    }
}

/// The verdict is a rejection with this code and reason.
fn rejection(code: (usize, usize), reason: (usize, usize)) -> Parts {
    let answer = [
        &[0, 0, 1, 0][..],
        &[code.0, code.1, reason.0, reason.1, 0, 0],
    ]
    .concat();
    Parts {
        core: format!("(data (i32.const {VERDICT}) \"{}\")", words(&answer)),
        ..Parts::default()
    }
}

const SPIN: &str = "(loop $l (br $l))";

/// The attacks, each with what contains it.
pub(super) fn all() -> Vec<Attack> {
    [loops(), memories(), traps(), answers()].concat()
}

fn loops() -> Vec<Attack> {
    let cpu = "the CPU limit of the call (`cpu`)";
    vec![
        attack("spin", "loops forever in `validate`", cpu, validate(SPIN), "over_cpu", "50ms").with(SHORT),
        attack("spin-realloc", "loops forever when the gateway asks it for memory to pass the message", cpu, realloc(SPIN), "over_cpu", "50ms").with(SHORT),
        attack(
            "spin-post-return",
            "answers, and loops forever when the gateway has read the answer",
            cpu,
            Parts { post_return: SPIN.into(), ..Parts::default() },
            "over_cpu",
            "50ms",
        )
        .with(SHORT),
        attack(
            "fill",
            "fills megabytes of memory again and again with single instructions",
            cpu,
            Parts {
                memory: "(memory (export \"memory\") 300)".into(),
                ..validate("(loop $l (memory.fill (i32.const 65536) (i32.const 1) (i32.const 16777216)) (br $l))")
            },
            "over_cpu",
            "50ms",
        )
        .with(SHORT),
        attack(
            "table-spin",
            "copies a table onto itself again and again",
            cpu,
            Parts {
                core: "(table $t 20000 funcref)".into(),
                ..validate("(loop $l (table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 19999)) (br $l))")
            },
            "over_cpu",
            "50ms",
        )
        .with(SHORT),
    ]
}

fn memories() -> Vec<Attack> {
    let memory = "the memory limit of the call (`memory`)";
    let table = "a table has at most 20,000 elements";
    vec![
        attack("grow", "grows its memory page by page", memory, validate("(loop $l (drop (memory.grow (i32.const 1))) (br $l))"), "over_memory", "33554432 are allowed"),
        attack("grow-at-once", "asks for 4 GiB at once", memory, validate("(drop (memory.grow (i32.const 65000)))"), "over_memory", "33554432 are allowed"),
        attack("grow-realloc", "grows its memory when the gateway passes it the message", memory, realloc("(drop (memory.grow (i32.const 1000)))"), "over_memory", "33554432 are allowed"),
        Attack::new(
            "grow-table",
            "grows a table without end, and traps if it gets more than 20,000 elements",
            table,
            &Parts {
                core: "(table $t 1 funcref)".into(),
                ..validate("(block $full (loop $l (br_if $full (i32.eq (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))) (br $l))) (if (i32.gt_u (table.size $t) (i32.const 20000)) (then (unreachable)))")
            },
        )
        .allowed(),
    ]
}

fn traps() -> Vec<Attack> {
    let instance = "the instance, which is gone after the call";
    let trap = |name, does, code: &str, words| {
        attack(name, does, instance, validate(code), "trapped", words)
    };
    vec![
        attack(
            "recurse",
            "calls itself without end",
            "the stack of the instance, 512 KiB",
            Parts {
                core: "(func $f (param i64 i64 i64 i64) (result i64) (i64.add (i64.const 1) (call $f (local.get 0) (local.get 1) (local.get 2) (local.get 3))))".into(),
                ..validate("(drop (call $f (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)))")
            },
            "trapped",
            "stack",
        ),
        trap("unreachable", "gives up in the middle of a call", "(unreachable)", "unreachable"),
        trap("read-outside", "reads outside of its memory", "(drop (i64.load offset=4294967280 (i32.const -1)))", "out of bounds"),
        trap("write-outside", "writes outside of its memory", "(i64.store (i32.const -8) (i64.const -1))", "out of bounds"),
        trap("divide", "divides by zero", "(drop (i32.div_u (i32.const 1) (i32.const 0)))", "divide by zero"),
        attack(
            "wrong-function",
            "calls a function by a table with another type than it has",
            instance,
            Parts {
                core: "(table $t 4 funcref) (elem (i32.const 1) func $other) (func $other (param i64))".into(),
                ..validate("(call_indirect $t (i32.const 1))")
            },
            "trapped",
            "indirect call",
        ),
        attack(
            "trap-post-return",
            "answers, and traps when the gateway has read the answer",
            instance,
            Parts { post_return: "(unreachable)".into(), ..Parts::default() },
            "trapped",
            "unreachable",
        ),
        attack("trap-realloc", "traps when the gateway asks it for memory", instance, realloc("(unreachable)"), "trapped", "unreachable"),
    ]
}

fn answers() -> Vec<Attack> {
    let bounds = "each answer is checked against the memory and the types of the contract";
    let most = "a call can pass 2 MiB to the gateway";
    let failed = |name, does, parts, words| attack(name, does, bounds, parts, "failed", words);
    let verdict = |words_of: &[usize]| Parts {
        core: format!("(data (i32.const {VERDICT}) \"{}\")", words(words_of)),
        ..Parts::default()
    };
    let answer = |at: &str| validate(format!("(return (i32.const {at}))"));
    let large = |text: &'static str| Parts {
        memory: "(memory (export \"memory\") 100)".into(),
        ..rejection((ROOM, 4), (131_072, text.parse().expect("a number")))
    };
    let bad_text = |bytes: &str, length| Parts {
        core: format!(
            "{} {}",
            rejection((ROOM, length), (ROOM, length)).core,
            data(ROOM, bytes)
        ),
        ..Parts::default()
    };
    let metadata = |count: usize| {
        // modify(message): an empty address, an empty text, and this many pairs of metadata.
        let mut message = vec![0; 40];
        message[2] = 2;
        (message[36], message[37]) = (ROOM, count);
        verdict(&message)
    };
    vec![
        failed(
            "answer-outside",
            "returns a pointer to outside of its memory",
            answer("-8"),
            "out of bounds",
        ),
        failed(
            "answer-crooked",
            "returns a pointer that is not aligned",
            answer("3073"),
            "aligned",
        ),
        failed(
            "no-such-case",
            "returns a verdict that the contract does not have",
            verdict(&[0, 0, 9]),
            "discriminant",
        ),
        failed(
            "no-such-result",
            "returns neither a verdict nor an error",
            verdict(&[7]),
            "discriminant",
        ),
        failed(
            "text-outside",
            "returns a code that lies outside of its memory",
            rejection((0xffff_fff0, 8), (ROOM, 1)),
            "out of bounds",
        ),
        failed(
            "text-endless",
            "returns a reason of 4 GiB",
            rejection((ROOM, 1), (ROOM, 0xffff_ffff)),
            "out of bounds",
        ),
        failed(
            "not-utf-8",
            "returns a code that is not UTF-8",
            bad_text("\\ff\\fe\\c0\\80", 4),
            "utf-8",
        ),
        failed(
            "half-a-character",
            "returns half of a surrogate pair in UTF-8",
            bad_text("\\ed\\a0\\80", 3),
            "utf-8",
        ),
        failed(
            "list-endless",
            "returns a message with four billion pairs of metadata",
            metadata(0xffff_ffff),
            "out of bounds",
        ),
        failed(
            "realloc-outside",
            "gives memory that it does not have for the message",
            realloc("(return (i32.const -65536))"),
            "beyond end of memory",
        ),
        failed(
            "realloc-crooked",
            "gives memory that is not aligned for the message",
            realloc("(return (i32.const 65537))"),
            "aligned",
        ),
        attack(
            "megabytes",
            "returns a reason of 3 MiB",
            most,
            large("3145728"),
            "failed",
            "too much data",
        ),
        attack(
            "many-pairs",
            "returns a message with 200,000 pairs of metadata",
            most,
            Parts {
                memory: "(memory (export \"memory\") 100)".into(),
                ..metadata(200_000)
            },
            "failed",
            "too much data",
        )
        .with("may_modify = true"),
        Attack::new(
            "code-of-a-megabyte",
            "rejects with a code and a reason of a megabyte, all of it zeros",
            "a code that is too long becomes `rejected`; a reason is cut to 1 KiB and escaped",
            &Parts {
                memory: "(memory (export \"memory\") 100)".into(),
                ..rejection((131_072, 900_000), (131_072, 900_000))
            },
        )
        .rejects("rejected", "\\u{0}"),
        Attack::new(
            "code-of-another-form",
            "rejects with a code that has line ends and capital letters",
            "every character of a code but letters, digits and `_` becomes `_`",
            &bad_text("OK\\0aHTTP/1.1 200", 15),
        )
        .rejects("ok_http_1_1_200", "OK\\nHTTP"),
        Attack::new(
            "code-of-nothing",
            "rejects with an empty code",
            "a code that is empty becomes `rejected`",
            &rejection((0, 0), (0, 0)),
        )
        .rejects("rejected", ""),
    ]
}
