//! The services that the running gateway offers to its API: one for each use, on top of the outbox,
//! the event log, the sessions and the store.
//!
//! A service's file defines it completely: its types, the trait that handlers call, the
//! implementation, and the view of a restricted key. That view implements the same trait, so a
//! method without a decision about restricted keys does not compile.

mod all;
mod bulk;
mod deliveries;
mod held;
mod linking;
mod maintenance;
mod messages;
mod passkeys;
mod plugins;
mod registry;
mod sending;
mod sends;
mod sessions;
mod storage;
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
    plugins::{HostPlugins, PluginFailure, Plugins, ReadEntries, StoredDifference},
    registry::{Registry, SessionAction, SessionFailure},
    sending::{OutboxSending, SendingControl},
    sends::{OutboxSends, SendFailure, SendReply, Sends},
    sessions::{HealthCheck, RegistrySessions, SessionInfo, Sessions},
    storage::{
        Expected, KvKey, KvUsage, KvValue, Namespace, PluginStorage, StorageFailure, StorageGrant,
        StorageOverview, StoredPluginData,
    },
    view::{Restricted, View},
};
