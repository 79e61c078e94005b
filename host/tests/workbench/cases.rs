//! Test cases in files.

use crate::support::Desk;

/// A desk with the guest `odd`, and one case.
fn case(text: &str) -> Desk {
    let desk = Desk::with(&["odd.wasm"]);
    desk.write("tests/cases/one.toml", text);
    desk
}

#[test]
fn a_case_that_differs_says_where_and_fails_the_command() {
    let desk = Desk::with(&["good.wasm"]);
    desk.write(
        "tests/cases/a.toml",
        "[[step]]\ninput = { to = \"77@lid\", text = \"forbidden\" }\nexpect = { verdict = \"reject\", code = \"forbidden_word\" }\n",
    );
    desk.write(
        "tests/cases/b.json",
        r#"{"step": [{"input": {"to": "77@lid", "template": "greeting", "variables": {"who": "Ada"}}, "expect": {"content": {"text": "Hello Ada"}}}]}"#,
    );
    let out = desk.run(&["test", "good.wasm"]).exits(0).out;
    assert!(
        out.contains("ok    tests/cases/a.toml")
            && out.contains("ok    tests/cases/b.json")
            && out.ends_with("2 passed, 0 failed\n"),
        "{out}"
    );

    desk.write(
        "tests/cases/c.toml",
        "[[step]]\ninput = { to = \"77@lid\", text = \"hello\" }\nexpect = { verdict = \"allow\" }\n[[step]]\ninput = { to = \"77@lid\", text = \"forbidden\" }\nexpect = { verdict = \"reject\", code = \"other\", retryAfterMs = 1 }\n",
    );
    let out = desk.run(&["test", "good.wasm"]).exits(1).out;
    for line in [
        "FAIL  tests/cases/c.toml",
        "step 2: code: expected \"other\", got \"forbidden_word\"",
        "step 2: retryAfterMs: expected 1, got 1500",
        "2 passed, 1 failed",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let out = desk
        .run(&["test", "good.wasm", "--cases", "tests/cases/a.toml"])
        .exits(0)
        .out;
    assert!(out.ends_with("1 passed, 0 failed\n"), "{out}");
}

#[test]
fn steps_share_the_storage_which_is_given_and_expected() {
    // The guest counts its calls below the key `calls`, as text.
    let desk = case(
        "kv = { calls = \"41\" }\n[plugin]\nconfig.behaviour = \"count\"\ngrants.kv = \"1KiB\"\n[[step]]\ninput = { to = \"77@lid\", text = \"hi\" }\nexpect = { verdict = \"reject\" }\nkv = { calls = \"42\" }\n[[step]]\ninput = { to = \"77@lid\", text = \"hi\" }\nexpect = { verdict = \"reject\" }\nkv = { calls = \"43\" }\n",
    );
    desk.run(&["test", "odd.wasm"]).exits(0);
    let desk = case(
        "[plugin]\nconfig.behaviour = \"count\"\ngrants.kv = \"1KiB\"\n[[step]]\ninput = { to = \"77@lid\", text = \"hi\" }\nexpect = { verdict = \"reject\" }\nkv = { calls = \"7\" }\n",
    );
    let out = desk.run(&["test", "odd.wasm"]).exits(1).out;
    assert!(out.contains("kv.calls: expected \"7\", got \"1\""), "{out}");
}

#[test]
fn secrets_are_those_of_the_case_and_have_to_be_granted() {
    let text = |grant: &str| {
        format!(
            "secrets = {{ WHARF_TEST_SECRET = \"open sesame\" }}\n[plugin]\nconfig.behaviour = \"secret\"\n{grant}\n[[step]]\ninput = {{ to = \"77@lid\", text = \"hi\" }}\nexpect = {{ reason = \"open sesame\" }}\n"
        )
    };
    case(&text("grants.secrets = [\"WHARF_TEST_SECRET\"]"))
        .run(&["test", "odd.wasm"])
        .exits(0);
    let out = case(&text("")).run(&["test", "odd.wasm"]).exits(1).out;
    assert!(
        out.contains("secrets.WHARF_TEST_SECRET is given, but not granted"),
        "{out}"
    );
}

#[test]
fn a_failing_step_shows_what_the_plugin_wrote() {
    let desk = case(
        "[plugin]\nconfig.behaviour = \"quote\"\n[[step]]\ninput = { to = \"77@lid\", text = \"hello\" }\nexpect = { verdict = \"allow\" }\n",
    );
    let out = desk.run(&["test", "odd.wasm"]).exits(1).out;
    assert!(
        out.contains("verdict: expected \"allow\", got \"trapped\"")
            && out.contains("nothing can be made of \"hello\""),
        "{out}"
    );
}

#[test]
fn a_mistake_in_a_case_fails_it_by_name() {
    let step =
        "[[step]]\ninput = { to = \"77@lid\", text = \"hi\" }\nexpect = { verdict = \"allow\" }\n";
    for (text, words) in [
        (
            format!("[plugin]\ntimout = \"1s\"\n{step}"),
            "timout",
        ),
        (
            format!("[plugin]\nname = \"other\"\nconfig.behaviour = \"allow\"\n{step}"),
            "it calls itself \"odd\"; `name` must be the same",
        ),
        (format!("kvs = {{}}\n{step}"), "unknown field `kvs`"),
        (
            format!("kv = {{ a = \"1\" }}\n[plugin]\nconfig.behaviour = \"allow\"\n{step}"),
            "grant it, e.g. grants = { kv = \"1MiB\" }",
        ),
        (
            "[plugin]\nconfig.behaviour = \"allow\"\n[[step]]\ninput = { to = \"77@lid\", txt = \"hi\" }\nexpect = { verdict = \"allow\" }\n".to_owned(),
            "step 1: input: txt is unknown",
        ),
    ] {
        let out = case(&text).run(&["test", "odd.wasm"]).exits(1).out;
        assert!(
            out.contains("FAIL  tests/cases/one.toml") && out.contains(words),
            "{text}: {out}"
        );
    }
    let desk = Desk::with(&["odd.wasm"]);
    let err = desk.run(&["test", "odd.wasm"]).exits(2).err;
    assert!(
        err.contains("cannot read the cases in tests/cases"),
        "{err}"
    );
    desk.write("tests/cases/one.tml", "");
    let err = desk.run(&["test", "odd.wasm"]).exits(2).err;
    assert!(
        err.contains("one.tml: a case is a .toml or a .json file"),
        "{err}"
    );
}
