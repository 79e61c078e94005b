//! Tests of the smallest complete plugin: it is short, the README shows it unchanged, and it can be
//! tested without wasm.

use wharf_plugin::{
    Address, Content, OutboundMessage, Validator, Verdict,
    testing::{Host, configure, json},
};

#[path = "../examples/word_filter.rs"]
#[expect(
    unreachable_pub,
    reason = "the example shows what an author has to write"
)]
mod word_filter;

use word_filter::WordFilter;

const SOURCE: &str = include_str!("../examples/word_filter.rs");

#[test]
fn a_plugin_with_one_rule_has_less_than_forty_lines() {
    assert!(SOURCE.lines().count() < 40);
    assert!(
        include_str!("../README.md").contains(SOURCE),
        "the README shows the example as it is"
    );
}

#[test]
fn it_can_be_tested_natively() {
    let host = Host::new();
    let filter: WordFilter =
        configure(json!({"words": ["banned"]})).unwrap_or_else(|issues| panic!("{issues:?}"));
    let ask = |body: &str| {
        filter.validate(
            &host.call("m1"),
            &OutboundMessage::new(Address::of_number("4915123456789"), Content::text(body)),
        )
    };
    assert_eq!(ask("hello"), Ok(Verdict::Allow));
    assert!(
        matches!(ask("a banned word"), Ok(Verdict::Reject(rejection)) if rejection.code == "banned_word")
    );
}

#[test]
fn a_wrong_configuration_names_its_place() {
    let issues = configure::<WordFilter>(json!({"words": ["a", 1]}))
        .err()
        .unwrap_or_default();
    assert_eq!(
        issues
            .iter()
            .map(|issue| issue.path.as_str())
            .collect::<Vec<_>>(),
        ["/words/1"]
    );
}
