//! Conversions of what is neither a message nor an event between the line 0.1 and the present one.

use super::{
    bindings::{
        exports::wharf::plugin::{
            event_notification, lifecycle, message_templating, send_validation,
        },
        wharf::plugin::calls,
    },
    now_calls, now_events, now_lifecycle, now_templates, now_validation,
};

impl From<&now_calls::CallContext> for calls::CallContext {
    fn from(context: &now_calls::CallContext) -> Self {
        Self {
            session: context.session.clone(),
            call_id: context.call_id.clone(),
            subject_id: context.subject_id.clone(),
            traceparent: context.traceparent.clone(),
            now: context.now,
            attempt: context.attempt,
            budget_ms: context.budget_ms,
        }
    }
}

impl From<calls::Error> for now_calls::Error {
    fn from(error: calls::Error) -> Self {
        match error {
            calls::Error::InvalidInput(reason) => Self::InvalidInput(reason),
            calls::Error::Unavailable(reason) => Self::Unavailable(reason),
            calls::Error::NotGranted(reason) => Self::NotGranted(reason),
            calls::Error::Internal(reason) => Self::Internal(reason),
        }
    }
}

impl From<lifecycle::PluginInfo> for now_lifecycle::PluginInfo {
    fn from(info: lifecycle::PluginInfo) -> Self {
        Self {
            name: info.name,
            version: info.version,
            description: info.description,
            config_schema: info.config_schema,
            events: info.events,
            extra: vec![],
        }
    }
}

impl From<lifecycle::ConfigIssue> for now_lifecycle::ConfigIssue {
    fn from(issue: lifecycle::ConfigIssue) -> Self {
        Self {
            path: issue.path,
            message: issue.message,
        }
    }
}

impl From<send_validation::Rejection> for now_validation::Rejection {
    fn from(rejection: send_validation::Rejection) -> Self {
        Self {
            code: rejection.code,
            reason: rejection.reason,
            retry_after_ms: rejection.retry_after_ms,
            extra: vec![],
        }
    }
}

impl From<message_templating::TemplateInfo> for now_templates::TemplateInfo {
    fn from(template: message_templating::TemplateInfo) -> Self {
        let variable = |variable: message_templating::Variable| now_templates::Variable {
            name: variable.name,
            kind: variable.kind,
            required: variable.required,
        };
        Self {
            name: template.name,
            locales: template.locales,
            variables: template.variables.into_iter().map(variable).collect(),
            extra: vec![],
        }
    }
}

impl From<&now_templates::Value> for message_templating::Value {
    fn from(value: &now_templates::Value) -> Self {
        match value {
            now_templates::Value::Text(text) => Self::Text(text.clone()),
            now_templates::Value::Integer(integer) => Self::Integer(*integer),
            now_templates::Value::Number(number) => Self::Number(*number),
            now_templates::Value::Boolean(truth) => Self::Boolean(*truth),
            now_templates::Value::Json(json) => Self::Json(json.clone()),
        }
    }
}

impl From<&now_templates::RenderRequest> for message_templating::RenderRequest {
    fn from(request: &now_templates::RenderRequest) -> Self {
        let pair = |(name, value): &(String, now_templates::Value)| (name.clone(), value.into());
        Self {
            template: request.template.clone(),
            locale: request.locale.clone(),
            variables: request.variables.iter().map(pair).collect(),
        }
    }
}

impl From<message_templating::RenderError> for now_templates::RenderError {
    fn from(error: message_templating::RenderError) -> Self {
        match error {
            message_templating::RenderError::UnknownTemplate(name) => Self::UnknownTemplate(name),
            message_templating::RenderError::MissingVariable(name) => Self::MissingVariable(name),
            message_templating::RenderError::BadVariable(what) => Self::BadVariable(what),
            message_templating::RenderError::Failed(error) => Self::Failed(error.into()),
        }
    }
}

impl From<event_notification::HttpRequest> for now_events::HttpRequest {
    fn from(request: event_notification::HttpRequest) -> Self {
        Self {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            timeout_ms: request.timeout_ms,
            extra: vec![],
        }
    }
}

impl From<&now_events::AttemptResult> for event_notification::AttemptResult {
    fn from(attempt: &now_events::AttemptResult) -> Self {
        match attempt {
            now_events::AttemptResult::Answered(answer) => {
                Self::Answered(event_notification::HttpResponse {
                    status: answer.status,
                    headers: answer.headers.clone(),
                    body: answer.body.clone(),
                })
            }
            now_events::AttemptResult::Unreachable(reason) => Self::Unreachable(reason.clone()),
        }
    }
}

impl From<event_notification::Judgement> for now_events::Judgement {
    fn from(judgement: event_notification::Judgement) -> Self {
        match judgement {
            event_notification::Judgement::Delivered => Self::Delivered,
            event_notification::Judgement::RetryAfter(millis) => Self::RetryAfter(millis),
            event_notification::Judgement::GiveUp(reason) => Self::GiveUp(reason),
        }
    }
}
