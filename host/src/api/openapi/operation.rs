//! What one call reads, answers and refuses, as the document says it. Made beside the call's route, of the handler's types.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde_json::Value;

use super::schemas::Schemas;
use crate::api::error::Code;

/// Makes a schema of a type, when the document is made.
type Made = fn(&mut Schemas) -> Value;

/// One call.
#[derive(Debug, Clone)]
pub(in crate::api) struct Operation {
    /// A name that generated clients call it by.
    pub(super) id: &'static str,
    /// A line.
    pub(super) summary: &'static str,
    /// More; may be empty.
    pub(super) description: &'static str,
    pub(super) query: Option<fn(&mut Schemas) -> Vec<Value>>,
    /// Whether the call refuses parameters that it does not have.
    pub(super) strict: bool,
    pub(super) headers: Vec<Header>,
    pub(super) body: Option<Made>,
    pub(super) answers: Vec<Answer>,
    pub(super) codes: Vec<Code>,
}

/// A header of a request that changes what a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Header {
    /// `Idempotency-Key`
    IdempotencyKey,
    /// `Prefer: respond-async`
    Prefer,
}

/// How a call answers when it did what it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) words: &'static str,
    /// By media type; none: it has no body.
    pub(super) content: Vec<(&'static str, Option<Made>)>,
    /// Headers, beside those of every answer.
    pub(super) headers: Vec<(&'static str, &'static str)>,
}

impl Operation {
    /// A call that refuses parameters which it does not have.
    pub(in crate::api) fn new(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            summary,
            description: "",
            query: None,
            strict: true,
            headers: Vec::new(),
            body: None,
            answers: Vec::new(),
            codes: Vec::new(),
        }
    }

    /// More than the line says.
    pub(in crate::api) fn more(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// It ignores parameters that it does not have.
    pub(in crate::api) fn lenient(mut self) -> Self {
        self.strict = false;
        self
    }

    /// Its parameters are the fields of `T`.
    pub(in crate::api) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(Schemas::parameters::<T>);
        self
    }

    /// It looks at that header.
    pub(in crate::api) fn header(mut self, header: Header) -> Self {
        self.headers.push(header);
        self
    }

    /// Its body is JSON, read as `T`.
    pub(in crate::api) fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(Schemas::read::<T>);
        self
    }

    /// It answers so with JSON, written from `T`.
    pub(in crate::api) fn answers<T: JsonSchema>(self, status: StatusCode, words: &'static str) -> Self {
        self.answer(status, words, vec![("application/json", Some(Schemas::written::<T>))])
    }

    /// It answers so without a body.
    pub(in crate::api) fn answers_nothing(self, status: StatusCode, words: &'static str) -> Self {
        self.answer(status, words, vec![])
    }

    /// Its last answer may also be of that media type, which is no JSON.
    pub(in crate::api) fn or(mut self, kind: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.content.push((kind, None));
        }
        self
    }

    /// It answers so with something that is no JSON.
    pub(in crate::api) fn answers_with(self, status: StatusCode, words: &'static str, kind: &'static str) -> Self {
        self.answer(status, words, vec![(kind, None)])
    }

    /// Its last answer has a header.
    pub(in crate::api) fn with_header(mut self, name: &'static str, words: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, words));
        }
        self
    }

    /// It refuses with these codes, beside those that every call has.
    pub(in crate::api) fn refuses(mut self, codes: &[Code]) -> Self {
        self.codes.extend_from_slice(codes);
        self
    }

    fn answer(mut self, status: StatusCode, words: &'static str, content: Vec<(&'static str, Option<Made>)>) -> Self {
        self.answers.push(Answer { status, words, content, headers: Vec::new() });
        self
    }
}
