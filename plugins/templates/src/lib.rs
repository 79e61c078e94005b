//! Renders the templates of its configuration.
//!
//! Every body is compiled in `configure`, although an instance renders only one: this way the
//! operator learns of mistakes when the plugin is loaded, and not a caller later. Compiling a body
//! takes microseconds.

mod config;
mod locale;
mod names;
mod neutral;
mod variables;

use std::collections::BTreeSet;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value as Rendered};
use wharf_plugin::{
    CallContext, ConfigIssues, Content, Error, Info, Plugin, RenderError, RenderRequest,
    TemplateInfo, Templater, Text, Variable,
};

pub use config::Config;
use config::Template;

/// The plugin.
#[derive(Debug)]
pub struct Templates {
    config: Config,
    bodies: Environment<'static>,
}

impl Plugin for Templates {
    const INFO: Info = Info::new(
        "templates",
        env!("CARGO_PKG_VERSION"),
        "Renders message templates by locale, from typed variables.",
    )
    .config_schema(include_str!("../config.schema.json"));
    type Config = Config;

    fn new(config: Config) -> Result<Self, ConfigIssues> {
        let mut issues = ConfigIssues::new();
        config.check(&mut issues);
        let mut bodies = environment();
        for (name, template) in &config.templates {
            for (locale, body) in &template.bodies {
                let path = ConfigIssues::pointer(&["templates", name, "bodies", locale]);
                compile(
                    &mut bodies,
                    &body_name(name, locale),
                    body,
                    template,
                    &path,
                    &mut issues,
                );
            }
        }
        issues.or(Self { config, bodies })
    }
}

impl Templater for Templates {
    fn templates(&self) -> Vec<TemplateInfo> {
        self.config
            .templates
            .iter()
            .map(|(name, template)| self.info(name, template))
            .collect()
    }

    fn render(&self, _: &CallContext, request: &RenderRequest) -> Result<Content, RenderError> {
        let template = self
            .config
            .templates
            .get(&request.template)
            .ok_or_else(|| RenderError::UnknownTemplate(request.template.clone()))?;
        let variables = variables::bind(template, &request.variables)?;
        let locale = self.locale(template, request.locale.as_deref())?;
        let failed = |error: minijinja::Error| Error::InvalidInput(error.to_string());
        let body = self
            .bodies
            .get_template(&body_name(&request.template, locale))
            .and_then(|body| body.render(variables))
            .map_err(failed)?;
        let body = self.checked(body)?;
        let text = Text::new(body).preview_links(template.preview_links);
        Ok(Content::Text(text))
    }
}

impl Templates {
    fn info(&self, name: &str, template: &Template) -> TemplateInfo {
        let preferred = locale::find(&template.bodies, &self.config.default_locale);
        let others = template
            .bodies
            .keys()
            .map(String::as_str)
            .filter(|locale| Some(*locale) != preferred);
        let variable = |(name, variable): (&String, &config::Variable)| {
            let kind = variable.kind.into();
            if variable.is_required() {
                Variable::required(name, kind)
            } else {
                Variable::optional(name, kind)
            }
        };
        let mut info = TemplateInfo::new(name);
        info.locales = preferred
            .into_iter()
            .chain(others)
            .map(Into::into)
            .collect();
        info.variables = template.variables.iter().map(variable).collect();
        info
    }

    /// The best available locale: the requested one, a more general one, or the default.
    fn locale<'a>(&self, template: &'a Template, wanted: Option<&str>) -> Result<&'a str, Error> {
        let found = wanted.and_then(|wanted| locale::find(&template.bodies, wanted));
        // `Config::check` has ensured that there is a body for the default locale.
        found
            .or_else(|| locale::find(&template.bodies, &self.config.default_locale))
            .ok_or_else(|| Error::Internal("the template has no body".into()))
    }

    fn checked(&self, mut body: String) -> Result<String, Error> {
        body.truncate(body.trim_end().len());
        let length = body.encode_utf16().count();
        if body.is_empty() {
            return Err(Error::InvalidInput(
                "with these variables the template renders to nothing".into(),
            ));
        }
        if length > self.config.max_length {
            let most = self.config.max_length;
            return Err(Error::InvalidInput(format!(
                "with these variables the template renders to {length} characters, more than the {most} allowed"
            )));
        }
        Ok(body)
    }
}

fn body_name(template: &str, locale: &str) -> String {
    format!("{template}/{locale}")
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("whatsapp".into()));
    environment.set_formatter(|out, _, value| Ok(write_value(out, value)?));
    environment
}

/// Writes numbers and booleans as they are, neutralises formatting in text, and writes nothing for
/// null.
fn write_value(out: &mut impl std::fmt::Write, value: &Rendered) -> std::fmt::Result {
    use minijinja::value::ValueKind;
    match value.kind() {
        ValueKind::None => Ok(()),
        ValueKind::Bool => out.write_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => write!(out, "{value}"),
        _ if value.is_safe() => write!(out, "{value}"),
        _ => out.write_str(&neutral::neutral(&value.to_string())),
    }
}

fn compile(
    bodies: &mut Environment<'static>,
    name: &str,
    body: &str,
    template: &Template,
    path: &str,
    issues: &mut ConfigIssues,
) {
    if let Err(error) = bodies.add_template_owned(name.to_owned(), body.to_owned()) {
        issues.add(path, error.to_string());
        return;
    }
    let Ok(compiled) = bodies.get_template(name) else {
        return;
    };
    for fault in names::unknown(bodies, body) {
        issues.add(path, fault);
    }
    let used: BTreeSet<String> = compiled.undeclared_variables(false).into_iter().collect();
    for variable in used {
        if !template.variables.contains_key(&variable)
            && !bodies.globals().any(|(global, _)| global == variable)
        {
            issues.add(
                path,
                format!("uses {variable:?}, which is none of the template's variables"),
            );
        }
    }
}

wharf_plugin::export!(Templates: templater);

#[cfg(test)]
mod tests;
