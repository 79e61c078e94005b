//! All services together, as they are passed to the API.

use std::sync::Arc;

use super::{
    bulk::BulkOrders,
    deliveries::Deliveries,
    held::HeldMessages,
    linking::Linking,
    maintenance::Maintenance,
    messages::Messages,
    passkeys::Passkeys,
    plugins::Plugins,
    sending::SendingControl,
    sends::Sends,
    sessions::Sessions,
    storage::PluginStorage,
    view::{Restricted, View},
};

/// One of each service.
#[derive(Debug, Clone)]
pub struct Services {
    /// Creates, shows, controls and deletes sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Linking by phone number.
    pub linking: Arc<dyn Linking>,
    /// Passkey ceremonies.
    pub passkeys: Arc<dyn Passkeys>,
    /// Accepts messages to be sent.
    pub sends: Arc<dyn Sends>,
    /// Lists, shows, cancels and retries accepted messages.
    pub messages: Arc<dyn Messages>,
    /// Bulk orders.
    pub bulk: Arc<dyn BulkOrders>,
    /// Pausing and restrictions of a session's sending.
    pub sending: Arc<dyn SendingControl>,
    /// Messages held because they were accepted for a previous account.
    pub held: Arc<dyn HeldMessages>,
    /// Deliveries of events.
    pub deliveries: Arc<dyn Deliveries>,
    /// The plugins, and the sessions that they serve.
    pub plugins: Arc<dyn Plugins>,
    /// The key-value storage of plugins.
    pub storage: Arc<dyn PluginStorage>,
    /// Clean-up, metrics and readiness.
    pub maintenance: Arc<dyn Maintenance>,
}

impl Services {
    /// The services as a restricted API key sees them.
    #[must_use]
    pub fn restricted(&self, view: &View) -> Self {
        Self {
            sessions: Restricted::new(&self.sessions, view),
            linking: Restricted::new(&self.linking, view),
            passkeys: Restricted::new(&self.passkeys, view),
            sends: Restricted::new(&self.sends, view),
            messages: Restricted::new(&self.messages, view),
            bulk: Restricted::new(&self.bulk, view),
            sending: Restricted::new(&self.sending, view),
            held: Restricted::new(&self.held, view),
            deliveries: Restricted::new(&self.deliveries, view),
            plugins: Restricted::new(&self.plugins, view),
            storage: Restricted::new(&self.storage, view),
            maintenance: Restricted::new(&self.maintenance, view),
        }
    }
}
