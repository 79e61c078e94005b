//! Faults that WhatsApp causes to an account.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{Run, Scene, fault, report::Row, scene::nothing};

pub(crate) async fn all(run: &mut Run, scene: &mut Option<Scene>) -> Result<()> {
    fault!(run, *scene, "login used in another browser", conflict);
    fault!(run, *scene, "temporary ban", ban);
    fault!(run, *scene, "reach-out time lock (463)", timelock);
    fault!(run, *scene, "new-chat limit (475)", limit);
    fault!(run, *scene, "logged out on the phone", logout);
    fault!(run, *scene, "storage refused", storage);
    Ok(())
}

async fn conflict(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        scene.house.standin.push(
            None,
            json!({"type": "stream-error", "conflict": "replaced"}),
        );
        Ok(())
    };
    scene
        .survive(
            name,
            "`conflict: replaced`, which the page keeps to itself",
            "the same login was opened elsewhere",
            make,
            nothing,
        )
        .await
}

async fn ban(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        scene
            .house
            .standin
            .push(None, json!({"type": "failure", "code": 402, "expire": 3}));
        Ok(())
    };
    scene
        .survive(
            name,
            "`failure 402` with an end in 3 s",
            "has banned this account until",
            make,
            nothing,
        )
        .await
}

/// Sends a message that WhatsApp refuses with `code`; the answer must have one of the codes in
/// `said`.
async fn refused(scene: &Scene, code: u32, number: &str, said: &[&str]) -> Result<()> {
    scene.house.standin.set(json!({"nacks": [code]}));
    let answer = scene.api()?.send(number, "to somebody new").await?;
    ensure!(
        said.iter().any(|code| answer.json["code"] == *code),
        "{answer:?}"
    );
    Ok(())
}

async fn timelock(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        // The page does not report the error code, and it learns of the lock only later.
        refused(
            scene,
            463,
            "4915166600000",
            &["refused_by_whatsapp", "restricted"],
        )
        .await?;
        scene
            .house
            .standin
            .push(None, json!({"type": "reachout-timelock", "locked": true}));
        Ok(())
    };
    let mend = async |scene: &mut Scene| {
        scene
            .house
            .standin
            .push(None, json!({"type": "reachout-timelock", "locked": false}));
        Ok(())
    };
    scene
        .notice(name, "a send refused with 463", "463", make, mend)
        .await
}

async fn limit(scene: &mut Scene, name: &str) -> Result<Row> {
    let make =
        async |scene: &mut Scene| refused(scene, 475, "4915166600001", &["restricted"]).await;
    let mend = async |scene: &mut Scene| {
        scene
            .api()?
            .post_nothing("/v1/sessions/default/sending/lift")
            .await?
            .expect(200)?;
        Ok(())
    };
    scene
        .notice(name, "a send refused with 475", "475", make, mend)
        .await
}

async fn logout(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        scene.house.standin.remove_device(None);
        Ok(())
    };
    let mend = async |scene: &mut Scene| scene.scan().await;
    scene
        .survive(
            name,
            "the device removed on the phone; the new QR scanned",
            "WhatsApp ended the login",
            make,
            mend,
        )
        .await
}

async fn storage(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        scene.house.standin.set(json!({"storageFailures": 1}));
        scene.house.standin.push(None, json!({"type": "navigate"}));
        Ok(())
    };
    let mend = async |scene: &mut Scene| scene.scan().await;
    scene
        .survive(name, "the page cannot open its databases, logs out and loads itself anew; the new QR scanned", "storage cannot be used", make, mend)
        .await
}
