//! The files that a project has in every language: the manifest, a `gateway.toml`, test cases, an
//! input for `wharf plugin run`, the README and `.gitignore`.

use super::plan::{Files, Project};
use crate::{
    cli::{Language, Point},
    workbench::{building, project::MANIFEST},
};

/// A rejected and an allowed message, a template and an event, with the answers.
const CASES: [(Point, &str, &str); 4] = [
    (
        Point::Validator,
        "a-banned-word-is-rejected.toml",
        r#"[[step]]
input = { to = "+4915123456789", text = "You won the lottery!" }
expect = { verdict = "reject", code = "banned_word" }
"#,
    ),
    (
        Point::Validator,
        "a-greeting-is-allowed.toml",
        r#"[[step]]
input = { to = "+4915123456789", text = "Good morning" }
expect = { verdict = "allow" }
"#,
    ),
    (
        Point::Templater,
        "a-greeting-is-rendered.toml",
        r#"[[step]]
input = { to = "+4915123456789", template = "greeting", variables = { name = "Ada" } }
expect = { content = { kind = "text", text = "Hello Ada!" } }

[[step]]
input = { to = "+4915123456789", template = "greeting" }
expect = { error = "missing_variable" }
"#,
    ),
    (
        Point::Notifier,
        "a-message-is-reported.toml",
        r#"[[step]]
expect = { interested = true, targets = [{ target = "service", judgement = "delivered", request = { method = "POST", body = { text = "Hello" } } }] }

[step.input]
answer = { status = 204 }

[step.input.event]
type = "message.received"
id = "3EB0C767D26A1B2E4F0A"
chat = { chat = "4915123456789@c.us" }
sender = { chat = "4915123456789@c.us" }
from_me = false
sent_at = 1767225600000
content = { kind = "text", body = "Hello" }
"#,
    ),
];

pub(super) fn files(project: &Project, language: Language) -> Files {
    let mut files = vec![
        (MANIFEST.to_owned(), manifest(project, language)),
        ("gateway.toml".to_owned(), gateway(project)),
        ("README.md".to_owned(), readme(project, language)),
        (".gitignore".to_owned(), ignored(language)),
    ];
    for (point, name, text) in CASES {
        if project.has(point) {
            files.push((format!("tests/cases/{name}"), text.to_owned()));
        }
    }
    if project.has(Point::Validator) {
        let input = "{\"to\": \"+4915123456789\", \"text\": \"You won the lottery!\"}\n";
        files.push(("message.json".to_owned(), input.to_owned()));
    }
    files
}

/// The command that has to be run once in a new project.
pub(super) fn setup(language: Language) -> Option<&'static str> {
    match language {
        Language::Rust => None,
        Language::Python => Some(building::PYTHON_SETUP),
        Language::Javascript => Some(building::JAVASCRIPT_SETUP),
    }
}

fn manifest(project: &Project, language: Language) -> String {
    let language = match language {
        Language::Rust => "rust",
        Language::Python => "python",
        Language::Javascript => "javascript",
    };
    format!(
        "# Read by `wharf plugin build` and `wharf plugin test`.\nname = \"{}\"\nlanguage = \"{language}\"\n",
        project.name
    )
}

fn gateway(project: &Project) -> String {
    let (mut config, mut grants) = (Vec::new(), "");
    if project.has(Point::Validator) {
        config.push("words = [\"lottery\"]");
    }
    if project.has(Point::Notifier) {
        config.push("url = \"https://example.org/messages\"");
        grants = "grants = { http = [\"https://example.org\"] }\n";
    }
    let config = match config.as_slice() {
        [] => String::new(),
        keys => format!("config = {{ {} }}\n", keys.join(", ")),
    };
    format!(
        "# Read by `wharf plugin test`. `wharf --config gateway.toml` runs a gateway with it.\n[plugins]\ndir = \"build\"\n\n[[plugin]]\nname = \"{}\"\n{config}{grants}",
        project.name
    )
}

fn ignored(language: Language) -> String {
    let own = match language {
        Language::Rust => "/target\n",
        Language::Python => "/.venv\n__pycache__\n",
        Language::Javascript => "/node_modules\n",
    };
    format!("/build\n/whatsapp-session\n{own}")
}

fn readme(project: &Project, language: Language) -> String {
    let Project { name, .. } = project;
    let setup = setup(language).map_or_else(String::new, |command| format!("{command}\n"));
    let run = if project.has(Point::Validator) {
        format!("wharf plugin run build/{name}.wasm --config gateway.toml --input message.json\n")
    } else {
        String::new()
    };
    format!(
        "# {name}\n\n{}\n\n```sh\n{setup}wharf plugin build                  # build/{name}.wasm\nwharf plugin test                   # the cases in tests/cases\nwharf plugin inspect build/{name}.wasm\n{run}```\n\nTo install it, copy `build/{name}.wasm` into the plugin folder of a gateway, and add the `[[plugin]]` entry of `gateway.toml` to the gateway's own file.\n",
        project.summary()
    )
}
