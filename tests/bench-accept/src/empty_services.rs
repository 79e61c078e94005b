//! Empty implementations of the services that are not measured.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use wharf::{
    events::{DeliveryFilter, DeliveryWithEvent, ReceiverReport},
    model::{ClientId, PhoneNumber, Restriction},
    outbox::{
        BulkRecipient, BulkReport, BulkRequest, ChangeError, Filter, Held, HistoryRow, Idempotency,
        Listed, OutboxId, OutboxRow, Sending, StoreError, StoredDecision,
    },
    plugins::{CandidateStatus, PluginStatus, Reloaded, Serving},
    services::{
        BulkOrders, Deliveries, Expected, HeldAction, HeldMessages, KvKey, KvValue, LinkFailure,
        Linking, Maintenance, Messages, PasskeyFailure, Passkeys, PluginFailure, PluginStorage,
        Plugins, SendFailure, SendingControl, Sends, Services, SessionAction, SessionFailure,
        SessionInfo, Sessions, StorageFailure, StorageOverview, StoredDifference,
    },
    session::{Cleanup, PairingView, PasskeyView, ProfileFate, Snapshot},
};

/// Services without any content.
#[derive(Debug, Clone, Copy)]
struct EmptyServices;

/// The API's services; only `sends` has an implementation.
pub(crate) fn services(sends: impl Sends) -> Services {
    let empty = Arc::new(EmptyServices);
    Services {
        sessions: empty.clone(),
        linking: empty.clone(),
        passkeys: empty.clone(),
        sends: Arc::new(sends),
        messages: empty.clone(),
        bulk: empty.clone(),
        sending: empty.clone(),
        held: empty.clone(),
        deliveries: empty.clone(),
        plugins: empty.clone(),
        storage: empty.clone(),
        maintenance: empty,
    }
}

fn unknown<T>(client: &ClientId) -> Result<T, SessionFailure> {
    Err(SessionFailure::Unknown(client.clone()))
}

#[async_trait]
impl Sessions for EmptyServices {
    fn get(&self, _: &ClientId) -> Option<Snapshot> {
        None
    }

    fn all(&self) -> Vec<(ClientId, Snapshot)> {
        vec![]
    }

    async fn info(&self, client: &ClientId) -> Result<SessionInfo, SessionFailure> {
        unknown(client)
    }

    async fn create(
        &self,
        client: ClientId,
        _: bool,
        _: Vec<(String, String)>,
    ) -> Result<(), SessionFailure> {
        unknown(&client)
    }

    async fn control(&self, client: &ClientId, _: SessionAction) -> Result<(), SessionFailure> {
        unknown(client)
    }

    async fn delete(&self, client: &ClientId, _: ProfileFate) -> Result<Cleanup, SessionFailure> {
        unknown(client)
    }
}

#[async_trait]
impl Linking for EmptyServices {
    async fn code(&self, client: &ClientId, _: &PhoneNumber) -> Result<PairingView, LinkFailure> {
        Err(LinkFailure::Unknown(client.clone()))
    }

    async fn cancel(&self, client: &ClientId) -> Result<(), LinkFailure> {
        Err(LinkFailure::Unknown(client.clone()))
    }
}

#[async_trait]
impl Passkeys for EmptyServices {
    async fn answer(&self, client: &ClientId, _: &[u8]) -> Result<PasskeyView, PasskeyFailure> {
        Err(PasskeyFailure::Unknown(client.clone()))
    }

    async fn confirm(&self, client: &ClientId, _: &str) -> Result<PasskeyView, PasskeyFailure> {
        Err(PasskeyFailure::Unknown(client.clone()))
    }

    async fn cancel(&self, client: &ClientId) -> Result<(), PasskeyFailure> {
        Err(PasskeyFailure::Unknown(client.clone()))
    }
}

#[async_trait]
impl Messages for EmptyServices {
    async fn get(&self, _: &OutboxId) -> Result<Option<(OutboxRow, Vec<HistoryRow>)>, StoreError> {
        Ok(None)
    }

    async fn decisions(
        &self,
        _: &OutboxId,
    ) -> Result<Option<(ClientId, Vec<StoredDecision>)>, StoreError> {
        Ok(None)
    }

    async fn list(&self, _: &Filter) -> Result<Listed, StoreError> {
        Ok(Listed {
            rows: vec![],
            unreadable: vec![],
            next: None,
        })
    }

    async fn search(&self, _: &str, _: &str) -> Result<Vec<OutboxRow>, StoreError> {
        Ok(vec![])
    }

    async fn cancel(&self, _: &OutboxId) -> Result<OutboxRow, ChangeError> {
        Err(ChangeError::Missing)
    }

    async fn retry(&self, _: &OutboxId) -> Result<OutboxRow, ChangeError> {
        Err(ChangeError::Missing)
    }

    async fn purge(&self, _: &ClientId) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl BulkOrders for EmptyServices {
    async fn repeated(&self, _: &Idempotency) -> Result<Option<String>, SendFailure> {
        Ok(None)
    }

    async fn create(&self, request: BulkRequest) -> Result<String, SendFailure> {
        Err(SendFailure::UnknownClient(request.client))
    }

    async fn get(&self, _: &str) -> Result<Option<BulkReport>, StoreError> {
        Ok(None)
    }

    async fn recipients(
        &self,
        _: &BulkReport,
        _: Option<&str>,
        _: i64,
        _: u32,
    ) -> Result<Vec<BulkRecipient>, StoreError> {
        Ok(vec![])
    }

    async fn cancel(&self, _: &BulkReport) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl SendingControl for EmptyServices {
    async fn get(&self, client: &ClientId) -> Result<(Sending, Vec<Restriction>), SessionFailure> {
        unknown(client)
    }

    async fn pause(&self, client: &ClientId, _: bool) -> Result<(), SessionFailure> {
        unknown(client)
    }

    async fn lift(&self, client: &ClientId) -> Result<(), SessionFailure> {
        unknown(client)
    }
}

#[async_trait]
impl HeldMessages for EmptyServices {
    async fn get(&self, client: &ClientId) -> Result<Held, SessionFailure> {
        unknown(client)
    }

    async fn change(&self, client: &ClientId, _: HeldAction) -> Result<Held, SessionFailure> {
        unknown(client)
    }
}

#[async_trait]
impl Deliveries for EmptyServices {
    async fn list(
        &self,
        _: &DeliveryFilter,
        _: Option<&str>,
        _: u32,
    ) -> Result<(Vec<DeliveryWithEvent>, Option<String>), StoreError> {
        Ok((vec![], None))
    }

    async fn get(&self, _: &str) -> Result<Option<DeliveryWithEvent>, StoreError> {
        Ok(None)
    }

    async fn receivers(&self) -> Result<Vec<ReceiverReport>, StoreError> {
        Ok(vec![])
    }

    async fn retry(&self, _: &str) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn retry_all(&self, _: &DeliveryFilter) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn purge(&self, _: &str) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn purge_all(&self, _: &DeliveryFilter) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl Maintenance for EmptyServices {
    async fn cleanup(&self, _: bool) -> Result<Cleanup, String> {
        Err("not in this bench".into())
    }

    fn metrics(&self) -> String {
        String::new()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Plugins for EmptyServices {
    fn all(&self) -> Vec<PluginStatus> {
        vec![]
    }

    async fn reload(&self, plugin: &str) -> Result<Reloaded, PluginFailure> {
        Err(PluginFailure::Unknown(plugin.to_owned()))
    }

    fn candidate(&self, plugin: &str) -> Result<CandidateStatus, PluginFailure> {
        Err(PluginFailure::Unknown(plugin.to_owned()))
    }

    async fn differences(
        &self,
        _: &str,
        _: Option<i64>,
        _: u32,
    ) -> Result<Vec<StoredDifference>, PluginFailure> {
        Ok(vec![])
    }

    fn of_session(&self, _: &ClientId) -> Result<Vec<Serving>, PluginFailure> {
        Ok(vec![])
    }

    async fn switch(
        &self,
        _: &ClientId,
        plugin: &str,
        _: Option<bool>,
    ) -> Result<Serving, PluginFailure> {
        Err(PluginFailure::Unknown(plugin.to_owned()))
    }
}

#[async_trait]
impl PluginStorage for EmptyServices {
    async fn overview(&self, plugin: &str) -> Result<StorageOverview, StorageFailure> {
        Err(StorageFailure::UnknownPlugin(plugin.to_owned()))
    }

    async fn keys(
        &self,
        _: &str,
        _: &Option<ClientId>,
        _: &str,
        _: Option<&str>,
        _: u32,
    ) -> Result<Vec<KvKey>, StorageFailure> {
        Ok(vec![])
    }

    async fn get(
        &self,
        _: &str,
        _: &Option<ClientId>,
        _: &str,
    ) -> Result<Option<KvValue>, StorageFailure> {
        Ok(None)
    }

    async fn set(
        &self,
        plugin: &str,
        _: &Option<ClientId>,
        _: &str,
        _: Expected,
        _: &[u8],
        _: Option<Duration>,
    ) -> Result<(), StorageFailure> {
        Err(StorageFailure::UnknownPlugin(plugin.to_owned()))
    }

    async fn delete(&self, _: &str, _: &Option<ClientId>, _: &str) -> Result<bool, StorageFailure> {
        Ok(false)
    }
}
