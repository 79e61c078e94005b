//! All services together, as the API gets them.

use std::sync::Arc;

use super::{
    bulk::BulkOrders,
    deliveries::Deliveries,
    held::HeldMessages,
    linking::Linking,
    maintenance::Maintenance,
    messages::Messages,
    passkeys::Passkeys,
    sending::SendingControl,
    sends::Sends,
    sessions::Sessions,
    view::{Restricted, View},
};

/// One of each.
#[derive(Debug, Clone)]
pub struct Services {
    /// Sessions, looked at, made, told and taken away.
    pub sessions: Arc<dyn Sessions>,
    /// Linking by phone number.
    pub linking: Arc<dyn Linking>,
    /// Passkeys that WhatsApp asks for.
    pub passkeys: Arc<dyn Passkeys>,
    /// Sending.
    pub sends: Arc<dyn Sends>,
    /// Accepted messages, found and changed.
    pub messages: Arc<dyn Messages>,
    /// One message to many.
    pub bulk: Arc<dyn BulkOrders>,
    /// Pausing a session's sends.
    pub sending: Arc<dyn SendingControl>,
    /// What waits for another account.
    pub held: Arc<dyn HeldMessages>,
    /// Deliveries of events.
    pub deliveries: Arc<dyn Deliveries>,
    /// What operators and platforms ask.
    pub maintenance: Arc<dyn Maintenance>,
}

impl Services {
    /// The same as a key sees them that does not see everything.
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
            maintenance: Restricted::new(&self.maintenance, view),
        }
    }
}
