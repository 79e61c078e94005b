//! One page of one browser. Every call has its own deadline, because CDP never answers after a
//! crash of the renderer.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chromiumoxide::{
    Browser, Page,
    cdp::{
        browser_protocol::{
            emulation::SetFocusEmulationEnabledParams,
            log, network,
            page::{
                AddScriptToEvaluateOnNewDocumentParams, EventJavascriptDialogOpening,
                HandleJavaScriptDialogParams, RemoveScriptToEvaluateOnNewDocumentParams,
                ScriptIdentifier,
            },
            performance,
            target::{CloseTargetParams, EventTargetCrashed, SetAutoAttachParams},
        },
        js_protocol::runtime::{AddBindingParams, EvaluateParams, EventBindingCalled},
    },
    error::CdpError,
    listeners::EventStream,
};
use futures_util::StreamExt;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tracing::warn;

use super::{
    BrowserEvent, TabError,
    connection::{Connection, QUICK, bounded, quick},
    process::{Report, measure},
    text::read_json,
};

/// How many events may wait to be received; further ones wait in the queue of the CDP library.
const NEWS: usize = 1024;
/// Bytes that a page may say at a time; what is longer is dropped, and told as
/// [`BrowserEvent::TooLarge`].
pub const MOST_SAID: usize = 8 << 20;

/// The outcome of a call into the page.
#[derive(Deserialize)]
struct Outcome {
    /// The return value.
    #[serde(default, deserialize_with = "some")]
    v: Option<Value>,
    /// The message of the error that it threw.
    e: Option<String>,
}

/// Reads a value so that a returned null is `Some(Value::Null)`.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A page. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tab {
    connection: Connection,
    page: Page,
    /// The place in a shared browser; `None` if the browser has only this page.
    place: Option<Arc<dyn SharedPlace>>,
    /// Set once the page is closed.
    left: Arc<watch::Sender<bool>>,
    /// Set as soon as the page is being closed.
    closing: Arc<AtomicBool>,
}

/// A script that runs first in every document of a page.
#[derive(Debug)]
pub struct FirstScript(ScriptIdentifier);

/// The place of a page in a browser that it shares with others.
#[async_trait]
pub(super) trait SharedPlace: Send + Sync + Debug {
    /// The number of pages in the browser, including this one.
    async fn neighbours(&self) -> u64;

    /// Closes the page; returns when the page or its browser is gone.
    async fn leave(&self);
}

/// Opens a blank page, closes all others, and attaches to it.
pub(super) async fn open(
    connection: Connection,
    tag: String,
) -> Result<(Tab, mpsc::Receiver<BrowserEvent>), TabError> {
    let page = quick(async {
        connection
            .browser
            .lock()
            .await
            .new_page("about:blank")
            .await
    })
    .await?;
    close_others(&*connection.browser.lock().await, &page).await;
    attach(connection, page, None, tag).await
}

/// Attaches to a page: forwards its events, and accepts its dialogs.
pub(super) async fn attach(
    connection: Connection,
    page: Page,
    place: Option<Arc<dyn SharedPlace>>,
    tag: String,
) -> Result<(Tab, mpsc::Receiver<BrowserEvent>), TabError> {
    let (sender, events) = mpsc::channel(NEWS);
    let opening = async {
        let crashes = connection
            .browser
            .lock()
            .await
            .event_listener::<EventTargetCrashed>()
            .await?;
        // Service workers never start while new targets wait for a debugger.
        page.execute(SetAutoAttachParams {
            auto_attach: true,
            wait_for_debugger_on_start: false,
            flatten: Some(true),
            filter: None,
        })
        .await?;
        let bindings = page.event_listener::<EventBindingCalled>().await?;
        let dialogs = page
            .event_listener::<EventJavascriptDialogOpening>()
            .await?;
        Ok::<_, CdpError>(Listeners {
            bindings,
            crashes,
            dialogs,
        })
    };
    let listeners = quick(opening).await?;
    let left = Arc::new(watch::Sender::new(false));
    let closing = Arc::new(AtomicBool::new(false));
    let listening = Listening {
        listeners,
        page: page.clone(),
        end: connection.end.clone(),
        left: left.subscribe(),
        closing: Arc::clone(&closing),
        tag,
    };
    tokio::spawn(listening.run(sender));
    Ok((
        Tab {
            connection,
            page,
            place,
            left,
            closing,
        },
        events,
    ))
}

/// What the browser tells of a page.
struct Listeners {
    bindings: EventStream<EventBindingCalled>,
    crashes: EventStream<EventTargetCrashed>,
    dialogs: EventStream<EventJavascriptDialogOpening>,
}

/// Passes the news of a page on. Ends with the page, and when nobody takes its news any more: a
/// browser that is shared goes on, and its own news never end.
struct Listening {
    listeners: Listeners,
    page: Page,
    end: watch::Receiver<Option<String>>,
    left: watch::Receiver<bool>,
    closing: Arc<AtomicBool>,
    tag: String,
}

impl Listening {
    async fn run(mut self, news: mpsc::Sender<BrowserEvent>) {
        let Listeners {
            bindings,
            crashes,
            dialogs,
        } = &mut self.listeners;
        loop {
            // In this order, so that nothing that the page has said follows its end.
            let event = tokio::select! {
                biased;
                () = news.closed() => return,
                Some(call) = bindings.next() => {
                    let size = call.payload.len();
                    if size > MOST_SAID {
                        BrowserEvent::TooLarge(size)
                    } else {
                        BrowserEvent::Binding(call.payload.clone())
                    }
                }
                Some(crash) = crashes.next() => {
                    // The pages are the first processes to be killed when a browser is closed.
                    if crash.target_id != *self.page.target_id() || self.closing.load(Ordering::Relaxed) {
                        continue;
                    }
                    BrowserEvent::Crashed(format!("{} ({})", crash.status, crash.error_code))
                }
                Some(dialog) = dialogs.next() => {
                    warn!(session = self.tag, kind = ?dialog.r#type, "the page opened a dialog; accepted");
                    // Not waited for here: the page may have more to say.
                    tokio::spawn(accept_dialog(self.page.clone()));
                    continue;
                }
                said = last_words(&mut self.end) => {
                    // Fails when nobody listens any more: the page is being closed.
                    let _ = news.send(BrowserEvent::Closed(said)).await;
                    return;
                }
                () = is_left(&mut self.left) => return,
            };
            if news.send(event).await.is_err() {
                return;
            }
        }
    }
}

/// What was said last, once the browser has ended.
async fn last_words(end: &mut watch::Receiver<Option<String>>) -> String {
    let said = end.wait_for(Option::is_some).await;
    said.ok().and_then(|said| said.clone()).unwrap_or_default()
}

/// Waits until the page is closed by us. A page that is only forgotten goes on.
async fn is_left(left: &mut watch::Receiver<bool>) {
    if left.wait_for(|left| *left).await.is_err() {
        std::future::pending().await
    }
}

async fn accept_dialog(page: Page) {
    let _ = timeout(QUICK, page.execute(HandleJavaScriptDialogParams::new(true))).await;
}

/// A restored profile may open pages of its own; two pages of WhatsApp Web fight for the login.
async fn close_others(browser: &Browser, page: &Page) {
    let others = timeout(QUICK, browser.pages())
        .await
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default();
    for other in others
        .iter()
        .filter(|other| other.target_id() != page.target_id())
    {
        let _ = timeout(
            QUICK,
            browser.execute(CloseTargetParams::new(other.target_id().clone())),
        )
        .await;
    }
}

impl Tab {
    /// Installs a binding, and a script that runs before any other in every new document.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn prepare(&self, binding: &str, script: &str) -> Result<FirstScript, TabError> {
        quick(async {
            self.page.execute(AddBindingParams::new(binding)).await?;
            let added = self
                .page
                .execute(AddScriptToEvaluateOnNewDocumentParams::new(script))
                .await?;
            // WhatsApp Web takes a page without focus for unavailable.
            self.page
                .execute(SetFocusEmulationEnabledParams::new(true))
                .await?;
            Ok(FirstScript(added.result.identifier))
        })
        .await
    }

    /// Puts another script in the place of one that runs first. A document that begins meanwhile
    /// gets the earlier one, or both, the earlier one first.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn replace(
        &self,
        earlier: FirstScript,
        script: &str,
    ) -> Result<FirstScript, TabError> {
        quick(async {
            let added = self
                .page
                .execute(AddScriptToEvaluateOnNewDocumentParams::new(script))
                .await?;
            self.page
                .execute(RemoveScriptToEvaluateOnNewDocumentParams::new(earlier.0))
                .await?;
            Ok(FirstScript(added.result.identifier))
        })
        .await
    }

    /// Opens an address and waits until the page has loaded.
    ///
    /// # Errors
    /// [`TabError::Unreachable`] with the browser's error text, and an error when the browser does
    /// not answer.
    pub async fn goto(&self, url: &str, limit: Duration) -> Result<(), TabError> {
        let unreachable = |reason: String| TabError::Unreachable {
            url: url.to_owned(),
            reason,
        };
        match timeout(limit, self.page.goto(url)).await {
            Ok(Ok(_)) => self.be_quiet().await,
            Ok(Err(CdpError::Timeout)) | Err(_) => {
                Err(unreachable(format!("not loaded within {limit:?}")))
            }
            Ok(Err(error)) => Err(unreachable(error.to_string())),
        }
    }

    /// Turns off CDP domains that the library has enabled and nothing here uses: otherwise each
    /// frame of the page's own connection would be an event of some hundred bytes that is parsed
    /// and dropped.
    async fn be_quiet(&self) -> Result<(), TabError> {
        quick(async {
            self.page.execute(network::DisableParams::default()).await?;
            self.page.execute(log::DisableParams::default()).await?;
            self.page
                .execute(performance::DisableParams::default())
                .await?;
            Ok(())
        })
        .await
    }

    /// Calls a JavaScript function in the page's main world and waits for its promise. `undefined`
    /// is returned as null.
    ///
    /// # Errors
    /// [`TabError::Script`] when the function throws; the other variants when there is no answer.
    pub async fn call(
        &self,
        function: &str,
        args: &[Value],
        limit: Duration,
    ) -> Result<Value, TabError> {
        let args = args
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(",");
        // Over CDP a null result cannot be told from none, so result and error are both wrapped.
        // They are returned as text, because the library drops an answer that contains half a
        // surrogate pair, and the caller would wait for it until the deadline.
        let expression = format!(
            "(async()=>{{try{{const v=await({function})({args});return JSON.stringify({{v:v===undefined?null:v}})}}\
             catch(e){{return JSON.stringify({{e:String((e&&e.message)||e)}})}}}})()"
        );
        let params = EvaluateParams::builder()
            .expression(expression)
            .await_promise(true)
            .return_by_value(true)
            .build()
            .map_err(TabError::Script)?;
        let answer = bounded(limit, self.page.execute(params)).await?.result;
        if let Some(exception) = answer.exception_details {
            return Err(TabError::Script(
                exception
                    .exception
                    .and_then(|e| e.description)
                    .unwrap_or(exception.text),
            ));
        }
        let Some(Value::String(text)) = answer.result.value else {
            return Err(TabError::Gone("the page was loaded anew".into()));
        };
        match read_json(&text) {
            Ok(Outcome { v: Some(value), .. }) => Ok(value),
            Ok(Outcome { e, .. }) => Err(TabError::Script(e.unwrap_or_default())),
            Err(error) => Err(TabError::Gone(format!(
                "an unreadable answer ({:?})",
                error.classify()
            ))),
        }
    }

    /// Reloads the page, without waiting until it has loaded.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn reload(&self) -> Result<(), TabError> {
        use chromiumoxide::cdp::browser_protocol::page::ReloadParams;
        quick(async { self.page.execute(ReloadParams::default()).await.map(|_| ()) }).await
    }

    /// Measures processes and memory. Reads `/proc` on a blocking thread.
    pub async fn report(&self) -> Report {
        let (pid, product) = (
            self.connection.process.pid(),
            self.connection.product.clone(),
        );
        let whole = tokio::task::spawn_blocking(move || measure(pid, product))
            .await
            .unwrap_or_default();
        match &self.place {
            // It is not known for every process which page it serves.
            Some(place) => whole.share(place.neighbours().await),
            None => whole,
        }
    }

    /// Closes the page, and the browser cleanly when nobody else has a page in it; what does not
    /// close within [`LaunchOptions::close_grace`](super::LaunchOptions::close_grace) is killed. The
    /// page's news end then.
    pub async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        match &self.place {
            None => self.connection.process.leave().await,
            Some(place) => {
                place.leave().await;
                self.left.send_replace(true);
            }
        }
    }
}
