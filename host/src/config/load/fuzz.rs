//! Fuzzing of `gateway.toml`.

use super::*;
use crate::fuzz;

#[test]
fn any_gateway_toml_is_read_or_refused_with_its_line() {
    let words = [
        "[[plugin]]\nname = \"a\"\n",
        "[sessions]\n",
        "= \"1h\"",
        "= \"1MiB\"",
        "= -1",
        "= 99999999999999999999",
        "= 1979-05-27T07:32:00Z",
        "\"\"\"",
        "\r\n",
        "ä",
        "{ a = [",
    ];
    fuzz::run("gateway-toml", &words, |input| {
        let text = String::from_utf8_lossy(input);
        match parse("gateway.toml", &text) {
            Ok(config) => {
                let mut errors = Vec::new();
                check(&config, &mut errors);
                match errors.iter().find(|error| error.is_empty()) {
                    Some(_) => Err("a rule is broken, and nothing is said of it".into()),
                    None => Ok(()),
                }
            }
            Err(errors) => {
                let said = errors.to_string();
                let line = said
                    .strip_prefix("gateway.toml:")
                    .and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
                match line {
                    Some(line) if (1..=text.matches('\n').count() + 1).contains(&line) => Ok(()),
                    _ => Err(format!("the error names no line of the file: {said}")),
                }
            }
        }
    });
}
