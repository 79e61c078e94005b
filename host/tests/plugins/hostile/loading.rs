//! Components that must not be loaded because they are forged or malformed.

use super::{
    Attack, costly,
    wat::{EXPORTS, Parts, component, text},
};

/// The attacks, each with the words of the refusal.
pub(super) fn all() -> Vec<Attack> {
    [files(), exports(), imports(), proposals(), costly::all()].concat()
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

pub(super) fn parts(
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

pub(super) fn core(fields: impl Into<String>) -> Parts {
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
