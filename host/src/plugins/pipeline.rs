//! The trait through which the outbox asks the plugins about an outgoing message. It combines two
//! extension points.

use std::fmt::Debug;

use async_trait::async_trait;

use super::{
    host::PluginHost,
    points::{
        message_templating::{RenderFailure, RenderRequest},
        send_validation::Decision,
    },
    ports::Subject,
};
use crate::model::{Content, OutboundMessage};

/// Decides about outgoing messages.
#[async_trait]
pub trait Pipeline: Send + Sync + Debug {
    /// Asks every validator in order. The first rejection ends it; a changed message is what the
    /// next validator sees.
    async fn validate(&self, subject: &Subject, message: OutboundMessage) -> Decision;

    /// Renders a template with the first plugin that has it.
    async fn render(
        &self,
        subject: &Subject,
        request: &RenderRequest,
    ) -> Result<Content, RenderFailure>;
}

#[async_trait]
impl Pipeline for PluginHost {
    async fn validate(&self, subject: &Subject, message: OutboundMessage) -> Decision {
        self.round().decide(subject, message).await
    }

    async fn render(
        &self,
        subject: &Subject,
        request: &RenderRequest,
    ) -> Result<Content, RenderFailure> {
        self.round().rendered(subject, request).await
    }
}
