//! `message-templating`: renders named templates.

use crate::{CallContext, Content, Error, Extra, Plugin};

/// Renders named templates.
pub trait Templater: Plugin {
    /// The templates that the plugin can render.
    fn templates(&self) -> Vec<TemplateInfo>;

    /// Renders a template.
    ///
    /// # Errors
    /// A fault of the request, or a failure of the plugin itself.
    fn render(&self, ctx: &CallContext, request: &RenderRequest) -> Result<Content, RenderError>;
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number up to `i64::MAX`.
    Integer(i64),
    /// Any number.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// An object, an array, null, or a whole number above `i64::MAX`, as JSON.
    Json(String),
}

/// The type of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say it")]
pub enum VariableKind {
    Text,
    Integer,
    Number,
    Boolean,
    Json,
}

impl VariableKind {
    /// `text`, `integer`, `number`, `boolean` or `json`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Json => "json",
        }
    }
}

/// A variable of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// The name of the variable.
    pub name: String,
    /// The type of its value.
    pub kind: VariableKind,
    /// Whether rendering without it fails.
    pub required: bool,
}

impl Variable {
    /// A variable without which rendering fails.
    #[must_use]
    pub fn required(name: impl Into<String>, kind: VariableKind) -> Self {
        Self {
            name: name.into(),
            kind,
            required: true,
        }
    }

    /// A variable that may be left out.
    #[must_use]
    pub fn optional(name: impl Into<String>, kind: VariableKind) -> Self {
        Self {
            name: name.into(),
            kind,
            required: false,
        }
    }
}

/// A template.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateInfo {
    /// The name of the template.
    pub name: String,
    /// The locales it exists in: BCP 47 tags, preferred first.
    pub locales: Vec<String>,
    /// The variables it has.
    pub variables: Vec<Variable>,
}

impl TemplateInfo {
    /// A template without languages and variables.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            locales: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// Adds a language, a BCP 47 tag; the preferred one first.
    #[must_use]
    pub fn locale(mut self, tag: impl Into<String>) -> Self {
        self.locales.push(tag.into());
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn variable(mut self, variable: Variable) -> Self {
        self.variables.push(variable);
        self
    }
}

/// A template and the values of its variables.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct RenderRequest {
    /// The name of the template.
    pub template: String,
    /// A BCP 47 tag; none means the plugin's default.
    pub locale: Option<String>,
    /// The values of the variables, by name.
    pub variables: Vec<(String, Value)>,
    /// What this version has no field for.
    pub extra: Extra,
}

impl RenderRequest {
    /// A request for a template, without variables.
    #[must_use]
    pub fn new(template: impl Into<String>) -> Self {
        Self {
            template: template.into(),
            ..Self::default()
        }
    }

    /// Sets the language, a BCP 47 tag.
    #[must_use]
    pub fn locale(mut self, tag: impl Into<String>) -> Self {
        self.locale = Some(tag.into());
        self
    }

    /// Adds the value of a variable.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: Value) -> Self {
        self.variables.push((name.into(), value));
        self
    }
}

/// Why a template was not rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenderError {
    /// There is no template of this name.
    UnknownTemplate(String),
    /// This required variable was not given.
    MissingVariable(String),
    /// This variable has the wrong type or value.
    BadVariable {
        /// The name of the variable.
        name: String,
        /// What would be right.
        reason: String,
    },
    /// The plugin itself failed.
    Failed(Error),
}

impl From<Error> for RenderError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Checks for `export!` that a plugin implements this extension point.
#[doc(hidden)]
pub const fn required<P: Templater>() {}

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
        inline: "package wharf:sdk; world templater { export wharf:plugin/message-templating@0.2.0; }",
        world: "wharf:sdk/templater",
        pub_export_macro: true,
        default_bindings_module: "wharf_plugin::points::templater::bindings",
        with: {
            "wharf:plugin/calls@0.2.0": crate::glue::core::wharf::plugin::calls,
            "wharf:plugin/messages@0.2.0": crate::glue::core::wharf::plugin::messages,
            "wharf:plugin/message-templating@0.2.0": generate,
        },
    });
}

#[cfg(target_family = "wasm")]
mod glue {
    use super::{
        RenderError, RenderRequest, TemplateInfo, Templater, Value, Variable,
        bindings::exports::wharf::plugin::message_templating,
    };
    use crate::{
        Extra,
        glue::{Exported, Instance, core::wharf::plugin::calls, instance},
    };

    impl<P: Instance + Templater> message_templating::Guest for Exported<P> {
        fn templates() -> Vec<message_templating::TemplateInfo> {
            instance::<P>()
                .map(|plugin| plugin.templates().into_iter().map(Into::into).collect())
                .unwrap_or_default()
        }

        fn render(
            ctx: calls::CallContext,
            request: message_templating::RenderRequest,
        ) -> Result<message_templating::Rendered, message_templating::RenderError> {
            let plugin = instance::<P>().map_err(RenderError::Failed)?;
            Ok(message_templating::Rendered {
                content: plugin.render(&ctx.into(), &request.into())?.into(),
                extra: Vec::new(),
            })
        }
    }

    impl From<message_templating::Value> for Value {
        fn from(value: message_templating::Value) -> Self {
            match value {
                message_templating::Value::Text(text) => Self::Text(text),
                message_templating::Value::Integer(number) => Self::Integer(number),
                message_templating::Value::Number(number) => Self::Number(number),
                message_templating::Value::Boolean(value) => Self::Boolean(value),
                message_templating::Value::Json(json) => Self::Json(json),
            }
        }
    }

    impl From<message_templating::RenderRequest> for RenderRequest {
        fn from(request: message_templating::RenderRequest) -> Self {
            let message_templating::RenderRequest {
                template,
                locale,
                variables,
                extra,
            } = request;
            Self {
                template,
                locale,
                variables: variables
                    .into_iter()
                    .map(|(name, value)| (name, value.into()))
                    .collect(),
                extra: Extra(extra),
            }
        }
    }

    impl From<RenderError> for message_templating::RenderError {
        fn from(error: RenderError) -> Self {
            match error {
                RenderError::UnknownTemplate(name) => Self::UnknownTemplate(name),
                RenderError::MissingVariable(name) => Self::MissingVariable(name),
                RenderError::BadVariable { name, reason } => Self::BadVariable((name, reason)),
                RenderError::Failed(error) => Self::Failed(error.into()),
            }
        }
    }

    impl From<TemplateInfo> for message_templating::TemplateInfo {
        fn from(
            TemplateInfo {
                name,
                locales,
                variables,
            }: TemplateInfo,
        ) -> Self {
            let variable = |Variable {
                                name,
                                kind,
                                required,
                            }: Variable| message_templating::Variable {
                name,
                kind: kind.as_str().to_owned(),
                required,
            };
            Self {
                name,
                locales,
                variables: variables.into_iter().map(variable).collect(),
                extra: Vec::new(),
            }
        }
    }
}
