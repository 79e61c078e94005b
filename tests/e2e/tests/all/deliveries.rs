//! One receiver never delays another, and a receiver that is repaired has lost nothing.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use wharf_e2e::{Api, Call, Gateway, House, Plan, Receiver, api, gateway, house::BOOT, until};
use wharf_standin::Inbound;

const LIMIT: Duration = Duration::from_secs(60);
/// The default of `[delivery] per_receiver`.
const PER_RECEIVER: usize = 8;

/// A receiver that accepts connections and never answers.
struct Hanging {
    address: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
    task: JoinHandle<()>,
}

impl Hanging {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, open) = (listener.local_addr()?, Arc::new(Mutex::new(vec![])));
        let kept = Arc::clone(&open);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(stream);
            }
        });
        Ok(Self {
            address,
            open,
            task,
        })
    }

    fn calls(&self) -> usize {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn body(call: &Call) -> Option<String> {
    (call.event() == "message").then(|| {
        call.json["payload"]["body"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    })
}

fn says(house: &House, body: &str) -> Result<()> {
    house.standin.inbound(Inbound {
        from: "4915198765432".into(),
        body: body.into(),
        ..Inbound::default()
    })?;
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_no_other_and_a_mended_one_loses_nothing() -> Result<()> {
    let (slow, ok, picky) = (
        Hanging::start().await?,
        Receiver::start(0).await?,
        Receiver::start(0).await?,
    );
    let target = |name: &str, url: &str, retry: &str| {
        format!(
            "[[plugin.config.targets]]\nname = \"{name}\"\nurl = \"{url}/hook\"\nevents = [\"message\"]\nretry = {{ policy = \"constant\", delay_seconds = 1{retry} }}\n"
        )
    };
    let slow_url = format!("http://{}", slow.address);
    let overlay = format!(
        "[delivery]\ntimeout = \"120s\"\n[[plugin]]\nname = \"webhook\"\n\
         grants = {{ http = [\"{slow_url}\", \"{}\", \"{}\"], http_private = true }}\n{}{}{}",
        ok.url(),
        picky.url(),
        target("slow", &slow_url, ""),
        target("ok", &ok.url(), ""),
        target("picky", &picky.url(), ", attempts = 9"),
    );
    let house = House::build(Plan {
        overlay,
        ..Plan::default()
    })
    .await?;
    let gateway = house.open_linked().await?;
    for n in 0..120 {
        says(&house, &format!("m{n}"))?;
    }
    until(
        "all 120 messages at the receiver that answers",
        LIMIT,
        async || Ok((ok.filtered(body).len() >= 120).then_some(())),
    )
    .await?;
    gateway.api.until_all_delivered_to("ok", LIMIT).await?;
    ensure!(
        ok.calls().len() == 120,
        "{} calls for 120 messages",
        ok.calls().len()
    );
    // The first calls still hang, because the time-out is two minutes.
    ensure!(
        (1..=PER_RECEIVER).contains(&slow.calls()),
        "{} calls hang",
        slow.calls()
    );

    let waited = refused_for_a_while(&house, &gateway.api, &picky).await;
    waited.with_context(|| {
        format!(
            "a receiver that refuses for a while; the log:\n{}",
            gateway.log().tail()
        )
    })?;
    let dead = given_up(&house, &gateway, &picky)
        .await
        .context("a dead letter")?;
    by_command(&house, &gateway, &picky, &dead)
        .await
        .context("the command line")?;
    let metrics = String::from_utf8(gateway.api.get("/metrics").await?.expect(200)?.body)?;
    ensure!(
        metrics.lines().any(
            |line| line.starts_with("wharf_deliveries_total") && line.contains("target=\"ok\"")
        ),
        "{metrics}"
    );
    ensure!(
        metrics
            .lines()
            .any(|line| line.starts_with("wharf_receiver_failing")
                && line.contains("target=\"picky\"")),
        "{metrics}"
    );
    gateway.stop(BOOT).await?;
    let late = command(&house, &["list"]).await?;
    ensure!(
        late.1.contains("no gateway answers at http://127.0.0.1:"),
        "{late:?}"
    );
    Ok(())
}

/// Answers as a proxy does during a deployment: none of these statuses is final.
async fn refused_for_a_while(house: &House, api: &Api, picky: &Receiver) -> Result<()> {
    picky
        .until_call("the messages so far", LIMIT, |call| {
            body(call).as_deref() == Some("m119")
        })
        .await?;
    until("all of them", LIMIT, async || {
        Ok((picky.filtered(body).len() == 120).then_some(()))
    })
    .await?;
    picky.refuse(&[404, 301, 308, 401, 403, 405, 400]);
    says(house, "patience")?;
    let answers = || {
        picky
            .calls()
            .iter()
            .filter(|call| body(call).as_deref() == Some("patience"))
            .map(|call| call.answered)
            .collect::<Vec<_>>()
    };
    until("the message that was refused", LIMIT, async || {
        Ok(answers().contains(&200).then_some(()))
    })
    .await
    .with_context(|| format!("{:?}", answers()))?;
    api.until_all_delivered_to("picky", LIMIT).await?;
    ensure!(
        answers() == [404, 301, 308, 401, 403, 405, 400, 200],
        "{:?}",
        answers()
    );
    Ok(())
}

/// Status 410 is final and makes a dead letter, which is listed, shown and delivered again. Returns
/// the id of another one.
async fn given_up(house: &House, gateway: &Gateway, picky: &Receiver) -> Result<String> {
    let api = &gateway.api;
    let list = async || {
        Ok::<_, anyhow::Error>(
            api.get("/v1/deliveries?state=dead&target=picky")
                .await?
                .expect(200)?
                .json["deliveries"]
                .clone(),
        )
    };
    let mut ids = vec![];
    for (number, text) in ["first", "second", "third"].into_iter().enumerate() {
        picky.refuse(&[410]);
        says(house, text)?;
        let dead = until("a dead letter", LIMIT, async || {
            Ok(Some(list().await?)
                .filter(|dead| dead.as_array().is_some_and(|dead| dead.len() == number + 1)))
        })
        .await?;
        ids.push(dead[0]["id"].as_str().context("no id")?.to_owned());
    }
    api.until_all_delivered_to("picky", LIMIT).await?;
    ensure!(
        picky
            .filtered(body)
            .iter()
            .all(|body| !["first", "second", "third"].contains(&body.as_str()))
    );
    gateway
        .until_log("a line that says what to do", LIMIT, |line| {
            line.contains("wharf deliveries retry --target picky")
        })
        .await?;

    let shown = api
        .get(&format!("/v1/deliveries/{}", ids[0]))
        .await?
        .expect(200)?
        .json;
    ensure!(
        shown["state"] == "dead"
            && shown["plugin"] == "webhook"
            && shown["attempt"] == 1
            && shown["nextAt"].is_null(),
        "{shown}"
    );
    ensure!(
        shown["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("410")),
        "{shown}"
    );
    ensure!(
        shown["event"]["kind"] == "message.received" && shown["event"]["session"] == "default",
        "{shown}"
    );
    ensure!(
        !shown.to_string().contains("first"),
        "what was written is not shown: {shown}"
    );

    api.post_nothing(&format!("/v1/deliveries/{}/retry", ids[0]))
        .await?
        .expect(202)?;
    picky
        .until_call("the dead letter", LIMIT, |call| {
            body(call).as_deref() == Some("first")
        })
        .await?;
    until("it is delivered", LIMIT, async || {
        Ok(
            (api.get(&format!("/v1/deliveries/{}", ids[0])).await?.json["state"] == "delivered")
                .then_some(()),
        )
    })
    .await?;
    let again = api
        .post_nothing(&format!("/v1/deliveries/{}/retry", ids[0]))
        .await?
        .expect(409)?;
    ensure!(
        again.json["code"] == "wrong_state" && again.json["state"] == "delivered",
        "{}",
        again.json
    );
    for (path, status, code) in [
        ("/v1/deliveries/dlv_none", 404, "not_found"),
        ("/v1/deliveries?state=lost", 400, "invalid_query"),
        ("/v1/deliveries?since=yesterday", 400, "invalid_time"),
        ("/v1/deliveries?limit=0", 400, "invalid_query"),
    ] {
        let answer = api.get(path).await?.expect(status)?;
        ensure!(
            answer.json["code"] == code
                && answer
                    .header("content-type")
                    .starts_with("application/problem+json"),
            "{path}: {}",
            answer.json
        );
    }
    for (method, path) in [
        (Method::POST, "/v1/deliveries/retry"),
        (Method::DELETE, "/v1/deliveries?state=dead"),
        (Method::DELETE, "/v1/deliveries?target=picky"),
    ] {
        let answer = api::answer(api.request(method, path)).await?.expect(400)?;
        ensure!(
            answer.json["code"] == "invalid_query",
            "{path}: {}",
            answer.json
        );
    }
    let purged = api::answer(api.request(Method::DELETE, &format!("/v1/deliveries/{}", ids[1])))
        .await?
        .expect(200)?;
    ensure!(
        purged.json["purged"] == 1
            && api.get(&format!("/v1/deliveries/{}", ids[1])).await?.status == 404
    );
    let page = api.get("/v1/deliveries?limit=2").await?.expect(200)?.json;
    ensure!(
        page["deliveries"]
            .as_array()
            .is_some_and(|rows| rows.len() == 2)
            && page["next"].is_string(),
        "{page}"
    );
    let older = api
        .get(&format!(
            "/v1/deliveries?limit=2&cursor={}",
            page["next"].as_str().unwrap_or_default()
        ))
        .await?
        .expect(200)?
        .json;
    let id = |page: &Value, at: usize| {
        let id = page["deliveries"][at]["id"].as_str();
        id.map(str::to_owned).with_context(|| page.to_string())
    };
    ensure!(id(&older, 0)? < id(&page, 1)?, "{older} after {page}");
    Ok(ids.remove(2))
}

/// Runs `wharf deliveries …` and returns its standard output and standard error.
async fn command(house: &House, words: &[&str]) -> Result<(String, String)> {
    let output = gateway::command(house.folder())?
        .arg("deliveries")
        .args(words)
        .output()
        .await?;
    let (out, err) = (
        String::from_utf8(output.stdout)?,
        String::from_utf8(output.stderr)?,
    );
    ensure!(
        output.status.success() == err.is_empty(),
        "{}: {out}{err}",
        output.status
    );
    Ok((out, err))
}

async fn by_command(house: &House, gateway: &Gateway, picky: &Receiver, dead: &str) -> Result<()> {
    let config = house.folder().join("gateway.toml");
    let port = gateway.api.url.rsplit(':').next().context("a port")?;
    std::fs::write(
        &config,
        std::fs::read_to_string(&config)?.replace("port = 0", &format!("port = {port}")),
    )?;
    let (receivers, _) = command(house, &["receivers"]).await?;
    ensure!(
        receivers.contains("webhook/picky: 0 waiting, 1 dead")
            && receivers.contains("webhook/slow: "),
        "{receivers}"
    );
    let (list, _) = command(house, &["list"]).await?;
    ensure!(
        list.lines().count() == 1
            && list.starts_with(&format!(
                "{dead} dead webhook/picky, message.received of default"
            )),
        "{list}"
    );
    let (shown, _) = command(house, &["show", dead]).await?;
    ensure!(
        shown.contains("state: dead") && shown.contains("event kind: message.received"),
        "{shown}"
    );
    let (_, refused) = command(house, &["show", "dlv_none"]).await?;
    ensure!(
        refused.contains("there is no delivery of that id"),
        "{refused}"
    );
    let (done, _) = command(
        house,
        &[
            "retry",
            "--target",
            "picky",
            "--since",
            "2020-01-01T00:00:00Z",
        ],
    )
    .await?;
    ensure!(done.trim() == "delivered again: 1", "{done}");
    picky
        .until_call("the dead letter", LIMIT, |call| {
            body(call).as_deref() == Some("third")
        })
        .await?;
    let (done, _) = command(house, &["purge", "--target", "picky"]).await?;
    ensure!(done.trim() == "deleted: 0", "{done}");
    let pending: Value = gateway
        .api
        .get("/v1/deliveries?state=pending&limit=200")
        .await?
        .expect(200)?
        .json;
    let waiting = pending["deliveries"].as_array().map_or(0, Vec::len);
    ensure!(
        waiting > 100
            && pending["deliveries"]
                .as_array()
                .is_some_and(|rows| rows.iter().all(|row| row["target"] == "slow")),
        "{waiting}"
    );
    let (done, _) = command(house, &["purge", "--target", "slow", "--state", "pending"]).await?;
    ensure!(
        done.trim() == format!("deleted: {waiting}"),
        "{done}, {waiting} were waiting"
    );
    Ok(())
}
