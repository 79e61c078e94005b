//! Does what `docs/plugins/workbench.md` shows. The information string of a block says what it is.

use std::path::Path;

use crate::support::Desk;

/// The only block of the page with this information string.
fn block(info: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins/workbench.md");
    let text = std::fs::read_to_string(page).expect("the page");
    let fence = format!("```{info}\n");
    let found: Vec<&str> = text
        .split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(found.len(), 1, "blocks {info:?}");
    found.concat()
}

#[test]
fn its_inputs_are_understood() {
    let desk = Desk::with(&["good.wasm"]);
    for (kind, answer) in [
        ("message", "\"verdict\":\"allow\""),
        ("template", "Hello Ada"),
        ("event", "message.received here default Hello team=blue"),
    ] {
        let ran = desk.pipe(
            &["run", "good.wasm", "--json", "--input", "-"],
            &block(&format!("json {kind}")),
        );
        let ran = ran.exits(0);
        assert!(ran.out.contains(answer), "{kind}: {ran:#?}");
    }
}

#[test]
fn its_case_passes_and_could_fail() {
    let desk = Desk::with(&["number_policy.wasm"]);
    let case = block("toml number-policy");
    desk.write("tests/cases/policy.toml", &case);
    desk.run(&["test", "number_policy.wasm"]).exits(0);
    desk.write(
        "tests/cases/policy.toml",
        &case.replace("daily_cap = 1", "daily_cap = 2"),
    );
    let out = desk.run(&["test", "number_policy.wasm"]).exits(1).out;
    assert!(
        out.contains("step 2: verdict: expected \"reject\""),
        "{out}"
    );
}
