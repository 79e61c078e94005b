//! The router's state. A handler extracts the parts that it uses, each as its own
//! [`axum::extract::State`].

use std::{sync::Arc, time::Instant};

use axum::extract::FromRef;

use super::{bodies::Bodies, helper::Limit, reference::Document};
use crate::{
    config::Config,
    model::{ClientId, Region},
    services::{
        BulkOrders, Deliveries, HeldMessages, HelperAddress, Linking, Maintenance, Messages,
        Passkeys, PluginStorage, Plugins, SendingControl, Sends, Services, Sessions, View,
    },
};

/// The most calls per minute to helper pages with an unknown token, of all callers together.
const HELPER_MISSES: u32 = 600;

/// The state of the router. Cheap to clone, because every request clones it.
#[derive(Debug, Clone)]
pub(super) struct App {
    services: Arc<Services>,
    parts: Arc<Parts>,
}

/// The parts that are the same for every API key.
#[derive(Debug)]
struct Parts {
    defaults: Arc<Defaults>,
    helper: Arc<HelperAddress>,
    helper_misses: Arc<Limit>,
    bodies: Arc<Bodies>,
    started: Started,
    document: Arc<Document>,
}

/// Values for what a call leaves out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Defaults {
    /// The session of calls that name no session.
    pub(super) client: ClientId,
    /// The region that completes national numbers.
    pub(super) region: Option<Region>,
}

/// When the gateway started.
#[derive(Debug, Clone)]
pub(super) struct Started(Instant);

impl Started {
    /// Seconds since the gateway started.
    pub(super) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

impl App {
    pub(super) fn new(
        services: Services,
        config: &Config,
        helper: HelperAddress,
        document: Document,
    ) -> Self {
        let defaults = Defaults {
            client: config.sessions.default_client.clone(),
            // The configuration has checked it, so it always parses.
            region: config
                .send
                .default_region
                .as_deref()
                .and_then(|region| region.parse().ok()),
        };
        let parts = Parts {
            defaults: Arc::new(defaults),
            helper: Arc::new(helper),
            helper_misses: Arc::new(Limit::new(HELPER_MISSES)),
            bodies: Arc::new(Bodies::new(config.server.large_bodies.0)),
            started: Started(Instant::now()),
            document: Arc::new(document),
        };
        Self {
            services: Arc::new(services),
            parts: Arc::new(parts),
        }
    }

    /// The same state for a restricted key.
    pub(super) fn restricted(&self, view: &View) -> Self {
        Self {
            services: Arc::new(self.services.restricted(view)),
            parts: Arc::clone(&self.parts),
        }
    }

    pub(super) fn bodies(&self) -> &Bodies {
        &self.parts.bodies
    }
}

macro_rules! parts {
    ($($type:ty: $($place:ident).+;)*) => {$(
        impl FromRef<App> for $type {
            fn from_ref(app: &App) -> Self {
                app.$($place).+.clone()
            }
        }
    )*};
}

parts! {
    Arc<dyn Sessions>: services.sessions;
    Arc<dyn Linking>: services.linking;
    Arc<dyn Passkeys>: services.passkeys;
    Arc<dyn Sends>: services.sends;
    Arc<dyn Messages>: services.messages;
    Arc<dyn BulkOrders>: services.bulk;
    Arc<dyn SendingControl>: services.sending;
    Arc<dyn HeldMessages>: services.held;
    Arc<dyn Deliveries>: services.deliveries;
    Arc<dyn Plugins>: services.plugins;
    Arc<dyn PluginStorage>: services.storage;
    Arc<dyn Maintenance>: services.maintenance;
    Arc<Defaults>: parts.defaults;
    Arc<HelperAddress>: parts.helper;
    Arc<Limit>: parts.helper_misses;
    Arc<Bodies>: parts.bodies;
    Started: parts.started;
    Arc<Document>: parts.document;
}
