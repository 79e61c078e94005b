//! The server's side of the page's connection.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    media::{ReceivedMedia, Sealed, open_for_recipient},
    passkey,
    world::{World, now},
};

/// The number of refs in a batch of QR codes.
const BATCH: usize = 6;

pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new()
        .route("/ws", get(upgrade))
        .with_state(Arc::clone(world))
}

async fn upgrade(State(world): State<Arc<World>>, upgrade: WebSocketUpgrade) -> Response {
    if world.lock().refuse_connections {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    upgrade.on_upgrade(move |socket| serve(world, socket))
}

/// Stands for half a surrogate pair in everything that is sent to a page. A JavaScript string can
/// contain it and a Rust string cannot; programs produce it by cutting an emoji in two.
pub const HALF_EMOJI: char = '\u{F8FF}';

fn for_a_page(frame: &Value) -> String {
    frame.to_string().replace(HALF_EMOJI, "\\ud83d")
}

#[derive(Clone)]
struct Page {
    world: Arc<World>,
    out: mpsc::UnboundedSender<Value>,
    id: Option<u64>,
}

async fn serve(world: Arc<World>, mut socket: WebSocket) {
    let (out, mut frames) = mpsc::unbounded_channel::<Value>();
    let mut page = Page {
        world: Arc::clone(&world),
        out,
        id: None,
    };
    let ended = world.ended();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            () = &mut ended => break,
            frame = frames.recv() => {
                let Some(frame) = frame else { break };
                if frame["type"] == "_close" || socket.send(Message::text(for_a_page(&frame))).await.is_err() {
                    break;
                }
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    let Ok(frame) = serde_json::from_str::<Value>(&text) else { break };
                    page.take(&frame);
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
        }
    }
    if let Some(id) = page.id {
        world.disconnect(id);
    }
}

impl Page {
    fn send(&self, frame: Value) {
        // This fails when the page is gone.
        let _ = self.out.send(frame);
    }

    fn later(&self, millis: u64, frame: Value) {
        let out = self.out.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            // This fails when the page is gone.
            let _ = out.send(frame);
        });
    }

    fn take(&mut self, frame: &Value) {
        let text = |key: &str| frame[key].as_str().unwrap_or_default().to_owned();
        if frame["type"] == "hello" {
            let id = self
                .world
                .connect(self.out.clone(), text("noise"), text("identity"));
            self.id = Some(id);
            return if frame["registered"] == true {
                self.login(id)
            } else {
                self.offer_qr()
            };
        }
        let Some(id) = self.id else { return };
        match frame["type"].as_str().unwrap_or_default() {
            "ref" => self.world.showed(id, text("ref"), text("adv")),
            "pair-done" => {
                self.world.paired(id, Ok(()));
                self.send(json!({"type": "stream-error", "code": 515}));
            }
            "pair-error" => self.world.paired(id, Err(text("reason"))),
            "companion-hello" => {
                let answer = self.world.companion_hello(id, frame);
                self.send(answer);
            }
            "companion-finish" => {
                let answer = frame["adv"]
                    .as_str()
                    .map(ToOwned::to_owned)
                    .ok_or_else(|| text("error"));
                self.world.companion_finish(id, answer);
            }
            "unpair" => self.world.unpair(id),
            "received" => self.world.confirm(&text("id")),
            "exists" => {
                let answer = match self.world.lookup(&text("wid")) {
                    Ok(value) => {
                        json!({"type": "answer", "request": frame["request"], "value": value})
                    }
                    Err(code) => {
                        json!({"type": "answer", "request": frame["request"], "error": code})
                    }
                };
                self.send(answer);
            }
            "reachout-timelock" => {
                let ends = self.world.lock().settings.timelock_ends;
                self.send(json!({"type": "answer", "request": frame["request"], "value": ends.map(|ends| json!({"ends": ends}))}));
            }
            "link-preview" => {
                let settings = self.world.lock().settings.clone();
                let answer = match settings.link_preview_error {
                    Some(code) => {
                        json!({"type": "answer", "request": frame["request"], "error": code})
                    }
                    None => {
                        json!({"type": "answer", "request": frame["request"], "value": settings.link_preview})
                    }
                };
                self.later(settings.link_preview_delay, answer);
            }
            "blocklist" => {
                let answer = match self.world.block(&text("wid"), frame["action"] == "block") {
                    Ok(()) => json!({"type": "answer", "request": frame["request"], "value": true}),
                    Err(code) => {
                        json!({"type": "answer", "request": frame["request"], "error": code})
                    }
                };
                self.send(answer);
            }
            "media-conn" => {
                let auth = self.world.lock().media.auth.clone();
                self.send(json!({"type": "answer", "request": frame["request"], "value": {"auth": auth, "ttl": 300}}));
            }
            "seen" => self.seen(text("chat"), &frame["request"]),
            // A file is opened beside the loop: a large one would hold up everything else.
            "msg" if frame["media"].is_object() => {
                let (page, frame) = (self.clone(), frame.clone());
                tokio::spawn(async move {
                    let media = open_for_recipient(&page.world, &frame).await;
                    page.message(id, &frame, media);
                });
            }
            "msg" => self.message(id, frame, None),
            "chatstate" => self.world.shown_typing(text("to"), text("state")),
            _ => passkey::take(&self.world, id, &self.out, frame),
        }
    }

    fn seen(&self, chat: String, request: &Value) {
        if self.world.seen(chat) {
            self.send(json!({"type": "answer", "request": request, "value": true}));
        }
    }

    fn offer_qr(&self) {
        let refs: Vec<String> = (0..BATCH)
            .map(|_| format!("2@{}", BASE64_STANDARD.encode(rand::random::<[u8; 32]>())))
            .collect();
        self.send(json!({"type": "pair-device", "refs": refs}));
    }

    fn login(&self, id: u64) {
        let Some(device) = self.world.login(id) else {
            return self.send(json!({"type": "failure", "code": 401}));
        };
        self.send(json!({"type": "connected"}));
        let refused = self.world.change(|state| {
            (!state.settings.login_failures.is_empty())
                .then(|| state.settings.login_failures.remove(0))
        });
        if let Some(code) = refused {
            self.send(json!({"type": "failure", "code": code}));
            return self.send(json!({"type": "_close"}));
        }
        self.send(json!({"type": "success", "pushname": device.account.pushname}));
        let (world, out) = (Arc::clone(&self.world), self.out.clone());
        let (delay, offline_delay) = {
            let state = world.lock();
            (state.settings.sync_delay, state.settings.offline_delay)
        };
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            // Each send fails only when the page is gone.
            let _ = out.send(json!({"type": "synced"}));
            for message in world.online(id) {
                let _ = out.send(message);
            }
            world.checkpoint_at_login(id);
            if let Some(delay) = offline_delay {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                let _ = out.send(json!({"type": "offline-end"}));
            }
        });
    }

    fn message(&self, id: u64, frame: &Value, media: Option<(ReceivedMedia, Option<Sealed>)>) {
        let (refused, lost) = self.world.sent(id, frame, media);
        if lost {
            return self.send(json!({"type": "_close"}));
        }
        let settings = self.world.lock().settings.clone();
        let message = frame["id"].clone();
        if let Some(code) = refused {
            return self.send(json!({"type": "ack", "id": message, "error": code, "t": now()}));
        }
        let Some(ack) = settings.ack_delay else {
            return;
        };
        self.later(ack, json!({"type": "ack", "id": message, "t": now()}));
        let Some(delivered) = settings.delivered_delay else {
            return;
        };
        self.later(
            ack + delivered,
            json!({"type": "receipt", "from": frame["to"], "ids": [message], "level": 2}),
        );
        let Some(read) = settings.read_delay else {
            return;
        };
        self.later(
            ack + delivered + read,
            json!({"type": "receipt", "from": frame["to"], "ids": [message], "level": 3}),
        );
    }
}
