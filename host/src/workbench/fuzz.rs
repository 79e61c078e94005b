//! Fuzzing of test cases and of the inputs in them.

use std::fs;

use super::{case::Case, input::Input};
use crate::{fuzz, model::ClientId};

#[test]
fn any_case_is_read_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let words = [
        "[[step]]\n",
        "input = { to = \"+4915123456789\", text = \"hi\" }\n",
        "expect = { verdict = \"allow\" }\n",
        "event = { type = \"message.received\" }",
        "template = \"a\"",
        "variables = { n = 9e999 }",
        "now = \"2026-01-01T00:00:00Z\"\n",
        "nan",
        "0001-01-01",
    ];
    let session: ClientId = "default".parse().expect("a client id");
    fuzz::run("case", &words, |input| {
        let extension = if input.first() == Some(&b'{') {
            "json"
        } else {
            "toml"
        };
        let file = folder.path().join(format!("case.{extension}"));
        fs::write(&file, input).map_err(|error| error.to_string())?;
        match Case::read(&file) {
            Err(reason) if reason.is_empty() => Err("it is refused without a reason".into()),
            Err(_) => Ok(()),
            Ok(case) => {
                for step in &case.steps {
                    if let Err(reason) = Input::read(&step.input, &session)
                        && reason.is_empty()
                    {
                        return Err("an input is refused without a reason".into());
                    }
                }
                Ok(())
            }
        }
    });
}
