//! The line 0.1 of the contract: its generated types, and the calls of its plugins.
//!
//! A plugin of this line sees what the line cannot say as `other`, with the JSON that the line has
//! always had for it. What it gives back keeps what the line cannot say. Its host functions are
//! those of the present line.

mod convert;
mod events;
mod host;
mod messages;

use wasmtime::Store;

use self::{
    bindings::exports::wharf::plugin::{
        event_notification, lifecycle, message_templating, send_validation,
    },
    messages::restored,
};
use crate::plugins::{
    bindings::{
        exports::wharf::plugin::lifecycle as now_lifecycle,
        wharf::plugin::{calls as now_calls, messages as now_messages},
    },
    host_state::HostState,
    points::{
        event_notification::bindings::exports::wharf::plugin::event_notification as now_events,
        message_templating::bindings::exports::wharf::plugin::message_templating as now_templates,
        send_validation::bindings::exports::wharf::plugin::send_validation as now_validation,
    },
};

pub(in crate::plugins) use host::add_to_linker;

/// The generated types.
pub(in crate::plugins) mod bindings {
    #![allow(
        missing_docs,
        missing_debug_implementations,
        unreachable_pub,
        clippy::all,
        clippy::pedantic,
        reason = "generated"
    )]

    wasmtime::component::bindgen!({
        path: "../wit/v0.1",
        world: "wharf:plugin/everything",
        imports: { default: async | trappable },
        exports: { default: async },
        require_store_data_send: true,
        additional_derives: [PartialEq],
    });
}

type Called<T> = wasmtime::Result<T>;
type Answered<T> = wasmtime::Result<Result<T, now_calls::Error>>;

/// Asks a plugin what it says of itself.
pub(in crate::plugins) async fn describe(
    guest: &lifecycle::Guest,
    store: &mut Store<HostState>,
) -> Called<now_lifecycle::PluginInfo> {
    Ok(guest.call_describe(store).await?.into())
}

/// Configures an instance.
pub(in crate::plugins) async fn configure(
    guest: &lifecycle::Guest,
    store: &mut Store<HostState>,
    config: &str,
) -> Called<Result<(), Vec<now_lifecycle::ConfigIssue>>> {
    let answer = guest.call_configure(store, config).await?;
    Ok(answer.map_err(|issues| issues.into_iter().map(Into::into).collect()))
}

/// Asks a validator about a message.
pub(in crate::plugins) async fn validate(
    guest: &send_validation::Guest,
    store: &mut Store<HostState>,
    context: &now_calls::CallContext,
    message: &now_messages::OutboundMessage,
) -> Answered<now_validation::Verdict> {
    let answer = guest
        .call_validate(store, &context.into(), &message.into())
        .await?;
    let verdict = answer.map(|verdict| match verdict {
        send_validation::Verdict::Allow => now_validation::Verdict::Allow,
        send_validation::Verdict::Reject(rejection) => {
            now_validation::Verdict::Reject(rejection.into())
        }
        send_validation::Verdict::Modify(changed) => {
            now_validation::Verdict::Modify(restored(changed, message))
        }
    });
    Ok(verdict.map_err(Into::into))
}

/// The templates of a configured instance.
pub(in crate::plugins) async fn templates(
    guest: &message_templating::Guest,
    store: &mut Store<HostState>,
) -> Called<Vec<now_templates::TemplateInfo>> {
    let templates = guest.call_templates(store).await?;
    Ok(templates.into_iter().map(Into::into).collect())
}

/// Renders a template.
pub(in crate::plugins) async fn render(
    guest: &message_templating::Guest,
    store: &mut Store<HostState>,
    context: &now_calls::CallContext,
    request: &now_templates::RenderRequest,
) -> Called<Result<now_templates::Rendered, now_templates::RenderError>> {
    let answer = guest
        .call_render(store, &context.into(), &request.into())
        .await?;
    let rendered = |content: bindings::wharf::plugin::messages::Content| now_templates::Rendered {
        content: content.into(),
        extra: vec![],
    };
    Ok(answer.map(rendered).map_err(Into::into))
}

/// Asks a notifier for the targets of an event. `untyped` is the event as `other`.
pub(in crate::plugins) async fn route(
    guest: &event_notification::Guest,
    store: &mut Store<HostState>,
    context: &now_calls::CallContext,
    envelope: &now_events::Envelope,
    untyped: Option<&now_events::OtherEvent>,
) -> Answered<Vec<String>> {
    let envelope = events::envelope(envelope, untyped);
    let answer = guest.call_route(store, &context.into(), &envelope).await?;
    Ok(answer.map_err(Into::into))
}

/// Asks a notifier for the request for one target. `untyped` is the event as `other`.
pub(in crate::plugins) async fn request(
    guest: &event_notification::Guest,
    store: &mut Store<HostState>,
    context: &now_calls::CallContext,
    target: &str,
    envelope: &now_events::Envelope,
    untyped: Option<&now_events::OtherEvent>,
) -> Answered<now_events::HttpRequest> {
    let envelope = events::envelope(envelope, untyped);
    let answer = guest
        .call_request(store, &context.into(), target, &envelope)
        .await?;
    Ok(answer.map(Into::into).map_err(Into::into))
}

/// Asks a notifier what the result of an attempt means.
pub(in crate::plugins) async fn judge(
    guest: &event_notification::Guest,
    store: &mut Store<HostState>,
    context: &now_calls::CallContext,
    target: &str,
    attempt: &now_events::AttemptResult,
) -> Answered<now_events::Judgement> {
    let answer = guest
        .call_judge(store, &context.into(), target, &attempt.into())
        .await?;
    Ok(answer.map(Into::into).map_err(Into::into))
}
