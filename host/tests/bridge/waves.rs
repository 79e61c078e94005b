//! Builds of the page that are unlike what the bridge expects: modules that come late, that lack
//! something, or that throw. What can be done is done, and what cannot is told.

use std::fs;

use wharf::whatsapp::{Fault, PasskeyNews, PasskeyOrder, check_assertion};
use wharf_standin::{Authenticator, Circumstances};

use super::*;

/// The text of the bridge, in the order of the real one.
fn bridge() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/whatsapp");
    let list = fs::read_to_string(folder.join("script.rs")).expect("the list of its parts");
    let parts = list
        .split("include_str!(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| name.ends_with(".js"))
        .map(|name| fs::read_to_string(folder.join(name)).expect("a part"));
    let text = parts.collect::<Vec<_>>().join("\n");
    assert!(text.contains("start()"));
    text
}

/// The bridge with another text in the place of one that occurs once.
fn edited(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

/// Runs before the bridge: `LATE` says by how many milliseconds a module comes late, `CHANGES` what
/// is done to its exports.
fn changed_modules(late: &str, changes: &str) -> String {
    format!(
        "{{
          const LATE = {{{late}}};
          const CHANGES = {{{changes}}};
          let define;
          Object.defineProperty(window, '__d', {{
            configurable: true,
            set: (value) => {{ define = value; }},
            get: () => define && ((name, dependencies, factory, flags) => {{
              const change = CHANGES[name];
              const made = change ? (...args) => {{ factory(...args); change(args[6]); }} : factory;
              const go = () => define(name, dependencies, made, flags);
              if (LATE[name]) setTimeout(go, LATE[name]);
              else go();
            }}),
          }});
        }}\n"
    )
}

async fn changed(settings: serde_json::Value, before: &str, bridge: &str) -> TestPage {
    let mut test_page = test_page(settings).await;
    let path = test_page.dir.path().join("bridge.js");
    fs::write(&path, before.to_owned() + bridge).expect("written");
    test_page.script = Some(path);
    test_page
}

fn is_qr(event: &PageEvent) -> bool {
    matches!(event, PageEvent::Qr { .. })
}

impl Open {
    async fn fault(&mut self, place: &str) -> Fault {
        let event = self
            .until(
                place,
                |event| matches!(event, PageEvent::Fault(fault) if fault.place == place),
            )
            .await;
        let PageEvent::Fault(fault) = event else {
            unreachable!()
        };
        fault
    }

    async fn link_by(&mut self, test_page: &TestPage) {
        let PageEvent::Qr { code, .. } = self.until("a QR", is_qr).await else {
            unreachable!()
        };
        test_page
            .standin
            .scan(Some(&code), Account::default())
            .await
            .expect("scanned");
    }
}

fn number() -> PhoneNumber {
    "4915112345678".parse().expect("number")
}

fn from_ann(body: &str) -> Inbound {
    Inbound {
        from: "4917611111111".into(),
        body: body.into(),
        ..Inbound::default()
    }
}

#[tokio::test]
async fn what_cannot_be_watched_is_told_and_the_rest_is_watched_all_the_same() {
    let modules = changed_modules(
        "",
        "WAWebLinkDeviceEvents: (it) => { it.WAWebLinkDeviceEvents = {}; }",
    );
    let text = edited(
        &bridge(),
        "function watchPairing() {",
        "function watchPairing() {\n  throw new TypeError('of its own free will');",
    );
    let test_page = changed(json!({}), &modules, &text).await;
    let mut open = test_page.open().await;
    assert_eq!(open.fault("starting watchPairing").await.error, "TypeError");
    let deaf = "listening to WAWebLinkDeviceEvents.WAWebLinkDeviceEvents";
    assert_eq!(open.fault(deaf).await.error, "TypeError");
    open.link_by(&test_page).await;
    open.ready().await;
    test_page.standin.inbound(from_ann("heard")).expect("sent");
    assert_eq!(open.message().await.content.body(), Some("heard"));
    open.page.close().await;
}

#[tokio::test]
async fn what_comes_with_a_later_wave_is_listened_to_from_then_on() {
    let modules = changed_modules("WAWebLinkDeviceEvents: 1500, WAWebCmd: 1500", "");
    let test_page = changed(json!({}), &modules, &bridge()).await;
    let mut open = test_page.open().await;
    open.until("a QR", is_qr).await;
    // The modules come, and the status after that looks for them.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let code = open.page.pairing_code(&number()).await.expect("a code");
    assert_eq!(open.code().await, code.code, "told, too");
    test_page.standin.push(None, json!({"type": "alt-refresh"}));
    let renewed = open.code().await;
    assert_ne!(renewed, code.code, "by the emitter that came late");
    test_page
        .standin
        .enter_code(&renewed, Account::default())
        .await
        .expect("linked");
    open.ready().await;
    test_page.standin.remove_device(None);
    open.until("the log-out", |event| {
        matches!(event, PageEvent::LoggedOut(_))
    })
    .await;
    open.page.close().await;
}

#[tokio::test]
async fn a_passkey_is_asked_for_by_an_emitter_that_came_late() {
    let key = Authenticator::new().expect("a key");
    let settings = json!({"passkey": {"ask": "link", "credentials": [key.credential()]}});
    let modules = changed_modules("WAWebLinkDeviceEvents: 1500", "");
    let test_page = changed(settings, &modules, &bridge()).await;
    let mut open = test_page.open().await;
    let PageEvent::Qr { code, .. } = open.until("a QR", is_qr).await else {
        unreachable!()
    };
    tokio::time::sleep(Duration::from_secs(4)).await;
    test_page
        .standin
        .scan(Some(&code), Account::default())
        .await
        .expect("scanned");
    open.until("the request", |event| {
        *event == PageEvent::Passkey(PasskeyNews::Asked)
    })
    .await;
    open.page.close().await;
}

#[tokio::test]
async fn a_code_that_nobody_can_read_is_none_to_compare() {
    let key = Authenticator::new().expect("a key");
    let settings =
        json!({"passkey": {"ask": "link", "handoffTtl": 0, "credentials": [key.credential()]}});
    let modules = changed_modules(
        "",
        "WAWebLinkDeviceEvents: ({ WAWebLinkDeviceEvents: events }) => {
           const trigger = events.trigger.bind(events);
           events.trigger = (name, ...rest) => trigger(name, ...(name.endsWith('code_ready') ? [] : rest));
         },
         WAWebShortcakeLinkingApi: (it) => { it.getVerificationCode = () => undefined; }",
    );
    let test_page = changed(settings, &modules, &bridge()).await;
    let mut open = test_page.open().await;
    open.link_by(&test_page).await;
    let event = open
        .until("the challenge", |event| {
            matches!(event, PageEvent::Passkey(PasskeyNews::Signing { .. }))
        })
        .await;
    let PageEvent::Passkey(PasskeyNews::Signing { id, public_key, .. }) = event else {
        unreachable!()
    };
    let signed = key.sign(&public_key, &Circumstances::default()).to_string();
    let assertion = check_assertion(signed.as_bytes(), &public_key).expect("a good assertion");
    let order = PasskeyOrder::Answer {
        id,
        assertion: Box::new(assertion),
    };
    open.page.passkey(&order).await.expect("taken");
    let event = open
        .until("what follows", |event| {
            matches!(
                event,
                PageEvent::Passkey(PasskeyNews::Confirm { .. } | PasskeyNews::Failed { .. })
            )
        })
        .await;
    assert!(
        matches!(&event, PageEvent::Passkey(PasskeyNews::Failed { reason }) if reason.contains("code")),
        "{event:?}"
    );
    open.page.close().await;
}

#[tokio::test]
async fn a_qr_is_told_as_soon_as_its_text_is_there() {
    let modules = changed_modules(
        "",
        "WAWebUserPrefsInfoStore: ({ waNoiseInfo: info }) => {
           const get = info.get;
           const from = Date.now() + 1500;
           info.get = async () => {
             if (Date.now() < from) throw new Error('not yet');
             return get();
           };
         }",
    );
    // Nor does the page show it.
    let hidden = "document.querySelector = ((look) => (selector) => (selector === 'div[data-ref]' ? null : look(selector)))(document.querySelector.bind(document));\n";
    let test_page = changed(json!({}), &(modules + hidden), &bridge()).await;
    let mut open = test_page.open().await;
    open.link_by(&test_page).await;
    open.ready().await;
    open.page.close().await;
}

#[tokio::test]
async fn a_code_is_renewed_once_at_a_time_and_its_end_is_named() {
    let modules = changed_modules(
        "",
        "WAWebAltDeviceLinkingApi: (it) => {
           const start = it.startAltLinkingFlow;
           it.startAltLinkingFlow = async (...args) => {
             await new Promise((resolve) => setTimeout(resolve, 700));
             return start(...args);
           };
         }",
    );
    let test_page = changed(json!({}), &modules, &bridge()).await;
    let mut open = test_page.open().await;
    open.until("a QR", is_qr).await;
    let code = open.page.pairing_code(&number()).await.expect("a code");
    assert_eq!(open.code().await, code.code, "told, too");
    for _ in 0..2 {
        test_page.standin.push(None, json!({"type": "alt-refresh"}));
    }
    let renewed = open.code().await;
    let another = timeout(Duration::from_secs(2), async { open.code().await }).await;
    assert!(another.is_err(), "{renewed}, and then {another:?}");

    let asking = {
        let page = Arc::clone(&open.page);
        tokio::spawn(async move { page.pairing_code(&number()).await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    open.page.cancel_pairing().await.expect("cancelled");
    let ended = asking.await.expect("no panic").expect_err("no code");
    assert!(
        matches!(&ended, PageError::Refused { reason, .. } if reason.ends_with("cancelled")),
        "{ended}"
    );
    open.page.close().await;
}

/// The gateway takes a limited number of bytes at a time. It could not say of a message that it
/// dropped that it is recorded, and the page would wait for that.
#[tokio::test]
async fn a_message_that_is_too_long_to_be_told_holds_up_no_other() {
    let text = edited(&bridge(), "const LONG = 131_072;", "const LONG = 1 << 26;");
    let test_page = changed(json!({}), "", &text).await;
    let mut open = test_page.link(Account::default()).await;
    test_page
        .standin
        .inbound(from_ann(&"x".repeat(10 << 20)))
        .expect("sent");
    assert_eq!(open.fault("telling a message").await.error, "RangeError");
    test_page
        .standin
        .inbound(from_ann("after it"))
        .expect("sent");
    assert_eq!(open.message().await.content.body(), Some("after it"));
    open.page.close().await;
}
