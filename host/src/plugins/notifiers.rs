//! [`Notifiers`] of the plugins as they are at each call.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    host::PluginHost,
    points::event_notification::{AttemptResult, Judgement, Notifiers, NotifyRequest},
    ports::{CallFailure, Subject},
    text::TargetName,
};
use crate::model::Envelope;

#[async_trait]
impl Notifiers for PluginHost {
    fn round(self: Arc<Self>) -> Arc<dyn Notifiers> {
        Arc::new(PluginHost::round(&self))
    }

    fn interested(&self, envelope: &Envelope) -> Vec<String> {
        PluginHost::round(self).interested(envelope)
    }

    async fn route(
        &self,
        plugin: &str,
        subject: &Subject,
        envelope: &Envelope,
    ) -> Result<Vec<TargetName>, CallFailure> {
        PluginHost::round(self)
            .route(plugin, subject, envelope)
            .await
    }

    async fn request(
        &self,
        plugin: &str,
        subject: &Subject,
        target: &str,
        envelope: &Envelope,
    ) -> Result<NotifyRequest, CallFailure> {
        PluginHost::round(self)
            .request(plugin, subject, target, envelope)
            .await
    }

    async fn judge(
        &self,
        plugin: &str,
        subject: &Subject,
        target: &str,
        attempt: &AttemptResult,
    ) -> Result<Judgement, CallFailure> {
        PluginHost::round(self)
            .judge(plugin, subject, target, attempt)
            .await
    }
}
