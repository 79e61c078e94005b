//! Rendering named templates.

use crate::{CallContext, Content, Error, Plugin};

/// Renders named templates.
pub trait Templater: Plugin {
    /// What there is to render.
    fn templates(&self) -> Vec<TemplateInfo>;

    /// Renders one.
    ///
    /// # Errors
    /// What the caller has to change, or a failure of the plugin itself.
    fn render(&self, ctx: &CallContext, request: &RenderRequest) -> Result<Content, RenderError>;
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Any number.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// Anything nested, as JSON.
    Json(String),
}

/// The type of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: VariableKind,
    /// Whether rendering without it fails.
    pub required: bool,
}

/// A template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateInfo {
    /// Its name.
    pub name: String,
    /// BCP 47 tags, preferred first.
    pub locales: Vec<String>,
    /// What it needs.
    pub variables: Vec<Variable>,
}

/// What to render.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RenderRequest {
    /// Name of the template.
    pub template: String,
    /// BCP 47; none means the plugin's default.
    pub locale: Option<String>,
    /// By name.
    pub variables: Vec<(String, Value)>,
}

/// Why nothing was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenderError {
    /// There is no template of this name.
    UnknownTemplate(String),
    /// This required variable was not given.
    MissingVariable(String),
    /// This variable has the wrong type or value.
    BadVariable {
        /// Its name.
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
