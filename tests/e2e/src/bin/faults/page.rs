//! Faults of the page and of its connection.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{Run, Scene, fault, report::Row, scene::nothing};

pub(crate) async fn all(run: &mut Run, scene: &mut Option<Scene>) -> Result<()> {
    fault!(run, *scene, "page hung", hung);
    fault!(run, *scene, "page reloads", reload);
    fault!(run, *scene, "page goes elsewhere", elsewhere);
    fault!(run, *scene, "network gone and back", network);
    fault!(run, *scene, "network gone in the middle of a send", middle);
    fault!(run, *scene, "server drops the connection", drop);
    fault!(run, *scene, "forced update", update);
    fault!(run, *scene, "version refused (405)", refused);
    fault!(run, *scene, "dialog of the page", dialog);
    fault!(run, *scene, "modal in the way", modal);
    fault!(run, *scene, "module missing", missing);
    fault!(run, *scene, "export renamed", renamed);
    fault!(run, *scene, "_serialized gone", serialized);
    fault!(run, *scene, "history sync slow", slow);
    Ok(())
}

fn push(scene: &Scene, frame: Value) {
    scene.house.standin.push(None, frame);
}

async fn hung(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        push(scene, json!({"type": "hang", "millis": 60_000}));
        Ok(())
    };
    scene
        .survive(
            name,
            "an endless loop in the page",
            "health check: the page did not answer",
            make,
            nothing,
        )
        .await
}

async fn reload(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        push(scene, json!({"type": "navigate"}));
        Ok(())
    };
    scene
        .survive(
            name,
            "`location.reload()`",
            "the page was loaded anew",
            make,
            nothing,
        )
        .await
}

async fn elsewhere(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        push(scene, json!({"type": "navigate", "url": "about:blank"}));
        Ok(())
    };
    scene
        .survive(
            name,
            "`location` set to another page",
            "health check: the page went away",
            make,
            nothing,
        )
        .await
}

async fn network(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        scene.house.standin.network(false);
        Ok(())
    };
    let mend = async |scene: &mut Scene| {
        scene.house.standin.network(true);
        Ok(())
    };
    scene
        .survive(
            name,
            "connections cut and new ones refused until the gateway has said so",
            "connection is lost",
            make,
            mend,
        )
        .await
}

async fn middle(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        scene.house.standin.set(json!({"loseAcks": 1}));
        Ok(())
    };
    let made = "the message arrives, its acknowledgement is lost with the connection";
    scene
        .survive(name, made, "connection is lost", make, nothing)
        .await
}

async fn drop(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        scene.house.standin.network(true);
        Ok(())
    };
    scene
        .survive(
            name,
            "the connection closed by the server once",
            "connection is lost",
            make,
            nothing,
        )
        .await
}

async fn update(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        push(scene, json!({"type": "update", "hard": true}));
        Ok(())
    };
    scene
        .survive(
            name,
            "the server tells the page to update at once",
            "the page was loaded anew",
            make,
            nothing,
        )
        .await
}

async fn refused(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        push(scene, json!({"type": "failure", "code": 405}));
        Ok(())
    };
    scene
        .survive(
            name,
            "the server refuses the page's version with 405",
            "refuses this version",
            make,
            nothing,
        )
        .await
}

async fn dialog(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        push(scene, json!({"type": "dialog"}));
        // Only a page whose dialog was answered can handle this.
        push(scene, json!({"type": "navigate"}));
        Ok(())
    };
    // A page that navigates at the moment its dialog closes sometimes reports nothing; then a
    // health check finds the reload.
    let expect = "the page was loaded anew|did not answer status";
    scene
        .survive(
            name,
            "`alert()` by the page, then a reload",
            expect,
            make,
            nothing,
        )
        .await
}

async fn modal(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        push(scene, json!({"type": "modal", "text": "What's new"}));
        Ok(())
    };
    let mend = async |scene: &mut Scene| {
        push(scene, json!({"type": "navigate"}));
        Ok(())
    };
    scene
        .notice(
            name,
            "a dialog drawn over the page",
            "a dialog covers the page",
            make,
            mend,
        )
        .await
}

/// Changes settings of the page and restarts the session, because the page reads its settings when
/// it loads.
async fn set_and_restart(scene: &mut Scene, patch: Value) -> Result<()> {
    scene.house.standin.set(patch);
    scene.tell("restart").await
}

async fn missing(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        set_and_restart(scene, json!({"missing": ["WAWebSendMsgChatAction"]})).await
    };
    let mend = async |scene: &mut Scene| set_and_restart(scene, json!({"missing": []})).await;
    scene
        .survive(
            name,
            "a build without `WAWebSendMsgChatAction`; mended by one that has it",
            "lacks WAWebSendMsgChatAction",
            make,
            mend,
        )
        .await
}

async fn renamed(scene: &mut Scene, name: &str) -> Result<Row> {
    let make = async |scene: &mut Scene| {
        set_and_restart(
            scene,
            json!({"missing": ["WAWebFindChatAction.findOrCreateLatestChat"]}),
        )
        .await
    };
    let mend = async |scene: &mut Scene| set_and_restart(scene, json!({"missing": []})).await;
    let made =
        "a build in which `findOrCreateLatestChat` has another name; mended by one that has it";
    scene
        .survive(
            name,
            made,
            "lacks WAWebFindChatAction.findOrCreateLatestChat",
            make,
            mend,
        )
        .await
}

async fn serialized(scene: &mut Scene, name: &str) -> Result<Row> {
    let make =
        async |scene: &mut Scene| set_and_restart(scene, json!({"hiddenSerialized": true})).await;
    let row = scene
        .survive(
            name,
            "a build whose ids have no `_serialized`",
            "connected and synced",
            make,
            nothing,
        )
        .await;
    set_and_restart(scene, json!({"hiddenSerialized": false})).await?;
    row
}

async fn slow(scene: &mut Scene, name: &str) -> Result<Row> {
    let make =
        async |scene: &mut Scene| set_and_restart(scene, json!({"syncDelay": 600_000})).await;
    let mend = async |scene: &mut Scene| {
        scene.house.standin.set(json!({"syncDelay": 600}));
        Ok(())
    };
    scene
        .survive(
            name,
            "a first sync that does not end; the next one does",
            "the first sync did not end",
            make,
            mend,
        )
        .await
}
