//! The checks of a plugin before it is called. Each says what is wrong and what would be right.

use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};
use wasmtime::{
    Engine,
    component::{Component, InstancePre},
};

use super::{
    host_state::HostState,
    lines::Line,
    points::{
        self,
        point::{ExportedPoints, Setting},
    },
};
use crate::{config, egress::HttpGrant, model::ClientId};

/// The most bytes of a `.wasm` file. An interpreter with its library has about forty million.
pub(super) const MAX_FILE: u64 = 64 << 20;
/// The most functions of a component. An interpreter with its library has about thirty thousand.
const MAX_FUNCTIONS: u32 = 80_000;
/// The most HTTP requests that one call may be allowed.
const MAX_HTTP_REQUESTS: u32 = 100;
const PACKAGE: &str = "wharf:plugin/";
/// The interface that every plugin exports.
pub(super) const LIFECYCLE: &str = "lifecycle";
/// Interfaces without functions, which an author's tools may export beside the extension points.
const TYPES: [&str; 2] = ["calls", "messages"];

pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// `sessions` names only ids that a session can have. For any other the plugin would never be
/// called, and nothing would say so.
pub(super) fn sessions(entry: &config::Plugin) -> Result<(), String> {
    if entry.sessions.is_empty() {
        return Err(
            "`sessions` names nobody; leave it out for all, or say `enabled = false`".into(),
        );
    }
    match entry
        .sessions
        .iter()
        .find(|name| *name != "*" && name.parse::<ClientId>().is_err())
    {
        Some(name) => Err(format!(
            "`sessions` names {name:?}, which no session can be called; name client ids, or \"*\" for all"
        )),
        None => Ok(()),
    }
}

/// The file is the one that the operator pinned.
pub(super) fn pin(entry: &config::Plugin, component: &str) -> Result<(), String> {
    match &entry.sha256 {
        Some(wanted) if !wanted.eq_ignore_ascii_case(component) => Err(format!(
            "the file's SHA-256 is {component}, but `sha256` says {wanted}; build that version, or change the pin after a look at the file"
        )),
        _ => Ok(()),
    }
}

/// The file is a component, and not a core module, text or anything else.
pub(super) fn is_component(bytes: &[u8]) -> Result<(), String> {
    match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', ..] => Err(
            "it is a core module, not a component; build it for the target wasm32-wasip2".into(),
        ),
        _ => Err("it is not WebAssembly".into()),
    }
}

/// The interfaces of the package that a component exports, each once.
#[derive(Debug)]
pub(super) struct ExportedInterfaces {
    /// The line of the contract to which all of them belong.
    pub(super) line: Line,
    named: Vec<String>,
}

impl ExportedInterfaces {
    /// The extension points among them. A point that the component names and that lacks a function
    /// is a mistake of its author: if it were ignored, a validator without `validate` would let
    /// every message through.
    pub(super) fn points(
        &self,
        component: &InstancePre<HostState>,
    ) -> Result<ExportedPoints, String> {
        let exported = points::ALL
            .iter()
            .filter(|point| self.named.iter().any(|name| name == point.interface));
        let found = exported.map(|point| {
            let found = (point.find)(self.line, component);
            Ok((*point, complete(point.interface, found)?))
        });
        Ok(ExportedPoints::new(found.collect::<Result<_, String>>()?))
    }
}

/// The functions of an interface, all of which must be there.
pub(super) fn complete<T>(interface: &str, functions: wasmtime::Result<T>) -> Result<T, String> {
    functions.map_err(|error| format!("its {interface} is not whole: {error:#}"))
}

/// The settings of an entry that have an effect at some extension points only, and at none that the
/// plugin exports.
pub(super) fn unread_settings(entry: &config::Plugin, exported: &ExportedPoints) -> Vec<Setting> {
    let is_read = |setting: &Setting| {
        exported
            .points()
            .any(|point| point.settings.contains(setting))
    };
    Setting::ALL
        .into_iter()
        .filter(|setting| setting.is_set(entry) && !is_read(setting))
        .collect()
}

/// The component exports interfaces that this gateway calls, in versions that it works with, and
/// imports nothing that the gateway does not have.
pub(super) fn interfaces(
    engine: &Engine,
    component: &Component,
) -> Result<ExportedInterfaces, String> {
    let kind = component.component_type();
    let exports: Vec<String> = kind
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    let imports: Vec<String> = kind
        .imports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in &imports {
        versioned(name)?;
    }
    let exported = exported(&exports)?;
    let known = |name: &String| name.starts_with(PACKAGE) || name.starts_with("wasi:");
    match imports.iter().find(|name| !known(name)) {
        Some(name) => Err(format!(
            "it imports {name}, which this gateway does not provide"
        )),
        None => Ok(exported),
    }
}

/// The interfaces of the package among the exports of a component, all of one line.
fn exported(exports: &[String]) -> Result<ExportedInterfaces, String> {
    let mut named: Vec<Exported<'_>> = Vec::new();
    for name in exports {
        let Some(export) = versioned(name)? else {
            if name.starts_with(PACKAGE) {
                return Err(format!("it exports {name} without a version; {}", served()));
            }
            continue;
        };
        let Exported { interface, line } = export;
        if TYPES.contains(&interface) {
            continue;
        }
        let point = points::ALL
            .iter()
            .find(|point| point.interface == interface);
        if interface != LIFECYCLE && point.is_none() {
            return Err(format!(
                "it exports {name}, which this gateway never calls; there are {LIFECYCLE}, {}",
                points::names()
            ));
        }
        if let Some(point) = point.filter(|point| point.line > line) {
            return Err(format!(
                "it exports {name}, but line {line} of the contract has no {interface}: build it for line {} or a later one",
                point.line
            ));
        }
        if named.iter().any(|known| known.interface == interface) {
            return Err(format!(
                "it exports {PACKAGE}{interface} in two versions; one of them would never be called: build it for one line of the contract; {}",
                served()
            ));
        }
        named.push(export);
    }
    let line = one_line(&named)?;
    let named: Vec<String> = named
        .iter()
        .map(|export| export.interface.to_owned())
        .collect();
    let has = |interface: &str| named.iter().any(|name| name == interface);
    if !points::ALL.iter().any(|point| has(point.interface)) {
        return Err(format!(
            "it exports no extension point; there are {}",
            points::names()
        ));
    }
    Ok(ExportedInterfaces { line, named })
}

/// An interface of the package that a component exports or imports.
#[derive(Debug, Clone, Copy)]
struct Exported<'a> {
    interface: &'a str,
    line: Line,
}

/// The interface of the package that this is, if it has a version.
fn versioned(name: &str) -> Result<Option<Exported<'_>>, String> {
    let Some((interface, version)) = name
        .strip_prefix(PACKAGE)
        .and_then(|rest| rest.split_once('@'))
    else {
        return Ok(None);
    };
    match Line::of(version) {
        Some(line) => Ok(Some(Exported { interface, line })),
        None => Err(format!("it was built for {name}; {}", served())),
    }
}

/// The lines that this gateway serves, and what to do.
fn served() -> String {
    format!(
        "this gateway speaks {}: build it with the SDK of this gateway",
        Line::served()
    )
}

/// The line that all exports belong to. One plugin speaks one line: what it is reported to speak
/// would not be true of all of it otherwise.
fn one_line(exported: &[Exported<'_>]) -> Result<Line, String> {
    let lifecycle = exported.iter().find(|export| export.interface == LIFECYCLE);
    let line = lifecycle.map(|export| export.line).ok_or_else(|| {
        format!("it does not export {PACKAGE}{LIFECYCLE}, which every plugin must")
    })?;
    match exported.iter().find(|export| export.line != line) {
        None => Ok(line),
        Some(other) => Err(format!(
            "it exports {LIFECYCLE} of line {line} and {} of line {}; a plugin speaks one line of the contract: build all of it with one version of the SDK",
            other.interface, other.line
        )),
    }
}

/// The component is small enough to be compiled in an acceptable time.
///
/// One that is not well formed passes: the compiler describes its fault better.
pub(super) fn size(bytes: &[u8]) -> Result<(), String> {
    let mut functions: u32 = 0;
    for part in Parser::new(0).parse_all(bytes) {
        let Ok(part) = part else { return Ok(()) };
        if let Payload::FunctionSection(section) = part {
            functions = functions.saturating_add(section.count());
        }
        if functions > MAX_FUNCTIONS {
            return Err(format!(
                "it has more than {MAX_FUNCTIONS} functions, which take too long to compile; leave out what it does not use"
            ));
        }
    }
    Ok(())
}

/// The granted origins as `scheme://host:port`, with the port always given.
pub(super) fn http(grants: &config::Grants) -> Result<HttpGrant, String> {
    let origin = |text: &String| {
        let wrong = || {
            format!(
                "grants.http: {text:?} must be scheme://host or scheme://host:port, e.g. \"https://example.org\""
            )
        };
        let url = url::Url::parse(text).map_err(|_| wrong())?;
        let bare = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty();
        match (url.scheme(), url.host(), url.port_or_known_default()) {
            (scheme @ ("http" | "https"), Some(host), Some(port)) if bare => {
                Ok(format!("{scheme}://{host}:{port}"))
            }
            _ => Err(wrong()),
        }
    };
    Ok(HttpGrant {
        origins: grants
            .http
            .iter()
            .map(origin)
            .collect::<Result<_, String>>()?,
        private: grants.http_private,
    })
}

/// Whether a call may make as many requests as the entry says.
pub(super) fn http_requests(entry: &config::Plugin) -> Result<(), String> {
    if entry.http_requests > MAX_HTTP_REQUESTS {
        return Err(format!(
            "http_requests is {}; it must be 0 to {MAX_HTTP_REQUESTS}",
            entry.http_requests
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wasmtime::{Store, component::Instance};

    use super::*;
    use crate::plugins::points::point::{AnyExports, Exports};

    /// Exports that nobody calls.
    struct Uncalled;

    impl Exports for Uncalled {
        type Functions = ();

        fn load(&self, _: &mut Store<HostState>, _: &Instance) -> wasmtime::Result<()> {
            Ok(())
        }
    }

    fn exporting(interfaces: &[&str]) -> ExportedPoints {
        let exported = points::ALL
            .iter()
            .filter(|point| interfaces.contains(&point.interface));
        ExportedPoints::new(
            exported
                .map(|point| (*point, Arc::new(Uncalled) as Arc<dyn AnyExports>))
                .collect(),
        )
    }

    #[test]
    fn a_setting_is_unread_when_no_point_of_the_plugin_has_it() {
        let entry = |text: &str| {
            toml::from_str::<config::Plugin>(&format!("name = \"a\"\n{text}")).expect("an entry")
        };
        let (validator, notifier) = (
            exporting(&["send-validation"]),
            exporting(&["event-notification"]),
        );
        let both = exporting(&["send-validation", "event-notification"]);
        for (text, of_validator, of_notifier) in [
            ("", vec![], vec![]),
            (
                "mode = \"enforce\"\ntimeout = \"1s\"\ngrants.kv = \"1KiB\"",
                vec![],
                vec![],
            ),
            (
                "mode = \"monitor\"\non_error = \"allow\"\nmay_modify = true",
                vec![],
                vec![Setting::Mode, Setting::OnError, Setting::MayModify],
            ),
            (
                "grants = { http = [\"https://a.example\"], http_private = true, qr = true, bodies = true }",
                vec![Setting::Qr, Setting::Bodies],
                vec![],
            ),
        ] {
            assert_eq!(
                unread_settings(&entry(text), &validator),
                of_validator,
                "validator: {text}"
            );
            assert_eq!(
                unread_settings(&entry(text), &notifier),
                of_notifier,
                "notifier: {text}"
            );
            assert!(
                unread_settings(&entry(text), &both).is_empty(),
                "both: {text}"
            );
        }
    }

    #[test]
    fn the_interfaces_of_a_plugin_belong_to_one_line_that_is_served() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names
                .iter()
                .map(|name| {
                    name.strip_prefix("./")
                        .map_or_else(|| format!("{PACKAGE}{name}"), |foreign| foreign.to_owned())
                })
                .collect();
            exported(&names)
        };
        for (names, line) in [
            (
                &["lifecycle@0.1.0", "send-validation@0.1.4", "calls@0.1.0"][..],
                Line::V0_1,
            ),
            (
                &[
                    "event-notification@0.2.0",
                    "lifecycle@0.2.0",
                    "./wasi:cli/run@0.2.3",
                ],
                Line::V0_2,
            ),
        ] {
            assert_eq!(of(names).expect("one line").line, line, "{names:?}");
        }
        for (names, words) in [
            (
                &["lifecycle@0.2.0", "send-validation@0.1.0"][..],
                "lifecycle of line 0.2 and send-validation of line 0.1",
            ),
            (
                &[
                    "lifecycle@0.2.0",
                    "send-validation@0.2.0",
                    "send-validation@0.1.0",
                ],
                "in two versions",
            ),
            (
                &["lifecycle@0.3.0"],
                "it was built for wharf:plugin/lifecycle@0.3.0; this gateway speaks 0.1.x and 0.2.x",
            ),
            (&["lifecycle"], "without a version"),
            (&["lifecycle@0.2.0"], "no extension point"),
            (
                &["send-validation@0.2.0"],
                "does not export wharf:plugin/lifecycle",
            ),
            (&["lifecycle@0.2.0", "telepathy@0.2.0"], "never calls"),
        ] {
            let error = of(names).expect_err("refused");
            assert!(error.contains(words), "{names:?}: {error}");
        }
    }

    #[test]
    fn files_that_are_no_components_are_told_apart() {
        assert!(
            is_component(b"(module)")
                .expect_err("text")
                .contains("not WebAssembly")
        );
        assert!(
            is_component(b"\0asm\x01\0\0\0")
                .expect_err("core")
                .contains("wasm32-wasip2")
        );
    }

    #[test]
    fn a_component_of_too_many_functions_is_refused_before_it_is_compiled() {
        // A component that holds one core module: one type, and `count` functions of it.
        let component = |count: u32| {
            let leb = |mut value: u32| {
                let mut bytes = vec![];
                while value >= 0x80 {
                    bytes.push((value & 0x7f) as u8 | 0x80);
                    value >>= 7;
                }
                bytes.push(value as u8);
                bytes
            };
            let section = |id: u8, content: Vec<u8>| {
                [
                    vec![id],
                    leb(u32::try_from(content.len()).expect("small")),
                    content,
                ]
                .concat()
            };
            let functions = [leb(count), vec![0; count as usize]].concat();
            let module = [
                b"\0asm\x01\0\0\0".to_vec(),
                section(1, vec![1, 0x60, 0, 0]),
                section(3, functions),
            ]
            .concat();
            [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module)].concat()
        };
        assert_eq!(size(&component(MAX_FUNCTIONS)), Ok(()));
        assert!(
            size(&component(MAX_FUNCTIONS + 1))
                .expect_err("too many")
                .contains("functions")
        );
        assert_eq!(
            size(b"\0asm\x0d\0\x01\0\x01\xff"),
            Ok(()),
            "the compiler says what is wrong"
        );
    }

    #[test]
    fn origins_get_their_port_and_anything_else_is_refused() {
        let grants = |http: &str| http_of(http);
        assert_eq!(
            grants("HTTPS://Example.org").expect("good"),
            "https://example.org:443"
        );
        assert_eq!(
            grants("http://127.0.0.1:8080").expect("good"),
            "http://127.0.0.1:8080"
        );
        for bad in [
            "example.org",
            "https://example.org/path",
            "ftp://x",
            "https://*.example.org/?a",
        ] {
            assert!(grants(bad).expect_err(bad).contains("scheme://host"));
        }
    }

    fn http_of(origin: &str) -> Result<String, String> {
        let grants = config::Grants {
            http: vec![origin.to_owned()],
            ..config::Grants::default()
        };
        http(&grants).map(|grant| grant.origins[0].clone())
    }
}
