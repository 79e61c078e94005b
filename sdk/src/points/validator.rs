//! `send-validation`: decides whether an outbound message may be sent.

use std::time::Duration;

use crate::{CallContext, Error, OutboundMessage, Plugin};

/// Decides whether an outbound message may be sent.
pub trait Validator: Plugin {
    /// Decides about one message. Called when the message is accepted, and again with the same
    /// `subject_id` before it is sent if it was scheduled, has waited long, or its chat has turned
    /// out to be a different one.
    ///
    /// # Errors
    /// A failure of the plugin itself; what happens to the message then is the operator's
    /// `on_error`.
    fn validate(&self, ctx: &CallContext, message: &OutboundMessage) -> Result<Verdict, Error>;
}

/// The decision about a message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "it is made once a call, and a box would be one more thing to write for its authors"
)]
pub enum Verdict {
    /// The message may be sent.
    Allow,
    /// The message may not be sent.
    Reject(Rejection),
    /// This message is to be sent instead. The host refuses that if the operator has not set
    /// `may_modify`, or if the recipient differs.
    Modify(OutboundMessage),
}

/// Why a message may not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// A stable, machine-readable code in `snake_case`, which becomes part of the API response.
    pub code: String,
    /// The reason for people, in one line.
    pub reason: String,
    /// When the message may be sent again, in milliseconds from now.
    pub retry_after_ms: Option<u32>,
}

impl Rejection {
    /// A rejection without a time at which to try again.
    #[must_use]
    pub fn new(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
            retry_after_ms: None,
        }
    }

    /// Sets when the message may be sent again. More than 49 days become 49 days.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after_ms = Some(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX));
        self
    }
}

impl From<Rejection> for Verdict {
    fn from(rejection: Rejection) -> Self {
        Self::Reject(rejection)
    }
}

/// Checks for `export!` that a plugin implements this extension point.
#[doc(hidden)]
pub const fn required<P: Validator>() {}

/// The generated types; in a component only.
#[cfg(target_family = "wasm")]
pub mod bindings {
    #![allow(
        missing_docs,
        missing_debug_implementations,
        unreachable_pub,
        clippy::all,
        reason = "generated"
    )]

    wit_bindgen::generate!({
        path: "wit/v0.2",
        inline: "package wharf:sdk; world validator { export wharf:plugin/send-validation@0.2.0; }",
        world: "wharf:sdk/validator",
        pub_export_macro: true,
        default_bindings_module: "wharf_plugin::points::validator::bindings",
        with: {
            "wharf:plugin/calls@0.2.0": crate::glue::core::wharf::plugin::calls,
            "wharf:plugin/messages@0.2.0": crate::glue::core::wharf::plugin::messages,
            "wharf:plugin/send-validation@0.2.0": generate,
        },
    });
}

#[cfg(target_family = "wasm")]
mod glue {
    use super::{Rejection, Validator, Verdict, bindings::exports::wharf::plugin::send_validation};
    use crate::glue::{
        Exported, Instance,
        core::wharf::plugin::{calls, messages},
        instance,
    };

    impl<P: Instance + Validator> send_validation::Guest for Exported<P> {
        fn validate(
            ctx: calls::CallContext,
            message: messages::OutboundMessage,
        ) -> Result<send_validation::Verdict, calls::Error> {
            Ok(instance::<P>()?
                .validate(&ctx.into(), &message.into())?
                .into())
        }
    }

    impl From<Verdict> for send_validation::Verdict {
        fn from(verdict: Verdict) -> Self {
            match verdict {
                Verdict::Allow => Self::Allow,
                Verdict::Reject(Rejection {
                    code,
                    reason,
                    retry_after_ms,
                }) => Self::Reject(send_validation::Rejection {
                    code,
                    reason,
                    retry_after_ms,
                    extra: Vec::new(),
                }),
                Verdict::Modify(message) => Self::Modify(message.into()),
            }
        }
    }
}
