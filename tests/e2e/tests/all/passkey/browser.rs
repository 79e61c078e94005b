//! The user's part without simulation: the helper page and its snippet run in a second Chromium
//! with a virtual authenticator, which signs for the origin of the page.
//!
//! The browser is told to trust the page's certificate, because Chromium allows no passkeys on a
//! page with certificate errors.

use chromiumoxide::{
    Browser, BrowserConfig, Page,
    cdp::browser_protocol::web_authn::{
        AddCredentialParams, AddVirtualAuthenticatorParams, AuthenticatorProtocol,
        AuthenticatorTransport, Credential, EnableParams, VirtualAuthenticatorOptions,
    },
};
use futures_util::StreamExt;
use tokio::task::JoinHandle;
use wharf::{browser::find_executable, config::BrowserKind};

use super::*;

/// The user's browser; its process ends with [`Person::leave`].
struct Person {
    browser: Browser,
    events: JoinHandle<()>,
    _profile: tempfile::TempDir,
}

impl Person {
    async fn arrive(home: &Home) -> Result<Self> {
        let standin = &home.house.standin;
        let (port, key) = (
            standin.tls_port().context("https")?,
            standin.tls_key().context("https")?,
        );
        let profile = tempfile::tempdir()?;
        let (chromium, _) = find_executable(None, BrowserKind::Headless)?;
        let config = BrowserConfig::builder()
            .chrome_executable(chromium)
            .new_headless_mode()
            .no_sandbox()
            .respect_https_errors()
            .user_data_dir(profile.path())
            .arg(format!(
                "host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:{port}"
            ))
            .arg(format!("ignore-certificate-errors-spki-list={key}"))
            .build()
            .map_err(anyhow::Error::msg)?;
        let (browser, mut handler) = Browser::launch(config).await.context("a second Chromium")?;
        let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Ok(Self {
            browser,
            events,
            _profile: profile,
        })
    }

    /// Opens a tab whose authenticator has the account's passkey.
    async fn tab(&self, home: &Home) -> Result<Page> {
        let page = self.browser.new_page("about:blank").await?;
        page.execute(EnableParams::default()).await?;
        let options = VirtualAuthenticatorOptions {
            has_resident_key: Some(true),
            has_user_verification: Some(true),
            is_user_verified: Some(true),
            automatic_presence_simulation: Some(true),
            ..VirtualAuthenticatorOptions::new(
                AuthenticatorProtocol::Ctap2,
                AuthenticatorTransport::Internal,
            )
        };
        let authenticator = page
            .execute(AddVirtualAuthenticatorParams::new(options))
            .await?
            .result
            .authenticator_id;
        let (id, key) = home.key.secrets()?;
        let credential = Credential {
            rp_id: Some("whatsapp.com".into()),
            user_handle: Some("dXNlcg==".to_owned().into()),
            ..Credential::new(id, true, key, 1)
        };
        page.execute(AddCredentialParams::new(authenticator, credential))
            .await?;
        Ok(page)
    }

    async fn leave(mut self) -> Result<()> {
        self.browser.close().await?;
        tokio::time::timeout(STOP, self.browser.wait())
            .await
            .context("the second Chromium does not end")??;
        self.events.abort();
        Ok(())
    }
}

async fn text(page: &Page, expression: &str) -> Result<String> {
    Ok(page
        .evaluate(expression)
        .await?
        .into_value()
        .unwrap_or_default())
}

/// Waits until a JavaScript expression in the page has a text that `wanted` accepts.
async fn shows(page: &Page, expression: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
    let mut last = String::new();
    let shown = until(expression, BOOT, async || {
        // While the page changes its document, the expression cannot be evaluated.
        last = text(page, expression)
            .await
            .unwrap_or_else(|error| error.to_string());
        Ok(wanted(&last).then(|| last.clone()))
    });
    shown.await.with_context(|| format!("it is {last:?}"))
}

#[tokio::test]
async fn the_snippet_of_the_helper_page_signs_in_a_browser_of_its_own() -> Result<()> {
    let home = Home::build(Plan {
        https: true,
        ..Plan::default()
    })
    .await?;
    let gateway = home.house.open().await?;
    home.set(|passkey| passkey.handoff_ttl = 0);
    let view = home.asked(&gateway).await?;
    let helper = view["helperUrl"].as_str().context("a link")?.to_owned();
    let person = Person::arrive(&home).await?;

    let guide = person.browser.new_page(helper.as_str()).await?;
    let snippet = shows(
        &guide,
        "document.getElementById('snippet').textContent",
        |text| text.contains("credentials.get"),
    )
    .await?;
    ensure!(
        snippet.contains(&format!("\"{helper}\""))
            && !snippet.contains('{'.to_string().repeat(2).as_str()),
        "{snippet}"
    );
    let status = text(&guide, "document.getElementById('status').textContent").await?;
    ensure!(status.contains("left to sign"), "{status}");

    // What the user does: opens WhatsApp Web, scans nothing, pastes the snippet, and presses the
    // button.
    let whatsapp = person.tab(&home).await?;
    whatsapp.goto("https://web.whatsapp.com/").await?;
    whatsapp.evaluate(snippet.as_str()).await?;
    whatsapp.find_element("#wharf-sign").await?.click().await?;

    // The snippet opens the helper page with the answer in its address; the page removes it from
    // the address at once.
    let arrived = shows(&whatsapp, "location.href", |href| href == helper).await;
    let said = text(
        &whatsapp,
        "document.getElementById('wharf-sign')?.textContent ?? ''",
    )
    .await
    .unwrap_or_default();
    arrived.with_context(|| format!("the button says {said:?}"))?;
    let code = shows(
        &whatsapp,
        "document.getElementById('code').textContent",
        |code| code.len() == 9,
    )
    .await?;
    ensure!(home.house.standin.view().passkey.codes == [code.replace('-', "")]);
    ensure!(
        shows(
            &guide,
            "document.getElementById('code').textContent",
            |shown| shown == code
        )
        .await
        .is_ok(),
        "the other tab shows it as well"
    );
    whatsapp.find_element("#same").await?.click().await?;
    gateway.api.until_state("ready", BOOT).await?;
    shows(
        &whatsapp,
        "document.getElementById('status').textContent",
        |text| text.starts_with("Linked"),
    )
    .await?;
    ensure!(
        home.house.standin.view().linked.len() == 1,
        "the person's own tab was linked as well"
    );
    person.leave().await?;
    home.no_reports()?;
    ensure!(gateway.stop(STOP).await?.success());
    Ok(())
}
