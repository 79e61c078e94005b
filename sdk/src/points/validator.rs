//! `send-validation`: deciding whether an outbound message may leave.

use std::time::Duration;

use crate::{CallContext, Error, OutboundMessage, Plugin};

/// Decides whether an outbound message may leave.
pub trait Validator: Plugin {
    /// Decides about one message. Asked when the message is accepted, and again at the moment of
    /// sending when it was scheduled or waited long, with the same `subject_id`.
    ///
    /// # Errors
    /// A failure of the plugin itself; what happens to the message then is the operator's
    /// `on_error`.
    fn validate(&self, ctx: &CallContext, message: &OutboundMessage) -> Result<Verdict, Error>;
}

/// The decision about a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It may leave.
    Allow,
    /// It may not.
    Reject(Rejection),
    /// This message is to be sent instead. The host refuses it without the operator's `may_modify`,
    /// and when the recipient differs.
    Modify(OutboundMessage),
}

/// Why a message may not leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Stable, machine-readable, `snake_case`; becomes part of the API answer.
    pub code: String,
    /// The reason for people, one line.
    pub reason: String,
    /// When it may be tried again, in milliseconds from now.
    pub retry_after_ms: Option<u32>,
}

impl Rejection {
    /// A rejection without a time at which another try may succeed.
    #[must_use]
    pub fn new(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
            retry_after_ms: None,
        }
    }

    /// Sets when it may be tried again. More than 49 days become 49 days.
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

/// What `export!` demands of a plugin with this extension point.
#[doc(hidden)]
pub const fn required<P: Validator>() {}

/// The generated types, in a component alone.
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
        path: "../wit/v0.1",
        inline: "package wharf:sdk; world validator { export wharf:plugin/send-validation@0.1.0; }",
        world: "wharf:sdk/validator",
        pub_export_macro: true,
        default_bindings_module: "wharf_plugin::points::validator::bindings",
        with: {
            "wharf:plugin/calls@0.1.0": crate::glue::core::wharf::plugin::calls,
            "wharf:plugin/messages@0.1.0": crate::glue::core::wharf::plugin::messages,
            "wharf:plugin/send-validation@0.1.0": generate,
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
                }),
                Verdict::Modify(message) => Self::Modify(message.into()),
            }
        }
    }
}
