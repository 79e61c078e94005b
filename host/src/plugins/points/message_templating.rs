//! `message-templating`: renders named templates.
//!
//! The names of a plugin's templates are requested once, when it is loaded. The first plugin of the
//! session that has a template of the requested name renders it.

use std::collections::BTreeMap;

use serde::Serialize;
use tracing::warn;
use wasmtime::Store;

use self::bindings::exports::wharf::plugin::message_templating;
use super::point::{Point, exports};
use crate::{
    model::{ClientId, Content},
    plugins::{
        bindings::wharf::plugin::calls,
        convert::unusable,
        guest::{Call, Plugin, Ready},
        host_state::HostState,
        lines::{
            Line,
            v0_1::{
                self,
                bindings::exports::wharf::plugin::message_templating as message_templating_0_1,
            },
        },
        ports::{Busy, CallFailure, FailureKind, Subject},
        round::Round,
        text::{MAX_NAME, PluginText},
    },
};

pub(in crate::plugins) const POINT: Point = Point {
    interface: "message-templating",
    world: "templater",
    sdk_trait: "Templater",
    decides: "what a message says: renders a named template with typed variables",
    since: "0.1.0",
    settings: &[],
    line: Line::V0_1,
    find,
};

exports!(message_templating, V0_1 => message_templating_0_1);

pub(in crate::plugins) mod bindings;

impl Functions {
    async fn templates(
        &self,
        store: &mut Store<HostState>,
    ) -> wasmtime::Result<Vec<message_templating::TemplateInfo>> {
        match self {
            Self::Current(guest) => guest.call_templates(store).await,
            Self::V0_1(guest) => v0_1::templates(guest, store).await,
        }
    }

    async fn render(
        &self,
        store: &mut Store<HostState>,
        context: &calls::CallContext,
        request: &message_templating::RenderRequest,
    ) -> wasmtime::Result<Result<message_templating::Rendered, message_templating::RenderError>>
    {
        match self {
            Self::Current(guest) => guest.call_render(store, context, request).await,
            Self::V0_1(guest) => v0_1::render(guest, store, context, request).await,
        }
    }
}

/// The most names of templates in an error about an unknown one.
const MAX_KNOWN: usize = 50;

/// A template and the values of its variables.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderRequest {
    /// The name of the template.
    pub template: String,
    /// A BCP 47 tag; none means the plugin's default.
    pub locale: Option<String>,
    /// The values by the names of the variables.
    pub variables: BTreeMap<String, serde_json::Value>,
}

/// Why a template was not rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderFailure {
    /// No plugin of the session has it.
    #[error("no plugin has a template called {template:?}; there are: {known:?}")]
    UnknownTemplate {
        /// The name that was asked for.
        template: String,
        /// The first 50 names of templates that exist.
        known: Vec<PluginText>,
    },
    /// A required variable was not given.
    #[error("template {template:?} needs the variable {variable:?}")]
    MissingVariable {
        /// The name that was asked for.
        template: String,
        /// The name of the variable.
        variable: PluginText,
    },
    /// A variable has the wrong type or value.
    #[error("variable {variable:?} of template {template:?}: {reason}")]
    BadVariable {
        /// The name that was asked for.
        template: String,
        /// The name of the variable.
        variable: PluginText,
        /// What would be right.
        reason: PluginText,
    },
    /// The plugin could not be asked, because the gateway itself lacks room.
    #[error(transparent)]
    Busy(Busy),
    /// The plugin itself failed.
    #[error("plugin {plugin} could not render {template:?}: {reason}")]
    Failed {
        /// The plugin.
        plugin: String,
        /// The name that was asked for.
        template: String,
        /// How it failed.
        reason: PluginText,
    },
}

/// The names of the templates of a configured instance; none when the plugin has no templates.
pub(in crate::plugins) async fn templates(call: &mut Call) -> wasmtime::Result<Vec<String>> {
    let Some(functions) = call.functions::<Exported>()? else {
        return Ok(vec![]);
    };
    let templates = functions.templates(&mut call.store).await?;
    Ok(templates
        .into_iter()
        .map(|template| template.name)
        .collect())
}

/// A template, as its plugin describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TemplateDescription {
    /// The name of the template.
    pub name: String,
    /// BCP 47 tags of its languages, the preferred one first.
    pub locales: Vec<String>,
    /// Its variables.
    pub variables: Vec<VariableDescription>,
}

/// A variable of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VariableDescription {
    /// The name of the variable.
    pub name: String,
    /// `text`, `integer`, `number`, `boolean` or `json`.
    pub kind: String,
    /// Whether rendering without it fails.
    pub required: bool,
}

/// The templates of a configured instance; none when the plugin does not export the point.
pub(in crate::plugins) async fn described(
    call: &mut Call,
) -> wasmtime::Result<Option<Vec<TemplateDescription>>> {
    let Some(functions) = call.functions::<Exported>()? else {
        return Ok(None);
    };
    let templates = functions.templates(&mut call.store).await?;
    let variable = |variable: message_templating::Variable| VariableDescription {
        name: variable.name,
        kind: variable.kind,
        required: variable.required,
    };
    let template = |template: message_templating::TemplateInfo| TemplateDescription {
        name: template.name,
        locales: template.locales,
        variables: template.variables.into_iter().map(variable).collect(),
    };
    Ok(Some(templates.into_iter().map(template).collect()))
}

impl Round {
    /// Renders a template.
    pub(in crate::plugins) async fn rendered(
        &self,
        subject: &Subject,
        request: &RenderRequest,
    ) -> Result<Content, RenderFailure> {
        let Some(plugin) = self
            .templaters(&subject.session)
            .find(|plugin| plugin.templates.contains(&request.template))
        else {
            let known = self
                .templaters(&subject.session)
                .flat_map(|plugin| &plugin.templates)
                .take(MAX_KNOWN)
                .map(|name| shown(name))
                .collect();
            return Err(RenderFailure::UnknownTemplate {
                template: request.template.clone(),
                known,
            });
        };
        render(plugin, subject, request).await
    }

    fn templaters(&self, session: &ClientId) -> impl Iterator<Item = &Plugin> {
        self.exporting::<Exported>(session)
    }
}

async fn render(
    plugin: &Plugin,
    subject: &Subject,
    request: &RenderRequest,
) -> Result<Content, RenderFailure> {
    let template = || request.template.clone();
    let wanted = message_templating::RenderRequest::from(request);
    let work = |mut call: Ready<Functions>| async move {
        call.functions
            .render(&mut call.store, &call.context, &wanted)
            .await
    };
    let read = |answer: Result<message_templating::Rendered, message_templating::RenderError>| {
        match answer {
            Ok(rendered) => {
                let content = Content::from(rendered.content);
                match unusable(&content) {
                    None => Ok(Ok(content)),
                    Some(reason) => Err(plugin.invalid_answer(reason)),
                }
            }
            Err(message_templating::RenderError::Failed(error)) => {
                Err(plugin.returned_error(error))
            }
            Err(message_templating::RenderError::UnknownTemplate(_)) => {
                let known = plugin
                    .templates
                    .iter()
                    .take(MAX_KNOWN)
                    .map(|name| shown(name))
                    .collect();
                Ok(Err(RenderFailure::UnknownTemplate {
                    template: template(),
                    known,
                }))
            }
            Err(message_templating::RenderError::MissingVariable(variable)) => {
                Ok(Err(RenderFailure::MissingVariable {
                    template: template(),
                    variable: shown(&variable),
                }))
            }
            Err(message_templating::RenderError::BadVariable((variable, reason))) => {
                Ok(Err(RenderFailure::BadVariable {
                    template: template(),
                    variable: shown(&variable),
                    reason: reason.as_str().into(),
                }))
            }
        }
    };
    let failed = |reason: PluginText| RenderFailure::Failed {
        plugin: plugin.entry.name.clone(),
        template: template(),
        reason,
    };
    match plugin
        .call::<Exported, _, _, _>("render", subject, work, read)
        .await
    {
        Ok(rendered) => rendered,
        Err(failure) if failure.kind == FailureKind::Busy => Err(RenderFailure::Busy(Busy {
            plugin: failure.plugin,
            reason: failure.detail,
        })),
        Err(
            failure @ CallFailure {
                kind: FailureKind::Failed | FailureKind::Quarantined,
                ..
            },
        ) => Err(failed(failure.detail)),
        Err(failure) => {
            warn!(%failure, subject = subject.id, template = request.template, "a plugin failed");
            Err(failed(
                format!("{}: {}", failure.kind, failure.detail)
                    .as_str()
                    .into(),
            ))
        }
    }
}

/// A name that a plugin gave, fit to be shown.
fn shown(name: &str) -> PluginText {
    PluginText::truncated(MAX_NAME, name)
}

impl From<&RenderRequest> for message_templating::RenderRequest {
    fn from(request: &RenderRequest) -> Self {
        let variables = request
            .variables
            .iter()
            .map(|(name, value)| (name.clone(), value.into()))
            .collect();
        Self {
            template: request.template.clone(),
            locale: request.locale.clone(),
            variables,
            extra: vec![],
        }
    }
}

impl From<&serde_json::Value> for message_templating::Value {
    fn from(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Bool(truth) => Self::Boolean(*truth),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Self::Integer(integer),
                // A whole number above `i64::MAX` would lose digits as floating point.
                (None, Some(float)) if !number.is_u64() => Self::Number(float),
                (None, _) => Self::Json(number.to_string()),
            },
            other => Self::Json(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let passed = |json: &str| {
            let value: serde_json::Value = serde_json::from_str(json).expect("a number");
            message_templating::Value::from(&value)
        };
        for whole in [i64::MIN, -1, 0, 1, i64::MAX] {
            let value = passed(&whole.to_string());
            assert!(
                matches!(value, message_templating::Value::Integer(kept) if kept == whole),
                "{value:?}"
            );
        }
        for large in ["9223372036854775808", "18446744073709551615"] {
            let value = passed(large);
            assert!(
                matches!(&value, message_templating::Value::Json(kept) if kept == large),
                "{value:?}"
            );
        }
        let value = passed("1.5");
        assert!(
            matches!(value, message_templating::Value::Number(kept) if kept.to_bits() == 1.5_f64.to_bits()),
            "{value:?}"
        );
    }
}
