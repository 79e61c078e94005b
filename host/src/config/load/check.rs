//! Checks the rules that the types of single values cannot express. All violations are reported,
//! not only the first.

use crate::{
    config::{BrowserKind, BrowserMode, Config, Millis},
    model::{ClientId, Region},
};

pub(super) fn check(config: &Config, errors: &mut Vec<String>) {
    let server = &config.server;
    if !server.host.is_loopback() && !config.api.has_keys() {
        errors.push(format!(
            "[server] host = {}: anybody who reaches that address could send messages; set WHARF_API_KEY or [api] keys (`wharf keys new` makes one), or listen on 127.0.0.1",
            server.host
        ));
    }
    if let Some(url) = server
        .public_url
        .as_deref()
        .filter(|url| !is_public_url(url))
    {
        errors.push(format!(
            "[server] public_url = {url:?} must be an http or https URL without user, query and fragment, e.g. \"https://wharf.example.org\""
        ));
    }
    let named: Vec<_> = config
        .sessions
        .session
        .keys()
        .chain([&config.sessions.default_client])
        .collect();
    if let Some((one, other)) = ClientId::differ_in_case_only(&named) {
        errors.push(format!("[sessions] names {one} and {other}, which differ only in upper and lower case; rename one of them"));
    }
    server.check(errors);
    config.api.check_together(errors);
    let kind = config.browser.kind;
    if config.browser.mode == BrowserMode::Shared
        && !matches!(kind, BrowserKind::Auto | BrowserKind::Headless)
    {
        errors.push("[browser] mode = \"shared\" needs the full browser without a window: kind must be \"auto\" or \"headless\"".into());
    }
    if !url::Url::parse(&config.whatsapp.url)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    {
        errors.push(format!(
            "[whatsapp] url = {:?} must be an http or https URL",
            config.whatsapp.url
        ));
    }
    if let Some(region) = config
        .send
        .default_region
        .as_deref()
        .filter(|region| region.parse::<Region>().is_err())
    {
        errors.push(format!(
            "[send] default_region = {region:?} must be a region such as \"DE\""
        ));
    }
    if config.storage.keep_bodies > config.storage.keep_messages {
        errors.push("[storage] keep_bodies must not be longer than keep_messages: what a message says goes with it at the latest".into());
    }
    if config.send.max_length == 0 {
        errors.push("[send] max_length must be at least 1".into());
    }
    let overrides = config.sessions.session.iter().map(|(id, session)| {
        let place = format!("[sessions.session.{id}.pacing]");
        (place, session.pacing.warm_up.as_deref())
    });
    let common = Some(config.send.pacing.warm_up.as_slice());
    errors.extend(
        [("[send.pacing]".to_owned(), common)]
            .into_iter()
            .chain(overrides)
            .filter(|(_, days)| days.is_some_and(|days| days.contains(&0)))
            .map(|(place, _)| {
                format!(
                    "{place} warm_up must not contain 0, which would mean that no message is sent on that day, and not that there is no limit"
                )
            }),
    );
    if config.delivery.concurrency == 0
        || config.delivery.per_receiver == 0
        || config.delivery.max_attempts == 0
    {
        errors.push(
            "[delivery] concurrency, per_receiver and max_attempts must be at least 1".into(),
        );
    }
    let durations: [(&str, Millis); 13] = [
        ("[whatsapp] boot_timeout", config.whatsapp.boot_timeout),
        ("[whatsapp] sync_timeout", config.whatsapp.sync_timeout),
        ("[whatsapp] call_timeout", config.whatsapp.call_timeout),
        (
            "[whatsapp] passkey_timeout",
            config.whatsapp.passkey_timeout,
        ),
        ("[whatsapp] passkey_step", config.whatsapp.passkey_step),
        (
            "[sessions] health_interval",
            config.sessions.health_interval,
        ),
        ("[sessions] max_delay", config.sessions.max_delay),
        ("[plugins] load_timeout", config.plugins.load_timeout),
        ("[send] timeout", config.send.timeout),
        ("[send] ack_timeout", config.send.ack_timeout),
        ("[delivery] timeout", config.delivery.timeout),
        ("[delivery] max_delay", config.delivery.max_delay),
        ("[delivery] max_age", config.delivery.max_age),
    ];
    errors.extend(
        durations
            .iter()
            .filter(|(_, time)| time.0 == 0)
            .map(|(name, _)| format!("{name} must be longer than 0")),
    );
    let says_nothing = config.plugin.iter().filter(|plugin| {
        let candidate = plugin.candidate.as_ref();
        candidate.is_some_and(|candidate| candidate.file.is_none() && candidate.config.is_none())
    });
    errors.extend(says_nothing.map(|plugin| {
        format!(
            "[[plugin]] name = {:?}: candidate needs a file or a config that differ from the plugin's, e.g. {{ file = \"{}-next.wasm\" }}",
            plugin.name, plugin.name
        )
    }));
    for plugin in &config.plugin {
        let Some(rule) = plugin.quarantine else {
            continue;
        };
        if !(1..=10_000).contains(&rule.failures) || rule.within.0 == 0 || rule.pause.0 == 0 {
            errors.push(format!(
                "[[plugin]] name = {:?}: quarantine needs 1 to 10000 failures, and times longer than 0, e.g. {{ failures = 20, within = \"1m\", pause = \"5m\" }}",
                plugin.name
            ));
        }
    }
    let mut names: Vec<&str> = config
        .plugin
        .iter()
        .map(|plugin| plugin.name.as_str())
        .collect();
    names.sort_unstable();
    errors.extend(
        names
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| format!("[[plugin]] name = {:?} occurs twice", pair[0])),
    );
    for origin in &config.api.cors_origins {
        if !url::Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == *origin) {
            errors.push(format!(
                "[api] cors_origins: {origin:?} must be an origin such as \"https://example.org\""
            ));
        }
    }
}

fn is_public_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}
