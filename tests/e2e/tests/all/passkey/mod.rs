//! Passkeys: the whole ceremony on the stand-in, whose server verifies real signatures.

mod access;
mod browser;
mod ceremony;
mod failures;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf_e2e::{Answer, Gateway, House, Plan, api, house::BOOT, until};
use wharf_standin::{Account, Ask, Authenticator, Circumstances, PasskeySettings, Settings};

const PASSKEY: &str = "/v1/sessions/default/passkey";
const STOP: Duration = Duration::from_secs(40);

/// A test environment whose account is asked for its passkey, and the passkey.
struct Home {
    house: House,
    key: Authenticator,
    settings: PasskeySettings,
}

impl Home {
    async fn build(plan: Plan) -> Result<Self> {
        let key = Authenticator::new()?;
        let settings = PasskeySettings {
            ask: Ask::Link,
            credentials: vec![key.credential()],
            ..PasskeySettings::default()
        };
        let plan = Plan {
            standin: Settings {
                passkey: settings.clone(),
                ..plan.standin
            },
            ..plan
        };
        Ok(Self {
            house: House::build(plan).await?,
            key,
            settings,
        })
    }

    fn set(&self, change: impl FnOnce(&mut PasskeySettings)) {
        let mut settings = self.settings.clone();
        change(&mut settings);
        self.house.standin.set(json!({"passkey": settings}));
    }

    /// Scans the newest QR, once the gateway shows one that can be scanned.
    async fn scan(&self, gateway: &Gateway) -> Result<()> {
        until("a scan", BOOT, async || {
            gateway.api.until_qr(BOOT).await?;
            Ok(self.house.standin.scan(None, Account::default()).await.ok())
        })
        .await
    }

    /// Scans the QR and waits for the challenge.
    async fn asked(&self, gateway: &Gateway) -> Result<Value> {
        self.scan(gateway).await?;
        stage(gateway, "signing").await
    }

    fn sign(&self, view: &Value) -> Value {
        self.key.sign(&view["publicKey"], &Circumstances::default())
    }

    fn no_reports(&self) -> Result<()> {
        let reports = self.house.standin.view().reports;
        ensure!(reports.is_empty(), "the page complained: {reports:?}");
        Ok(())
    }
}

/// Waits until the ceremony is in this stage.
async fn stage(gateway: &Gateway, wanted: &str) -> Result<Value> {
    let mut last = Value::Null;
    // At first, the previous ceremony may still be shown as failed.
    let mut begun = false;
    let reached = until(wanted, BOOT, async || {
        let answer = gateway.api.get(PASSKEY).await?;
        last.clone_from(&answer.json);
        let failed = answer.json["stage"] == "failed";
        ensure!(
            !failed || !begun || wanted == "failed",
            "the ceremony failed"
        );
        begun |= !failed;
        Ok((answer.status == 200 && answer.json["stage"] == wanted).then_some(answer.json))
    });
    reached.await.with_context(|| {
        format!(
            "the last answer: {last}; the log:\n{}",
            gateway.log().tail()
        )
    })
}

async fn cancel(gateway: &Gateway) -> Result<Answer> {
    api::answer(gateway.api.request(Method::DELETE, PASSKEY)).await
}

/// The stages that were delivered to the webhook receiver, in the order of their events.
fn told(home: &Home) -> Vec<String> {
    let stage = |call: &wharf_e2e::Call| {
        Some((
            call.json["id"].as_str()?.to_owned(),
            call.json["payload"]["stage"].as_str()?.to_owned(),
        ))
    };
    let told = home.house.receiver.filtered(|call| {
        (call.event() == "session.passkey")
            .then(|| stage(call))
            .flatten()
    });
    // Deliveries may overtake each other, so they are sorted by the id of their event.
    told.into_iter()
        .collect::<BTreeMap<_, _>>()
        .into_values()
        .collect()
}
