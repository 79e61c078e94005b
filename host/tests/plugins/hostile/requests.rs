//! The guest `reach`: requests to where nobody granted them, and to servers that misbehave.

use super::{Attack, Section, run_apart};
use crate::web::Web;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_reach_what_is_granted_and_cost_what_is_allowed() {
    let web = Web::start().await;
    let (origin, port) = (web.origin(), web.port());
    let attacks = [refused(), made()]
        .concat()
        .into_iter()
        .map(|attack| Attack {
            settings: attack
                .settings
                .replace("ORIGIN", &origin)
                .replace("PORT", &port.to_string()),
            ..attack
        });
    run_apart(Section::Requests, "reach", attacks.collect()).await;
}

fn attack(does: impl Into<String>, stopped_by: &'static str, grants: &str, config: &str) -> Attack {
    let attack = Attack::of_file("reach", does, stopped_by);
    attack.with(&format!(
        "grants = {{ {grants} }}\nconfig = {{ what = \"http\", {config} }}"
    ))
}

/// Spellings of addresses in private networks. Nothing listens on the port.
const PRIVATE: [(&str, &str); 15] = [
    ("127.0.0.1", "this machine"),
    ("127.1", "this machine, in short"),
    ("2130706433", "this machine, as one number"),
    ("0x7f000001", "this machine, in hexadecimal"),
    ("0177.0.0.1", "this machine, in octal"),
    ("127.0.0.1.", "this machine, with a dot at the end"),
    ("localhost", "this machine, by a name that resolves to it"),
    ("[::1]", "this machine in IPv6"),
    (
        "[::ffff:127.0.0.1]",
        "this machine, as an IPv4-mapped address",
    ),
    ("[64:ff9b::7f00:1]", "this machine, through NAT64"),
    ("[2002:7f00:1::]", "this machine, through 6to4"),
    ("0.0.0.0", "this machine, by the address of no host"),
    ("169.254.169.254", "a cloud's metadata service"),
    ("[fd00:ec2::254]", "a cloud's metadata service in IPv6"),
    ("100.64.0.1", "a network of the carrier"),
];

fn refused() -> Vec<Attack> {
    let granted = "each request is compared with `grants.http` by scheme, host and port";
    let private = "addresses in private networks need `http_private`";
    let mut attacks: Vec<Attack> = PRIVATE
        .iter()
        .map(|(host, what)| {
            let origin = format!("http://{host}:9");
            let does = format!("calls {what}: `{host}`");
            let attack = attack(
                does,
                private,
                &format!("http = [\"{origin}\"]"),
                &format!("url = \"{origin}/\""),
            );
            attack.rejects("seen", "PrivateAddress(")
        })
        .collect();
    let hooks = "http = [\"https://granted.example\"], http_private = true";
    let one = |does: &str, url: &str, words| {
        attack(does, granted, hooks, &format!("url = \"{url}\"")).rejects("seen", words)
    };
    attacks.extend([
        attack(
            "calls an origin without any grant",
            granted,
            "",
            "url = \"http://127.0.0.1:9/ok\"",
        )
        .rejects("seen", "NotGranted("),
        one(
            "calls a granted host with another port",
            "https://granted.example:8443/",
            "NotGranted(",
        ),
        one(
            "calls a granted host without TLS",
            "http://granted.example/",
            "NotGranted(",
        ),
        one(
            "calls a host whose name begins with that of a granted one",
            "https://granted.example.evil.example/",
            "NotGranted(",
        ),
        one(
            "puts a granted host before an `@`",
            "https://granted.example@127.0.0.1:9/",
            "",
        ),
        one(
            "puts a granted host before a backslash and an `@`",
            "https://granted.example\\\\@127.0.0.1:9/",
            "",
        ),
        one(
            "puts line ends and a header into the path",
            "https://granted.example/\\r\\nhost: evil.example",
            "",
        ),
        one("reads a file by its URL", "file:///etc/passwd", ""),
        one("speaks another protocol", "gopher://granted.example/1", ""),
    ]);
    attacks
}

fn made() -> Vec<Attack> {
    let grants = "http = [\"ORIGIN\"], http_private = true";
    let limits = "the limits of requests";
    let answers = "the limits of answers: 1 MiB, 32 KiB of headers";
    let time = "the time of the call";
    let many: String = (0..101).map(|n| format!("x-{n} = \"v\", ")).collect();
    let call = |does: &str, stopped_by, config: &str, words| {
        attack(does, stopped_by, grants, config).rejects("seen", words)
    };
    let short = |attack: Attack| attack.with_time("1s");
    vec![
        call(
            "follows a redirect to somewhere else",
            "no redirect is followed",
            "url = \"ORIGIN/redirect\"",
            "302 0",
        ),
        call(
            "makes fifty requests in one call",
            "the number of requests of a call (`http_requests`)",
            "url = \"ORIGIN/ok\", times = 50",
            "TooManyRequests",
        ),
        call(
            "sends a body of 3 MB",
            limits,
            "url = \"ORIGIN/length\", method = \"POST\", body = 3000000",
            "InvalidRequest(",
        ),
        call(
            "sends 101 headers",
            limits,
            &format!(
                "url = \"ORIGIN/ok\", headers = {{ {} }}",
                many.trim_end_matches(", ")
            ),
            "InvalidRequest(",
        ),
        call(
            "sets `Host`",
            "only the gateway sets it",
            "url = \"ORIGIN/host\", headers = { Host = \"internal.example\" }",
            "InvalidRequest(",
        ),
        call(
            "opens a tunnel with `CONNECT`",
            limits,
            "url = \"ORIGIN/ok\", method = \"CONNECT\"",
            "InvalidRequest(",
        ),
        call(
            "has headers echoed with `TRACE`",
            limits,
            "url = \"ORIGIN/ok\", method = \"TRACE\"",
            "InvalidRequest(",
        ),
        call(
            "asks for an answer that never ends",
            answers,
            "url = \"ORIGIN/endless\"",
            "TooLarge",
        ),
        call(
            "asks for an answer of more than 1 MiB",
            answers,
            "url = \"ORIGIN/large\"",
            "TooLarge",
        ),
        call(
            "asks for an answer with 40 KB of headers",
            answers,
            "url = \"ORIGIN/headers\"",
            "TooLarge",
        ),
        short(call(
            "asks for an answer that arrives one byte at a time",
            time,
            "url = \"ORIGIN/drip\"",
            "TimedOut",
        )),
        short(call(
            "asks for an answer that never comes",
            time,
            "url = \"ORIGIN/silent\"",
            "TimedOut",
        )),
        call(
            "asks for an answer that is no HTTP",
            "the client",
            "url = \"ORIGIN/no-http\"",
            "Unreachable(",
        ),
        call(
            "asks for an answer that breaks off",
            "an answer is read to its end before the plugin gets it",
            "url = \"ORIGIN/cut\"",
            "Unreachable(",
        ),
    ]
}
