//! Keeps the released lines of the contract as they were released.
//!
//! A plugin that was built for a line fits only the types that the line had then, and no compiler
//! sees a plugin that somebody else has built. So each file is compared by its digest, without
//! comments and blank lines, which may change.

use std::{collections::BTreeMap, fs, path::Path};

use crate::plugins::check::digest;

/// The files of each released line. A line is added with the first release that has it; until then
/// it may still change.
const FROZEN: [(&str, [(&str, &str); 8]); 1] = [(
    "v0.1",
    [
        (
            "calls.wit",
            "d076cbc22dfb02cfafaa19c873d2f53a4604a84d359a59a09397218252b1ece0",
        ),
        (
            "event-notification.wit",
            "0b70abe50c2f93b1f77a72597862b4dc23cb4da19cca4e14a151d9a54d28181d",
        ),
        (
            "host.wit",
            "57ddbefd638de936271252d38f8c7f083220e764849a7364306afc2d2ebdc549",
        ),
        (
            "lifecycle.wit",
            "31d4b3576314fd055a884b0e4706c17adb6aa8d80650677460c826d73390674c",
        ),
        (
            "message-templating.wit",
            "58572d7f1a61cdbb6c52b9ffa6a5c5ce283886f8a897c9b7b9366726fa480ace",
        ),
        (
            "messages.wit",
            "19f24175f4f272b2f84daa18e0b7edff12322ec18541fd0990187a70aff5dc76",
        ),
        (
            "package.wit",
            "ba9765d7ab303e53596e2c12434c6370792d3b2262496764a04750f57f417fbb",
        ),
        (
            "send-validation.wit",
            "8ed56a833ae7477b41d8bc3830144f90d646eeba5266673f8ce45be326eecffc",
        ),
    ],
)];

/// What a component is compared with: the text without comments and blank lines.
fn essence(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn no_released_line_has_changed() {
    for (line, files) in FROZEN {
        let folder = Path::new("../wit").join(line);
        let now: BTreeMap<String, String> = fs::read_dir(&folder)
            .expect(line)
            .map(|entry| {
                let path = entry.expect("an entry").path();
                let name = path.file_name().expect("a name").to_string_lossy();
                let text = fs::read_to_string(&path).expect("text");
                (name.into_owned(), digest(essence(&text).as_bytes()))
            })
            .collect();
        let released: BTreeMap<String, String> = files
            .iter()
            .map(|(name, digest)| ((*name).to_owned(), (*digest).to_owned()))
            .collect();
        assert_eq!(
            now, released,
            "wit/{line} differs from what was released. Plugins that operators have were built for it: put the types back. A function of `log`, `kv` or `secrets`, or a file with a new interface and its world, may be added within a line: then change the digest here. Anything else needs a new line: wit/README.md says how"
        );
    }
}

#[test]
fn a_comment_is_no_change_and_a_field_is_one() {
    let record = "record a {\n  b: string,\n}\n";
    assert_eq!(
        essence(record),
        essence("/// A.\n\nrecord a {\n    b: string, // c\n}\n")
    );
    assert_ne!(
        essence(record),
        essence("record a {\n  b: string,\n  c: string,\n}\n")
    );
}
