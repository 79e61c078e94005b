//! What a plugin must be before it is called: each check says what is wrong and what would be right.

use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};
use wasmtime::{Engine, component::Component};

use super::{bindings::exports::wharf::plugin::lifecycle::ConfigIssue, ports::HttpGrant};
use crate::{config, model::ClientId};

/// Bytes of a `.wasm` file: an interpreter with its library has about forty million.
pub(super) const FILE: u64 = 64 << 20;
/// Functions of a component; an interpreter with its library has about thirty thousand.
const FUNCTIONS: u32 = 80_000;
const PACKAGE: &str = "wharf:plugin/";
/// The compatibility line this host speaks.
const LINE: &str = "0.1.";
/// The interface that every plugin exports.
pub(super) const LIFECYCLE: &str = "lifecycle";
/// The extension points.
pub(super) const VALIDATION: &str = "send-validation";
pub(super) const TEMPLATING: &str = "message-templating";
pub(super) const NOTIFICATION: &str = "event-notification";
const POINTS: [&str; 3] = [VALIDATION, TEMPLATING, NOTIFICATION];
/// Interfaces of types alone, which an author's tools may export beside the points.
const TYPES: [&str; 2] = ["calls", "messages"];

pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Sessions that can exist: for any other word the plugin would never be asked, and nothing would say so.
pub(super) fn sessions(entry: &config::Plugin) -> Result<(), String> {
    if entry.sessions.is_empty() {
        return Err("`sessions` names nobody; leave it out for all, or say `enabled = false`".into());
    }
    match entry.sessions.iter().find(|name| *name != "*" && name.parse::<ClientId>().is_err()) {
        Some(name) => Err(format!("`sessions` names {name:?}, which no session can be called; name client ids, or \"*\" for all")),
        None => Ok(()),
    }
}

pub(super) fn pin(entry: &config::Plugin, component: &str) -> Result<(), String> {
    match &entry.sha256 {
        Some(wanted) if !wanted.eq_ignore_ascii_case(component) => Err(format!(
            "the file's SHA-256 is {component}, but `sha256` says {wanted}; build that version, or change the pin after a look at the file"
        )),
        _ => Ok(()),
    }
}

/// A component, not a core module, text, or anything else.
pub(super) fn is_component(bytes: &[u8]) -> Result<(), String> {
    match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', ..] => Err("it is a core module, not a component; build it for the target wasm32-wasip2".into()),
        _ => Err("it is not WebAssembly".into()),
    }
}

/// The interfaces of the package that a component exports, each once.
#[derive(Debug)]
pub(super) struct Named(Vec<String>);

impl Named {
    /// The functions of an extension point. None: the component does not name it. A point that is named and lacks a
    /// function is a mistake of its author: passed over, a validator would let everything through.
    pub(super) fn point<T>(&self, point: &str, functions: impl FnOnce() -> wasmtime::Result<T>) -> Result<Option<T>, String> {
        self.0.iter().any(|name| name == point).then(|| whole(point, functions())).transpose()
    }
}

/// The functions of an interface, all of which must be there.
pub(super) fn whole<T>(interface: &str, functions: wasmtime::Result<T>) -> Result<T, String> {
    functions.map_err(|error| format!("its {interface} is not whole: {error:#}"))
}

/// The interfaces, by name and version.
pub(super) fn interfaces(engine: &Engine, component: &Component) -> Result<Named, String> {
    let kind = component.component_type();
    let exports: Vec<String> = kind.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let imports: Vec<String> = kind.imports(engine).map(|(name, _)| name.to_owned()).collect();
    for name in exports.iter().chain(&imports) {
        if let Some(rest) = name.strip_prefix(PACKAGE)
            && let Some((interface, version)) = rest.split_once('@')
            && !version.starts_with(LINE)
        {
            return Err(format!(
                "it was built for {PACKAGE}{interface}@{version}; this gateway speaks {LINE}x: build it with the SDK of this gateway"
            ));
        }
    }
    let mut named: Vec<String> = Vec::new();
    for name in &exports {
        let Some(rest) = name.strip_prefix(PACKAGE) else { continue };
        let Some((interface, _)) = rest.split_once('@') else {
            return Err(format!("it exports {name} without a version; this gateway speaks {LINE}x: build it with the SDK of this gateway"));
        };
        if TYPES.contains(&interface) {
            continue;
        }
        if interface != LIFECYCLE && !POINTS.contains(&interface) {
            return Err(format!("it exports {name}, which this gateway never calls; there are {LIFECYCLE}, {}", POINTS.join(", ")));
        }
        if named.iter().any(|known| known == interface) {
            return Err(format!("it exports {PACKAGE}{interface} in two versions; one of them would never be called"));
        }
        named.push(interface.to_owned());
    }
    let has = |interface: &str| named.iter().any(|name| name == interface);
    if !has(LIFECYCLE) {
        return Err(format!("it does not export {PACKAGE}{LIFECYCLE}, which every plugin must"));
    }
    if !POINTS.iter().any(|point| has(point)) {
        return Err(format!("it exports no extension point; there are {}", POINTS.join(", ")));
    }
    let known = |name: &String| name.starts_with(PACKAGE) || name.starts_with("wasi:");
    match imports.iter().find(|name| !known(name)) {
        Some(name) => Err(format!("it imports {name}, which this gateway does not provide")),
        None => Ok(Named(named)),
    }
}

/// A component that can be compiled in a time that anybody waits for.
///
/// What is not well formed is left to the compiler, which says more of it.
pub(super) fn size(bytes: &[u8]) -> Result<(), String> {
    let mut functions: u32 = 0;
    for part in Parser::new(0).parse_all(bytes) {
        let Ok(part) = part else { return Ok(()) };
        if let Payload::FunctionSection(section) = part {
            functions = functions.saturating_add(section.count());
        }
        if functions > FUNCTIONS {
            return Err(format!("it has more than {FUNCTIONS} functions, which take too long to compile; leave out what it does not use"));
        }
    }
    Ok(())
}

pub(super) fn issues(issues: &[ConfigIssue]) -> String {
    issues.iter().map(|issue| format!("config at {}: {}", issue.path, issue.message)).collect::<Vec<_>>().join("; ")
}

/// `scheme://host[:port]` with the port always given.
pub(super) fn http(grants: &config::Grants) -> Result<HttpGrant, String> {
    let origin = |text: &String| {
        let wrong = || format!("grants.http: {text:?} must be scheme://host or scheme://host:port, e.g. \"https://example.org\"");
        let url = url::Url::parse(text).map_err(|_| wrong())?;
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        match (url.scheme(), url.host(), url.port_or_known_default()) {
            (scheme @ ("http" | "https"), Some(host), Some(port)) if bare => Ok(format!("{scheme}://{host}:{port}")),
            _ => Err(wrong()),
        }
    };
    Ok(HttpGrant { origins: grants.http.iter().map(origin).collect::<Result<_, String>>()?, private: grants.http_private })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_components_are_told_apart() {
        assert!(is_component(b"(module)").expect_err("text").contains("not WebAssembly"));
        assert!(is_component(b"\0asm\x01\0\0\0").expect_err("core").contains("wasm32-wasip2"));
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
            let section = |id: u8, content: Vec<u8>| [vec![id], leb(u32::try_from(content.len()).expect("small")), content].concat();
            let functions = [leb(count), vec![0; count as usize]].concat();
            let module = [b"\0asm\x01\0\0\0".to_vec(), section(1, vec![1, 0x60, 0, 0]), section(3, functions)].concat();
            [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module)].concat()
        };
        assert_eq!(size(&component(FUNCTIONS)), Ok(()));
        assert!(size(&component(FUNCTIONS + 1)).expect_err("too many").contains("functions"));
        assert_eq!(size(b"\0asm\x0d\0\x01\0\x01\xff"), Ok(()), "the compiler says what is wrong");
    }

    #[test]
    fn origins_get_their_port_and_anything_else_is_refused() {
        let grants = |http: &str| http_of(http);
        assert_eq!(grants("HTTPS://Example.org").expect("good"), "https://example.org:443");
        assert_eq!(grants("http://127.0.0.1:8080").expect("good"), "http://127.0.0.1:8080");
        for bad in ["example.org", "https://example.org/path", "ftp://x", "https://*.example.org/?a"] {
            assert!(grants(bad).expect_err(bad).contains("scheme://host"));
        }
    }

    fn http_of(origin: &str) -> Result<String, String> {
        let grants = config::Grants { http: vec![origin.to_owned()], ..config::Grants::default() };
        http(&grants).map(|grant| grant.origins[0].clone())
    }
}
