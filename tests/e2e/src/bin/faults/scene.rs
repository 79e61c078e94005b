//! A running gateway with a linked session, in which faults are caused.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;
use wharf_e2e::{Api, Gateway, House, Plan, until};
use wharf_standin::{Account, Inbound};

use crate::report::Row;

/// Time limit for a fault to be noticed, and for the recovery.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
pub(crate) const STOP: Duration = Duration::from_secs(40);

/// Intervals and delays are short, so that a run takes minutes; every time limit is still longer
/// than a busy machine needs.
pub(crate) const OVERLAY: &str = r#"
[sessions]
health_interval = "500ms"
stable_after = "300ms"
offline_grace = "300ms"
first_delay = "500ms"
max_attempts = 20
retry_delay = "500ms"
[whatsapp]
call_timeout = "3s"
boot_timeout = "8s"
sync_timeout = "4s"
[browser]
close_grace = "2s"
"#;

pub(crate) struct Scene {
    pub(crate) house: House,
    gateway: Option<Gateway>,
    /// Every pair of messages so far; [`Scene::close`] counts how often they arrived.
    pairs: Vec<Pair>,
}

/// One outgoing and one incoming message that are under way while a fault lasts.
struct Pair {
    sent: String,
    /// The id of the accepted message in the API.
    id: String,
    /// The body of the incoming message; `None` when the account had no device that could receive
    /// it.
    received: Option<String>,
    /// Whether the login ended meanwhile, and with it the messages that the server held for this
    /// device.
    unlinked: bool,
    /// Whether the outcome of the outgoing message is reported as unknown.
    unknown: bool,
}

impl Scene {
    pub(crate) async fn linked() -> Result<Self> {
        let house = House::build(Plan {
            overlay: OVERLAY.into(),
            ..Plan::default()
        })
        .await?;
        let gateway = house.open_linked().await?;
        Ok(Self::new(house, gateway))
    }

    pub(crate) fn new(house: House, gateway: Gateway) -> Self {
        Self {
            house,
            gateway: Some(gateway),
            pairs: Vec::new(),
        }
    }

    pub(crate) fn gateway(&self) -> Result<&Gateway> {
        self.gateway.as_ref().context("the gateway is down")
    }

    pub(crate) fn api(&self) -> Result<Api> {
        Ok(self.gateway()?.api.clone())
    }

    /// The main processes of its browsers.
    pub(crate) fn browsers(&mut self) -> Vec<i32> {
        self.gateway
            .as_mut()
            .map(|gateway| gateway.processes.browsers())
            .unwrap_or_default()
    }

    pub(crate) fn renderers(&mut self) -> Vec<i32> {
        self.gateway
            .as_mut()
            .map(|gateway| gateway.processes.renderers())
            .unwrap_or_default()
    }

    pub(crate) fn everybody(&mut self) -> Vec<i32> {
        self.gateway
            .as_mut()
            .map(|gateway| gateway.processes.alive())
            .unwrap_or_default()
    }

    /// Stops the gateway and checks that each message of all pairs arrived exactly once. Before, a
    /// second arrival could still follow.
    pub(crate) async fn close(mut self) -> Result<()> {
        let gateway = self.gateway.take().context("the gateway is down")?;
        gateway.api.until_all_sent(LIMIT).await?;
        gateway.api.until_all_delivered(LIMIT).await?;
        let status = gateway.stop(STOP).await?;
        ensure!(status.success(), "the gateway ended with {status}");
        for pair in &self.pairs {
            self.once(pair)?;
        }
        ensure!(
            self.house.standin.view().reports.is_empty(),
            "the page complained: {:?}",
            self.house.standin.view().reports
        );
        Ok(())
    }

    pub(crate) async fn tell(&self, verb: &str) -> Result<()> {
        self.api()?
            .post_nothing(&format!("/v1/sessions/default/{verb}"))
            .await?
            .expect(200)
            .map(|_| ())
    }

    async fn info(&self) -> Result<Value> {
        Ok(self
            .api()?
            .get("/v1/sessions/default")
            .await?
            .expect(200)?
            .json)
    }

    async fn transitions(&self) -> Result<Vec<Value>> {
        Ok(self.info().await?["transitions"]
            .as_array()
            .cloned()
            .unwrap_or_default())
    }

    /// Lets the simulated phone scan the current QR code.
    pub(crate) async fn scan(&self) -> Result<()> {
        let qr = self.api()?.until_qr(LIMIT).await?;
        self.house.standin.scan(Some(&qr), Account::default()).await
    }

    /// Lets the gateway accept one message and sends one to it. `name` is the fault's.
    async fn pair(&mut self, name: &str) -> Result<Pair> {
        let count = self.pairs.len() + 1;
        let body = format!("in {count}: {name}");
        let inbound = Inbound {
            from: "4915198765432".into(),
            body: body.clone(),
            account: Some(Account::default().pn),
            ..Inbound::default()
        };
        let received = self.house.standin.inbound(inbound).is_ok().then_some(body);
        let sent = format!("out {count}: {name}");
        let api = self.api()?;
        let accepted = api.send_async("4915123456789", &sent).await?;
        let accepted = accepted.expect(202)?.json;
        let id = accepted["data"]["id"]
            .as_str()
            .with_context(|| format!("no id in {accepted}"))?
            .to_owned();
        Ok(Pair {
            sent,
            id,
            received,
            unlinked: false,
            unknown: false,
        })
    }

    /// Waits for the outcome of both messages and returns what was lost.
    async fn settled(&mut self, mut pair: Pair) -> Result<&'static str> {
        // When the login has ended, the outcome of a send that the page had begun can no longer be
        // found out. It is reported as unknown and the message is never sent again.
        let settled = until(
            "the accepted message at its recipient, or its outcome unknown",
            LIMIT,
            async || {
                let unknown =
                    pair.unlinked && self.api()?.message(&pair.id).await?["state"] == "unknown";
                Ok((unknown || self.house.arrived(&pair.sent) > 0).then_some(unknown))
            },
        );
        pair.unknown = settled.await?;
        let mut lost = "what comes between the end of the login and the new scan: the phone has it";
        if let (false, Some(received)) = (pair.unlinked, &pair.received) {
            until("the event of the message that arrived", LIMIT, async || {
                Ok((self.events(received) > 0).then_some(()))
            })
            .await?;
            lost = "nothing";
        }
        self.once(&pair)?;
        self.pairs.push(pair);
        Ok(lost)
    }

    /// How many different events there are of an incoming message with this body; repeated
    /// deliveries of one event count once.
    fn events(&self, body: &str) -> usize {
        let calls = self.house.receiver.calls();
        let ids: BTreeSet<String> = calls
            .iter()
            .filter(|call| call.event() == "message" && call.json["payload"]["body"] == body)
            .map(|call| call.json["id"].to_string())
            .collect();
        ids.len()
    }

    /// Checks that neither message of a pair arrived twice, and that none is missing that may not
    /// be.
    fn once(&self, pair: &Pair) -> Result<()> {
        let arrived = self.house.arrived(&pair.sent);
        ensure!(
            arrived == 1 || (pair.unknown && arrived == 0),
            "{:?} arrived {arrived} times",
            pair.sent
        );
        if let Some(received) = &pair.received {
            let events = self.events(received);
            ensure!(
                events == 1 || (pair.unlinked && events == 0),
                "{received:?} became {events} events"
            );
        }
        Ok(())
    }

    /// Causes a fault, waits until the gateway names it in the reason of a transition, repairs what
    /// an operator would repair, and waits until the session is ready and both messages have their
    /// outcome. `expect` is a part of the reason, or alternatives separated by `|`.
    pub(crate) async fn survive(
        &mut self,
        name: &str,
        made: &'static str,
        expect: &str,
        make: impl AsyncFnOnce(&mut Self) -> Result<()>,
        mend: impl AsyncFnOnce(&mut Self) -> Result<()>,
    ) -> Result<Row> {
        self.api()?.until_state("ready", LIMIT).await?;
        let last = self.transitions().await?.into_iter().next();
        let began = Instant::now();
        make(self).await.context("making it")?;
        let mut pair = self.pair(name).await?;
        let what = format!("a transition whose reason says {expect:?}");
        let named = until(&what, LIMIT, async || {
            let since = self
                .transitions()
                .await?
                .into_iter()
                .take_while(|step| Some(step) != last.as_ref());
            Ok(since.into_iter().find(|step| {
                step["reason"]
                    .as_str()
                    .is_some_and(|reason| expect.split('|').any(|part| reason.contains(part)))
            }))
        });
        let named = match named.await {
            Ok(named) => named,
            Err(error) => return Err(error.context(format!("{:#?}", self.transitions().await?))),
        };
        mend(self).await.context("mending it")?;
        self.api()?.until_state("ready", LIMIT).await?;
        let recovered = format!("{:.1} s", began.elapsed().as_secs_f32());
        pair.unlinked = named["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("ended the login"));
        let lost = self.settled(pair).await?;
        let said = format!(
            "`{}`: {}",
            named["to"].as_str().unwrap_or_default(),
            named["reason"].as_str().unwrap_or_default()
        );
        Ok(Row {
            name: name.to_owned(),
            made,
            said: self.plain(&said),
            recovered,
            lost,
        })
    }

    /// The session's state and reason as the gateway reports them.
    pub(crate) async fn says(&self) -> Result<String> {
        let info = self.info().await?;
        let said = format!(
            "`{}`: {}",
            info["state"].as_str().unwrap_or_default(),
            info["reason"].as_str().unwrap_or_default()
        );
        Ok(self.plain(&said))
    }

    /// Checks that messages pass in both directions and that the session has not left `ready`.
    pub(crate) async fn carries_on(&mut self, name: &str) -> Result<String> {
        let last = self.transitions().await?.into_iter().next();
        let pair = self.pair(name).await?;
        self.settled(pair).await?;
        ensure!(
            self.transitions().await?.into_iter().next() == last,
            "{:#?}",
            self.transitions().await?
        );
        Ok("stays ready".into())
    }

    /// When the gateway accepted the last message, by its own clock.
    pub(crate) async fn last_accepted(&self) -> Result<Timestamp> {
        let pair = self.pairs.last().context("nothing was sent")?;
        let message = self.api()?.message(&pair.id).await?;
        let at = message["createdAt"].as_str().context("no createdAt")?;
        Ok(at.parse()?)
    }

    /// [`Scene::survive`] for a fault after which the session stays ready: a notice names it.
    pub(crate) async fn notice(
        &mut self,
        name: &str,
        made: &'static str,
        expect: &str,
        make: impl AsyncFnOnce(&mut Self) -> Result<()>,
        mend: impl AsyncFnOnce(&mut Self) -> Result<()>,
    ) -> Result<Row> {
        self.api()?.until_state("ready", LIMIT).await?;
        // After this message, the recipient of the next one is not a stranger.
        let before = self.pair(name).await?;
        self.settled(before).await?;
        make(self).await.context("making it")?;
        let named = until(
            &format!("a notice that says {expect:?}"),
            LIMIT,
            async || {
                let info = self.info().await?;
                let notices = info["notices"].as_array().cloned().unwrap_or_default();
                Ok(notices
                    .iter()
                    .filter_map(Value::as_str)
                    .find(|notice| notice.contains(expect))
                    .map(ToOwned::to_owned))
            },
        )
        .await?;
        let pair = self.pair(name).await?;
        let lost = self.settled(pair).await?;
        ensure!(
            self.api()?.state().await? == "ready",
            "it is not ready any more"
        );
        mend(self).await.context("mending it")?;
        Ok(Row {
            name: name.to_owned(),
            made,
            said: format!("`ready`, with the notice: {named}"),
            recovered: "stays ready".into(),
            lost,
        })
    }

    /// Replaces what differs from run to run: folders, ports and process ids.
    fn plain(&self, said: &str) -> String {
        let folder = self.house.folder().display().to_string();
        let said = said.replace(&folder, "…").replace(
            self.house.standin.url().trim_end_matches('/'),
            "https://web.whatsapp.com",
        );
        let mut words: Vec<String> = said.split(' ').map(ToOwned::to_owned).collect();
        for at in 1..words.len() {
            if words[at - 1] == "process"
                && words[at]
                    .trim_end_matches([';', ','])
                    .parse::<u32>()
                    .is_ok()
            {
                words[at] = "4711".into();
            }
        }
        words.join(" ")
    }
}

pub(crate) async fn nothing(_: &mut Scene) -> Result<()> {
    Ok(())
}
