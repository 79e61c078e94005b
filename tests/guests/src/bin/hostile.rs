//! A validator that attacks the gateway through what it may import, as its config says: `{"attack":
//! "…"}`. It answers with a rejection whose code is `seen` and whose reason is how far it got, unless
//! the call ends before.

#[cfg(target_family = "wasm")]
mod guest {
    use std::{
        hint::black_box,
        net::ToSocketAddrs,
        time::{Duration, Instant, SystemTime},
    };

    use wasip2::{
        cli::{environment, exit, stderr, stdin, stdout, terminal_stdin},
        clocks::monotonic_clock,
        filesystem::preopens,
        http::types::{Fields, Method, OutgoingBody, OutgoingRequest, Scheme},
        io::poll,
        random::{insecure, random},
        sockets::{
            instance_network, ip_name_lookup, network::IpAddressFamily, tcp_create_socket,
            udp_create_socket,
        },
    };
    use wharf_plugin::prelude::*;

    /// A line of the gateway, with a colour and a right-to-left override.
    const FORGED: &str = "\r\n2026-01-01T00:00:00Z  INFO wharf: all is well\u{1b}[31m\u{202e}";

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        attack: String,
    }

    #[derive(Debug)]
    struct Hostile(Config);

    impl Plugin for Hostile {
        const INFO: Info = Info::new("hostile", "0.0.1", "attacks the gateway");
        type Config = Config;

        fn new(config: Config) -> Result<Self, ConfigIssues> {
            // While the plugin is loaded, nothing is granted.
            if config.attack == "fickle" && kv::get("k").is_ok() {
                return Err(ConfigIssues::one("/attack", "it is another one now"));
            }
            Ok(Self(config))
        }
    }

    impl Validator for Hostile {
        fn validate(&self, _: &CallContext, message: &OutboundMessage) -> Result<Verdict, Error> {
            let seen = match self.0.attack.as_str() {
                "recipient" | "location" | "reply" | "metadata" => {
                    return Ok(Verdict::Modify(changed(&self.0.attack, message.clone())));
                }
                attack => attacked(attack),
            };
            Ok(Rejection::new("seen", seen).into())
        }
    }

    fn changed(how: &str, mut message: OutboundMessage) -> OutboundMessage {
        match how {
            "recipient" => message.to.lid = Some("1@lid".into()),
            "location" => {
                message.content = Content::Location(Location::new(f64::NAN, f64::INFINITY));
            }
            "reply" => message.reply_to = Some("3EB0\r\nx".into()),
            _ => message.metadata = vec![("k".into(), "v".into()); 10_000],
        }
        message
    }

    fn attacked(attack: &str) -> String {
        match attack {
            "fickle" => "it accepted its config".into(),
            "tcp" => count(1000, || {
                tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4)
            }),
            "udp" => count(1000, || {
                udp_create_socket::create_udp_socket(IpAddressFamily::Ipv6)
            }),
            "lookup" => {
                let network = instance_network::instance_network();
                let asked = ip_name_lookup::resolve_addresses(&network, "localhost");
                let by_name = ("metadata.google.internal", 80).to_socket_addrs();
                format!("{:?} {}", asked.err(), by_name.is_ok())
            }
            "files" => format!(
                "{} folders, {:?}",
                preopens::get_directories().len(),
                std::fs::read("/proc/self/environ")
                    .err()
                    .map(|error| error.kind())
            ),
            "environment" => format!(
                "{} variables, {} arguments, {:?}, {}",
                environment::get_environment().len(),
                environment::get_arguments().len(),
                environment::initial_cwd(),
                if terminal_stdin::get_terminal_stdin().is_some() {
                    "a terminal"
                } else {
                    "no terminal"
                }
            ),
            "exit" => {
                exit::exit(Ok(()));
                String::new()
            }
            "exit-code" => {
                std::process::exit(101);
            }
            "stdin" => format!("{:?}", stdin::get_stdin().blocking_read(u64::MAX)),
            "zeroes" => format!("{:?}", stdout::get_stdout().write_zeroes(u64::MAX)),
            "unasked-write" => format!("{:?}", stderr::get_stderr().write(&[b'x'; 1 << 20])),
            "stderr" => {
                for _ in 0..400 {
                    eprintln!("{}{FORGED}", "e".repeat(1000));
                }
                "written".into()
            }
            "random" => random::get_random_bytes(1 << 40).len().to_string(),
            "insecure-random" => insecure::get_insecure_random_bytes(u64::MAX)
                .len()
                .to_string(),
            "clock" => {
                let (began, now) = (Instant::now(), SystemTime::now());
                for _ in 0..100_000 {
                    black_box(0);
                }
                format!("{:?} {}", began.elapsed(), SystemTime::now() == now)
            }
            "threads" => format!("{}", std::thread::Builder::new().spawn(|| ()).is_ok()),
            "never" => {
                monotonic_clock::subscribe_instant(u64::MAX).block();
                "woke up".into()
            }
            "sleep" => {
                std::thread::sleep(Duration::from_secs(3600));
                "woke up".into()
            }
            "poll-nothing" => format!("{:?}", poll::poll(&[])),
            "poll-many" => {
                let timers: Vec<_> = (0..400)
                    .map(|_| monotonic_clock::subscribe_duration(u64::MAX))
                    .collect();
                format!("{:?}", poll::poll(&timers.iter().collect::<Vec<_>>()))
            }
            "poll-busy" => {
                let ready = monotonic_clock::subscribe_duration(0);
                loop {
                    ready.block();
                }
            }
            "handles" => {
                let timers: Vec<_> = (0..5000).map(monotonic_clock::subscribe_duration).collect();
                timers.len().to_string()
            }
            "allocate" => vec![1_u8; black_box(1 << 30)].len().to_string(),
            "log" | "log-megabyte" | "log-fields" => logged(attack),
            "headers" | "headers-held" | "bodies" | "bad-headers" | "framing" => requests(attack),
            attack => stored(attack),
        }
    }

    /// How many of them can be made, and why no more.
    fn count<T, E: std::fmt::Debug>(most: usize, make: impl Fn() -> Result<T, E>) -> String {
        let mut made = vec![];
        while made.len() < most {
            match make() {
                Ok(one) => made.push(one),
                Err(error) => return format!("{} made, then {error:?}", made.len()),
            }
        }
        format!("{} made", made.len())
    }

    fn logged(attack: &str) -> String {
        match attack {
            "log" => (0..20_000)
                .for_each(|_| log::info(FORGED, &[("level", "error"), ("plugin", "webhook")])),
            "log-megabyte" => log::error(&"\u{202e}\n".repeat(400_000), &[]),
            _ => log::warn("fields", &vec![(FORGED, FORGED); 10_000]),
        }
        "logged".into()
    }

    fn begun() -> OutgoingRequest {
        let request = OutgoingRequest::new(Fields::new());
        let _ = request.set_method(&Method::Post);
        let _ = request.set_scheme(Some(&Scheme::Http));
        request
    }

    fn requests(attack: &str) -> String {
        match attack {
            // In one list of headers, and in as many lists as can be held.
            "headers" | "headers-held" => {
                let (lists, headers) = if attack == "headers" {
                    (1, 1000)
                } else {
                    (2000, 14)
                };
                let value = vec![b'v'; 4096];
                let mut held = vec![];
                for _ in 0..lists {
                    let fields = Fields::new();
                    let taken = (0..headers)
                        .take_while(|n| fields.append(&format!("x-{n}"), &value).is_ok())
                        .count();
                    held.push((fields, taken));
                }
                let taken: usize = held.iter().map(|(_, taken)| taken).sum();
                format!("{} KiB", taken * 4)
            }
            // As much of a body as is taken before the request is made.
            "bodies" => {
                let mut held = vec![];
                let mut taken = 0;
                for _ in 0..300 {
                    let request = begun();
                    let Ok(body) = request.body() else { break };
                    let Ok(stream) = body.write() else { break };
                    while let Ok(room @ 1..) = stream.check_write() {
                        let part = vec![b'b'; usize::try_from(room).unwrap_or(0).min(1 << 20)];
                        if stream.write(&part).is_err() {
                            break;
                        }
                        taken += part.len();
                    }
                    held.push((stream, body, request));
                }
                let all = format!("{} bodies with {} KiB", held.len(), taken >> 10);
                for (stream, body, _) in held {
                    drop(stream);
                    let _ = OutgoingBody::finish(body, None);
                }
                all
            }
            "bad-headers" => {
                let fields = Fields::new();
                let refused = [
                    ("x-a", "one\r\nhost: other"),
                    ("x-a\r\nx-b", "one"),
                    ("", "one"),
                    (":authority", "other"),
                    ("x\u{0}", "one"),
                    ("x-a", "\u{0}"),
                ]
                .iter()
                .filter(|(name, value)| fields.append(name, value.as_bytes()).is_err())
                .count();
                format!("{refused} of 6 refused")
            }
            _ => {
                let fields = Fields::new();
                let names = [
                    "Host",
                    "Transfer-Encoding",
                    "Connection",
                    "Upgrade",
                    "Keep-Alive",
                    "Proxy-Authorization",
                    "TE",
                    "Trailer",
                    "Expect",
                ];
                let refused = names
                    .iter()
                    .filter(|name| fields.append(name, b"v").is_err())
                    .count();
                format!("{refused} of {} refused", names.len())
            }
        }
    }

    fn stored(attack: &str) -> String {
        let failed = |error: kv::Error| format!("{error:?}");
        match attack {
            "kv-full" => {
                let value = vec![0; 1 << 16];
                let error = (0..1000).find_map(|n| kv::set(&format!("k{n}"), &value, None).err());
                format!("{error:?}")
            }
            "kv-large" => [
                kv::set("k", &vec![0; (1 << 20) + 1], None).err(),
                kv::set(&"k".repeat(513), b"v", None).err(),
                kv::set("", b"v", None).err(),
            ]
            .map(|error| format!("{error:?}"))
            .join(" "),
            "kv-long-keys" => {
                let key = "k".repeat(1_000_000);
                let read = (0..20)
                    .filter(|n| kv::get(&format!("{n}{key}")).is_ok_and(|found| found.is_none()));
                format!("{} absent", read.count())
            }
            "kv-times" => {
                let forever = kv::set("forever", b"v", Some(Duration::from_millis(u64::MAX)));
                let gone = kv::set("gone", b"v", Some(Duration::ZERO));
                let there = |key| kv::get(key).is_ok_and(|found| found.is_some());
                format!(
                    "{forever:?} {} {gone:?} {}",
                    there("forever"),
                    there("gone")
                )
            }
            "kv-list" => {
                for n in 0..20 {
                    if let Err(error) = kv::set(&format!("list/{n}"), b"", None) {
                        return failed(error);
                    }
                }
                match kv::list_keys("list/", None, u32::MAX) {
                    Ok(keys) => format!("{} keys", keys.len()),
                    Err(error) => failed(error),
                }
            }
            "kv-wildcards" => {
                let wrote = kv::set("a", b"v", None).and(kv::set("b\u{0}c", b"v", None));
                let listed = |prefix| kv::list_keys(prefix, None, 10).map_or(9, |keys| keys.len());
                format!(
                    "{wrote:?} {:?}",
                    ["%", "_", "*", "' OR 1=1 --", "b\u{0}", "\u{10ffff}"].map(listed)
                )
            }
            "kv-others" => {
                let keys = kv::list_keys("", Some(""), 1000);
                format!("{keys:?} {:?}", kv::get("../good/default/k"))
            }
            "secrets" => {
                let names = [
                    "HOME",
                    "PATH",
                    "",
                    "WHARF_API_KEY",
                    "wharf_test_secret",
                    "WHARF_TEST_SECRET\0",
                    "*",
                ];
                let known = names
                    .iter()
                    .filter(|name| secrets::get(name).is_some())
                    .count();
                format!("{known} of {}", names.len())
            }
            other => format!("there is no attack {other:?}"),
        }
    }

    wharf_plugin::export!(Hostile: validator);
}

fn main() {}
