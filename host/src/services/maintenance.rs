//! Maintenance of the gateway: cleaning the session directory, metrics, readiness.

use std::{
    fmt,
    fmt::Debug,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{sync::Mutex, time::Instant};
use tracing::error;

use super::{registry::Registry, view::Restricted};
use crate::{
    model::{ClientId, SessionState},
    outbox::StoreError,
    session::{self, Cleanup, SessionHandle},
    store::Store,
};

/// The age at which folders of unknown sessions may be removed, as in the original service. Logins
/// are never deleted, however old.
const ORPHAN_AGE: Duration = Duration::from_secs(7 * 86_400);
/// How long the result of a readiness check is reused.
const CHECKED_FOR: Duration = Duration::from_secs(1);

/// Maintenance of the gateway as a whole.
#[async_trait]
pub trait Maintenance: Send + Sync + Debug + 'static {
    /// Cleans the session directory, or only reports what would be done.
    async fn cleanup(&self, dry_run: bool) -> Result<Cleanup, String>;

    /// Metrics in the Prometheus text format.
    fn metrics(&self) -> String;

    /// Whether the gateway can accept messages now; the error says why not.
    async fn ready(&self) -> Result<(), StoreError>;
}

/// Cleans the session path, or only reports what would be done. Sessions with a browser are left
/// alone.
///
/// # Errors
/// If the path cannot be read; the error is the system's message.
pub async fn clean(root: &Path, registry: &Registry, dry_run: bool) -> Result<Cleanup, String> {
    let root = root.to_owned();
    let sessions = registry.all();
    let known: Vec<ClientId> = sessions
        .iter()
        .map(|handle| handle.client().clone())
        .collect();
    let at_rest = |handle: &&SessionHandle| {
        let state = handle.snapshot().borrow().state;
        matches!(
            state,
            SessionState::Disconnected | SessionState::Error | SessionState::AuthFailure
        )
    };
    let idle: Vec<ClientId> = sessions
        .iter()
        .filter(at_rest)
        .map(|handle| handle.client().clone())
        .collect();
    let done = tokio::task::spawn_blocking(move || {
        session::clean(&root, &known, &idle, ORPHAN_AGE, dry_run)
    })
    .await;
    done.map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}

/// The maintenance of this gateway.
pub struct GatewayMaintenance {
    root: PathBuf,
    registry: Arc<Registry>,
    store: Store,
    metrics: PrometheusHandle,
    /// The result of the last readiness check, and when it was made.
    checked: Mutex<Option<(Instant, Result<(), StoreError>)>>,
}

impl Debug for GatewayMaintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayMaintenance")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl GatewayMaintenance {
    /// `root` is the session path.
    #[must_use]
    pub fn new(
        root: PathBuf,
        registry: Arc<Registry>,
        store: Store,
        metrics: PrometheusHandle,
    ) -> Self {
        Self {
            root,
            registry,
            store,
            metrics,
            checked: Mutex::default(),
        }
    }
}

#[async_trait]
impl Maintenance for GatewayMaintenance {
    async fn cleanup(&self, dry_run: bool) -> Result<Cleanup, String> {
        clean(&self.root, &self.registry, dry_run).await
    }

    fn metrics(&self) -> String {
        self.metrics.render()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        // The probe needs no API key, so the database is checked at most once a second, however
        // often it is called.
        let mut last = self.checked.lock().await;
        match &*last {
            Some((at, result)) if at.elapsed() < CHECKED_FOR => result.clone(),
            _ => {
                let result = self.store.check().await;
                let before = last.as_ref().map(|(_, result)| result);
                // Probes get only a code; the cause is logged, once.
                if let Err(error) = &result
                    && before != Some(&result)
                {
                    error!(%error, "the gateway is not ready: its database cannot be written");
                }
                *last = Some((Instant::now(), result.clone()));
                result
            }
        }
    }
}

#[async_trait]
impl Maintenance for Restricted<dyn Maintenance> {
    async fn cleanup(&self, dry_run: bool) -> Result<Cleanup, String> {
        if self.view.sees_all() {
            self.whole.cleanup(dry_run).await
        } else {
            Err("this key is limited to some sessions".into())
        }
    }

    fn metrics(&self) -> String {
        if self.view.sees_all() {
            self.whole.metrics()
        } else {
            String::new()
        }
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.whole.ready().await
    }
}
