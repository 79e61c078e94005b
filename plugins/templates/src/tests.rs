//! The plugin as the gateway uses it: configuration and variables in, text out.

use wharf_plugin::{
    ConfigIssue, Content, Error, RenderError, RenderRequest, Templater, Value, VariableKind,
    testing::{Host, configure, json},
};

use crate::Templates;

fn shop() -> Templates {
    configure(json!({
        "default_locale": "en",
        "max_length": 200,
        "templates": {
            "shipped": {
                "preview_links": true,
                "bodies": {
                    "en": "Hello {{ name }}, your {{ count }} item{% if count != 1 %}s{% endif %} left.{% if note is defined %} {{ note }}{% endif %}",
                    "de": "Hallo {{ name }}, {{ count }} Artikel unterwegs.",
                    "de-AT": "Servus {{ name }}, {{ count }} Artikel unterwegs.",
                },
                "variables": {
                    "name": {"kind": "text", "max_length": 20},
                    "count": {"kind": "integer", "default": 1},
                    "note": {"kind": "text", "required": false},
                },
            },
            "receipt": {
                "bodies": {"en": "{% for item in items %}{{ loop.index }}. {{ item.name }}: {{ item.price }}\n{% endfor %}Paid: {{ paid }} {{ total }}"},
                "variables": {"items": {"kind": "json"}, "paid": {"kind": "boolean", "default": false}, "total": {"kind": "number", "default": 0}},
            },
            "echo": {"bodies": {"en": "{{ text }}"}, "variables": {"text": {"kind": "text"}}},
        },
    }))
    .expect("a good configuration")
}

fn render(
    template: &str,
    locale: Option<&str>,
    variables: &[(&str, Value)],
) -> Result<String, RenderError> {
    let host = Host::new();
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let mut request = RenderRequest::new(template);
    request.locale = locale.map(Into::into);
    request.variables = variables;
    match shop().render(&host.call("m1"), &request)? {
        Content::Text(text) => Ok(text.body),
        other => panic!("{other:?}"),
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn issues(templates: serde_json::Value) -> Vec<(String, String)> {
    let issues: Vec<ConfigIssue> =
        configure::<Templates>(json!({"templates": templates})).expect_err("a bad configuration");
    issues
        .into_iter()
        .map(|issue| (issue.path, issue.message))
        .collect()
}

fn paths(templates: serde_json::Value) -> Vec<String> {
    issues(templates)
        .into_iter()
        .map(|(path, _)| path)
        .collect()
}

#[test]
fn variables_and_defaults_are_filled_in() {
    assert_eq!(
        render("shipped", None, &[("name", text("Ada"))]).unwrap(),
        "Hello Ada, your 1 item left."
    );
    let all = [
        ("name", text("Ada")),
        ("count", Value::Integer(3)),
        ("note", text("Soon!")),
    ];
    assert_eq!(
        render("shipped", None, &all).unwrap(),
        "Hello Ada, your 3 items left. Soon!"
    );
}

#[test]
fn the_locale_falls_back_to_the_language_and_then_to_the_default() {
    for (locale, want) in [
        ("de-AT", "Servus"),
        ("de-CH", "Hallo"),
        ("de", "Hallo"),
        ("fr-FR", "Hello"),
        ("", "Hello"),
        ("en-US", "Hello"),
    ] {
        let body = render("shipped", Some(locale), &[("name", text("Ada"))]).unwrap();
        assert!(body.starts_with(want), "{locale}: {body}");
    }
}

#[test]
fn json_can_be_looped_over() {
    let items = Value::Json(r#"[{"name":"Pen","price":1.5},{"name":"*Ink*","price":2}]"#.into());
    let body = render(
        "receipt",
        None,
        &[
            ("items", items),
            ("paid", Value::Boolean(true)),
            ("total", Value::Number(3.5)),
        ],
    )
    .unwrap();
    assert_eq!(
        body.replace('\u{2060}', "|"),
        "1. Pen: 1.5\n2. ||*|Ink|*|: 2\nPaid: true 3.5"
    );
}

#[test]
fn a_whole_number_above_64_bits_with_sign_keeps_its_digits() {
    let large = u64::MAX.to_string();
    let order = ("count", Value::Json(large.clone()));
    let body = render("shipped", None, &[("name", text("Ada")), order]).unwrap();
    assert_eq!(body, format!("Hello Ada, your {large} items left."));
    let none = ("items", Value::Json("[]".into()));
    let total = ("total", Value::Json(large.clone()));
    let body = render("receipt", None, &[none, total]).unwrap();
    assert_eq!(body, format!("Paid: false {large}"));
    for other in ["\"3\"", "[3]", "1.5", "null"] {
        let count = ("count", Value::Json(other.into()));
        assert!(
            matches!(
                render("shipped", None, &[("name", text("Ada")), count]),
                Err(RenderError::BadVariable { .. })
            ),
            "{other}"
        );
    }
}

#[test]
fn values_cannot_format_the_message() {
    let body = render("echo", None, &[("text", text("*bold* {{ name }}"))]).unwrap();
    assert_eq!(
        body.replace('\u{2060}', "|"),
        "||*|bold|*| {{ name }}",
        "and are no template themselves"
    );
}

#[test]
fn callers_are_told_what_to_change() {
    let bad = |name: &str, reason: &str| {
        Err(RenderError::BadVariable {
            name: name.into(),
            reason: reason.into(),
        })
    };
    let name = ("name", text("Ada"));
    assert_eq!(
        render("nothing", None, &[]),
        Err(RenderError::UnknownTemplate("nothing".into()))
    );
    assert_eq!(
        render("shipped", None, &[]),
        Err(RenderError::MissingVariable("name".into()))
    );
    assert_eq!(
        render("shipped", None, &[("nome", text("Ada"))]),
        bad(
            "nome",
            "the template has no such variable; it has: count, name, note"
        )
    );
    assert_eq!(
        render("shipped", None, &[name.clone(), ("count", text("3"))]),
        bad("count", "must be a whole number")
    );
    assert_eq!(
        render("shipped", None, &[name, ("count", Value::Number(1.0))]),
        bad("count", "must be a whole number")
    );
    assert_eq!(
        render("shipped", None, &[("name", Value::Boolean(true))]),
        bad("name", "must be text")
    );
    assert_eq!(
        render("shipped", None, &[("name", text(&"a".repeat(21)))]),
        bad("name", "has 21 characters, more than the 20 allowed")
    );
    let items = ("items", Value::Json("[]".into()));
    assert_eq!(
        render(
            "receipt",
            None,
            &[items.clone(), ("total", Value::Number(f64::NAN))]
        ),
        bad("total", "must be a number")
    );
    assert_eq!(
        render("receipt", None, &[items, ("paid", Value::Integer(1))]),
        bad("paid", "must be true or false")
    );
    assert!(matches!(
        render("receipt", None, &[("items", Value::Json("[".into()))]),
        Err(RenderError::BadVariable { .. })
    ));
}

#[test]
fn what_json_does_not_hold_is_an_error_and_not_a_gap() {
    let answer = render(
        "receipt",
        None,
        &[("items", Value::Json(r#"[{"name":"Pen"}]"#.into()))],
    );
    assert!(
        matches!(&answer, Err(RenderError::Failed(Error::InvalidInput(why))) if why.contains("receipt/en")),
        "{answer:?}"
    );
    let body = render(
        "receipt",
        None,
        &[("items", Value::Json(r#"[{"name":null,"price":1}]"#.into()))],
    )
    .unwrap();
    assert!(body.starts_with("1. : 1\n"), "null is nothing: {body}");
}

#[test]
fn the_outcome_has_text_and_is_not_too_long() {
    for value in ["", " \n "] {
        assert!(
            matches!(
                render("echo", None, &[("text", text(value))]),
                Err(RenderError::Failed(Error::InvalidInput(_)))
            ),
            "{value:?}"
        );
    }
    assert_eq!(
        render("echo", None, &[("text", text("a \n"))]).unwrap(),
        "a"
    );
    assert!(render("echo", None, &[("text", text(&"a".repeat(200)))]).is_ok());
    let answer = render("echo", None, &[("text", text(&"a".repeat(201)))]);
    assert!(
        matches!(&answer, Err(RenderError::Failed(Error::InvalidInput(why))) if why.contains("201")),
        "{answer:?}"
    );
}

#[test]
fn templates_are_listed_with_the_default_locale_first() {
    let templates = shop().templates();
    let shipped = templates
        .iter()
        .find(|template| template.name == "shipped")
        .unwrap();
    assert_eq!(shipped.locales, ["en", "de", "de-AT"]);
    let variables: Vec<_> = shipped
        .variables
        .iter()
        .map(|variable| (variable.name.as_str(), variable.kind, variable.required))
        .collect();
    assert_eq!(
        variables,
        [
            ("count", VariableKind::Integer, false),
            ("name", VariableKind::Text, true),
            ("note", VariableKind::Text, false)
        ]
    );
}

#[test]
fn every_mistake_in_a_template_is_an_issue_at_its_place() {
    let found = issues(json!({
        "a/b": {"bodies": {"en": "{{ name", "de": "{{ nome }} {{ range(2) }}"}, "variables": {"name": {"kind": "text"}}},
        "c": {"bodies": {"en": "{{ x|nofilter }}"}, "variables": {"x": {"kind": "text"}}},
    }));
    let places: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        places,
        [
            "/templates/a~1b/bodies/de",
            "/templates/a~1b/bodies/en",
            "/templates/c/bodies/en"
        ]
    );
    assert_eq!(
        found[0].1,
        "uses \"nome\", which is none of the template's variables"
    );
}

#[test]
fn what_the_schema_cannot_say_is_checked() {
    assert_eq!(
        paths(json!({"a": {"bodies": {"de": "x"}}})),
        ["/templates/a/bodies"],
        "no default locale"
    );
    assert_eq!(
        paths(json!({"a": {"bodies": {"en": "x", "de_AT": "y"}}})),
        ["/templates/a/bodies/de_AT"]
    );
    let variable = |variable: serde_json::Value| {
        paths(json!({"a": {"bodies": {"en": "x"}, "variables": {"v": variable}}}))
    };
    assert_eq!(
        variable(json!({"kind": "integer", "default": "1"})),
        ["/templates/a/variables/v/default"]
    );
    assert_eq!(
        variable(json!({"kind": "text", "default": "1", "required": true})),
        ["/templates/a/variables/v/default"]
    );
    assert_eq!(
        variable(json!({"kind": "text", "default": "abc", "max_length": 2})),
        ["/templates/a/variables/v/default"]
    );
    assert_eq!(
        variable(json!({"kind": "json", "max_length": 2})),
        ["/templates/a/variables/v/max_length"]
    );
    assert_eq!(variable(json!({"kind": "date"})).len(), 1);
}
