//! What one call reads, answers and refuses, as the document says it. Most of it is found out from
//! the handler's own types ([`super::described`]); what no type says is said beside the route.

use axum::http::StatusCode;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use super::schemas::Schemas;
use crate::api::error::Code;

/// Makes a schema of a type, when the document is made.
type Made = fn(&mut Schemas) -> Value;

/// What every call may answer with that reads or writes the database, beside an internal error.
pub(in crate::api) const STORE: &[Code] = &[
    Code::Busy,
    Code::StorageFull,
    Code::StorageMoved,
    Code::Unreadable,
];

/// One call.
#[derive(Debug, Clone)]
pub(in crate::api) struct Operation {
    /// A name that generated clients call it by.
    pub(super) id: &'static str,
    /// A line.
    pub(super) summary: &'static str,
    /// More; may be empty.
    pub(super) description: &'static str,
    /// The status of the answer that the handler's type does not say; 200 unless it is said here.
    pub(super) status: StatusCode,
    pub(super) query: Option<fn(&mut Schemas) -> Vec<Value>>,
    pub(super) headers: Vec<Header>,
    pub(super) body: Option<Made>,
    pub(super) answers: Vec<Answer>,
    pub(super) codes: Vec<Code>,
    /// Media types of refusals beside that of their layer.
    pub(super) also: Vec<(StatusCode, &'static str)>,
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
    /// What it is: what its type's documentation says.
    pub(super) words: String,
    /// By media type; none: it has no body.
    pub(super) content: Vec<(&'static str, Option<Made>)>,
    /// Headers with their meaning, beside those of every answer.
    pub(super) headers: Vec<(&'static str, &'static str)>,
}

impl Operation {
    /// A call by the name that generated clients have of it.
    pub(in crate::api) fn new(id: &'static str, summary: &'static str) -> Self {
        let (query, headers, body, answers, codes) =
            (None, Vec::new(), None, Vec::new(), Vec::new());
        Self {
            id,
            summary,
            description: "",
            status: StatusCode::OK,
            query,
            headers,
            body,
            answers,
            codes,
            also: Vec::new(),
        }
    }

    /// More than the line says.
    pub(in crate::api) fn more(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// It answers with another status than 200, which its handler's type does not say.
    pub(in crate::api) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
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

    /// It refuses with these codes, beside those that its extractors have, and every call.
    pub(in crate::api) fn refuses(mut self, codes: &[Code]) -> Self {
        self.codes.extend_from_slice(codes);
        self
    }

    /// It answers so with JSON, written from `T`.
    pub(in crate::api) fn answers<T: JsonSchema>(mut self, status: StatusCode) -> Self {
        let schema = T::json_schema(&mut SchemaGenerator::default());
        let words = schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or("It was done.")
            .to_owned();
        let content = vec![("application/json", Some(Schemas::written::<T> as Made))];
        self.answers.push(Answer {
            status,
            words,
            content,
            headers: Vec::new(),
        });
        self
    }

    /// It answers with JSON, written from `T`, and its own status.
    pub(in crate::api) fn done<T: JsonSchema>(self) -> Self {
        let status = self.status;
        self.answers::<T>(status)
    }

    /// It answers so with something that is no JSON; none: without a body.
    pub(in crate::api) fn answers_with(
        mut self,
        status: StatusCode,
        words: &str,
        kind: Option<&'static str>,
    ) -> Self {
        let content = kind.into_iter().map(|kind| (kind, None)).collect();
        self.answers.push(Answer {
            status,
            words: words.to_owned(),
            content,
            headers: Vec::new(),
        });
        self
    }

    /// Its last answer may also be of that media type, which is no JSON.
    pub(in crate::api) fn or(mut self, kind: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.content.push((kind, None));
        }
        self
    }

    /// A refusal of that status may also be of that media type: a page for people.
    pub(in crate::api) fn also(mut self, status: StatusCode, kind: &'static str) -> Self {
        self.also.push((status, kind));
        self
    }

    /// Its last answer has a header.
    pub(in crate::api) fn with_header(mut self, name: &'static str, words: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, words));
        }
        self
    }
}
