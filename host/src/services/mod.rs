//! What the running gateway does for its callers: a service for each use, over the outbox, the
//! event log, the sessions and the store.
//!
//! A service's file has the whole of it: what is asked and answered, the trait that handlers call,
//! what stands behind it, and how a key of some sessions sees it. That last one is an
//! implementation of the same trait, so a method without a decision about restricted keys does not
//! compile.

mod all;
mod bulk;
mod deliveries;
mod held;
mod linking;
mod maintenance;
mod messages;
mod passkeys;
mod registry;
mod sending;
mod sends;
mod sessions;
mod view;

pub use self::{
    all::Services,
    bulk::{BulkOrders, OutboxBulkOrders},
    deliveries::{Deliveries, EventDeliveries},
    held::{HeldAction, HeldMessages, OutboxHeld},
    linking::{LinkFailure, Linking, SessionLinking},
    maintenance::{GatewayMaintenance, Maintenance, clean},
    messages::{Messages, OutboxMessages},
    passkeys::{HelperAddress, PasskeyFailure, Passkeys, SessionPasskeys},
    registry::{Registry, SessionAction, SessionFailure},
    sending::{OutboxSending, SendingControl},
    sends::{OutboxSends, SendFailure, SendReply, Sends},
    sessions::{HealthCheck, RegistrySessions, SessionInfo, Sessions},
    view::{Restricted, View},
};
