//! What turns a plugin into a component. Not part of the public interface; exists in wasm only.
//!
//! Each extension point has its own private world, so that a component exports exactly the points its
//! author named: the component linker unions the worlds. They share one set of generated types, which
//! [`convert`] turns into the plain ones authors see.

use std::{any::TypeId, marker::PhantomData, sync::OnceLock};

use crate::{Error, NoConfig, Notifier, Plugin, Templater, Validator};

mod bindings;
mod convert;
mod convert_event;
pub mod imports;

pub use bindings::{core, notification, templating, validation};

use bindings::{
    core::{
        exports::wharf::plugin::lifecycle,
        wharf::plugin::{calls, messages},
    },
    notification::exports::wharf::plugin::event_notification,
    templating::exports::wharf::plugin::message_templating,
    validation::exports::wharf::plugin::send_validation,
};

/// Implemented by `export!`: where the one configured value of this instance lives.
pub trait Instance: Plugin {
    /// Empty until `configure`.
    fn cell() -> &'static OnceLock<Self>;
}

/// Answers the host's calls with a plugin.
#[derive(Debug)]
pub struct Exported<P>(PhantomData<P>);

fn instance<P: Instance>() -> Result<&'static P, Error> {
    P::cell().get().ok_or_else(|| Error::Internal("the host called the plugin before `configure`".into()))
}

/// None means to the host that there is no configuration, so a plugin that has one says at least that it is an object:
/// its type does the rest.
fn config_schema<P: Plugin>() -> Option<String> {
    let has_config = TypeId::of::<P::Config>() != TypeId::of::<NoConfig>();
    P::INFO.config_schema.or(has_config.then_some(r#"{"type": "object"}"#)).map(Into::into)
}

impl<P: Instance> lifecycle::Guest for Exported<P> {
    fn describe() -> lifecycle::PluginInfo {
        lifecycle::PluginInfo {
            name: P::INFO.name.into(),
            version: P::INFO.version.into(),
            description: P::INFO.description.into(),
            config_schema: config_schema::<P>(),
            events: P::INFO.events.iter().map(|event| (*event).into()).collect(),
        }
    }

    fn configure(config: String) -> Result<(), Vec<lifecycle::ConfigIssue>> {
        let issue = |issue: crate::ConfigIssue| lifecycle::ConfigIssue { path: issue.path, message: issue.message };
        let plugin = crate::configure::<P>(&config).map_err(|issues| issues.into_vec().into_iter().map(issue).collect::<Vec<_>>())?;
        P::cell().set(plugin).map_err(|_| vec![lifecycle::ConfigIssue { path: String::new(), message: "the instance is already configured".into() }])
    }
}

impl<P: Instance + Validator> send_validation::Guest for Exported<P> {
    fn validate(ctx: calls::CallContext, message: messages::OutboundMessage) -> Result<send_validation::Verdict, calls::Error> {
        Ok(instance::<P>()?.validate(&ctx.into(), &message.into())?.into())
    }
}

impl<P: Instance + Templater> message_templating::Guest for Exported<P> {
    fn templates() -> Vec<message_templating::TemplateInfo> {
        instance::<P>().map(|plugin| plugin.templates().into_iter().map(Into::into).collect()).unwrap_or_default()
    }

    fn render(ctx: calls::CallContext, request: message_templating::RenderRequest) -> Result<messages::Content, message_templating::RenderError> {
        let plugin = instance::<P>().map_err(crate::RenderError::Failed)?;
        Ok(plugin.render(&ctx.into(), &request.into())?.into())
    }
}

impl<P: Instance + Notifier> event_notification::Guest for Exported<P> {
    fn route(ctx: calls::CallContext, envelope: event_notification::Envelope) -> Result<Vec<String>, calls::Error> {
        Ok(instance::<P>()?.route(&ctx.into(), &envelope.into())?)
    }

    fn request(
        ctx: calls::CallContext,
        target: String,
        envelope: event_notification::Envelope,
    ) -> Result<event_notification::HttpRequest, calls::Error> {
        Ok(instance::<P>()?.request(&ctx.into(), &target, &envelope.into())?.into())
    }

    fn judge(
        ctx: calls::CallContext,
        target: String,
        attempt: event_notification::AttemptResult,
    ) -> Result<event_notification::Judgement, calls::Error> {
        Ok(instance::<P>()?.judge(&ctx.into(), &target, &attempt.into())?.into())
    }
}
