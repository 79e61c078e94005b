//! The description of one call: its parameters, responses and error codes. Most of it is derived
//! from the handler's types ([`super::described`]); the rest is given beside the route.

use axum::http::StatusCode;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use super::schemas::Schemas;
use crate::api::error::Code;

/// Generates the schema of a type, when the document is built.
type Made = fn(&mut Schemas) -> Value;

/// The error codes of every call that uses the database, in addition to an internal error.
pub(in crate::api) const STORE: &[Code] = &[
    Code::Busy,
    Code::StorageFull,
    Code::StorageMoved,
    Code::Unreadable,
];

/// The description of one call.
#[derive(Debug, Clone)]
pub(in crate::api) struct Operation {
    /// The operation id, which generated clients use as its name.
    pub(super) id: &'static str,
    /// One line, without a full stop.
    pub(super) summary: &'static str,
    /// Further details; may be empty.
    pub(super) description: &'static str,
    /// The status of a successful response, where the handler's type does not determine it; 200 by
    /// default.
    pub(super) status: StatusCode,
    /// Descriptions of parts of its path that only this call has, by name.
    pub(super) parts: Vec<(&'static str, &'static str)>,
    pub(super) query: Option<fn(&mut Schemas) -> Vec<Value>>,
    pub(super) headers: Vec<Header>,
    pub(super) body: Option<Made>,
    pub(super) answers: Vec<Answer>,
    pub(super) codes: Vec<Code>,
    /// Additional media types of error responses.
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

/// A successful response.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Its description, taken from the documentation of its type.
    pub(super) words: String,
    /// Schemas by media type; empty when it has no body.
    pub(super) content: Vec<(&'static str, Option<Made>)>,
    /// Additional headers with their descriptions.
    pub(super) headers: Vec<(&'static str, &'static str)>,
}

impl Operation {
    /// A call with its operation id and its summary.
    pub(in crate::api) fn new(id: &'static str, summary: &'static str) -> Self {
        let (query, headers, body, answers, codes) =
            (None, Vec::new(), None, Vec::new(), Vec::new());
        Self {
            id,
            summary,
            description: "",
            status: StatusCode::OK,
            parts: Vec::new(),
            query,
            headers,
            body,
            answers,
            codes,
            also: Vec::new(),
        }
    }

    /// Sets further details.
    pub(in crate::api) fn more(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// Sets the status of a successful response, where the handler's type does not determine it.
    pub(in crate::api) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Describes a part of its path, `{name}`. The ids of sessions, messages, bulk orders and
    /// deliveries need no description here.
    pub(in crate::api) fn part(mut self, name: &'static str, description: &'static str) -> Self {
        self.parts.push((name, description));
        self
    }

    /// Its query parameters are the fields of `T`.
    pub(in crate::api) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(Schemas::parameters::<T>);
        self
    }

    /// It reads this request header.
    pub(in crate::api) fn header(mut self, header: Header) -> Self {
        self.headers.push(header);
        self
    }

    /// Its request body is JSON that is parsed as `T`.
    pub(in crate::api) fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(Schemas::read::<T>);
        self
    }

    /// Adds error codes, in addition to those of its extractors and those of every call.
    pub(in crate::api) fn refuses(mut self, codes: &[Code]) -> Self {
        self.codes.extend_from_slice(codes);
        self
    }

    /// It may answer with this status and a `T` as JSON.
    pub(in crate::api) fn answers<T: JsonSchema>(mut self, status: StatusCode) -> Self {
        let schema = T::json_schema(&mut SchemaGenerator::default());
        let words = schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or("Done.")
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

    /// It answers with its success status and a `T` as JSON.
    pub(in crate::api) fn done<T: JsonSchema>(self) -> Self {
        let status = self.status;
        self.answers::<T>(status)
    }

    /// It may answer with this status and a body of this media type, which is not JSON. None means
    /// without a body.
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

    /// Its last added response may also have this media type, which is not JSON.
    pub(in crate::api) fn or(mut self, kind: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.content.push((kind, None));
        }
        self
    }

    /// An error response with this status may also have this media type: a page for people.
    pub(in crate::api) fn also(mut self, status: StatusCode, kind: &'static str) -> Self {
        self.also.push((status, kind));
        self
    }

    /// Adds a header to its last added response.
    pub(in crate::api) fn with_header(mut self, name: &'static str, words: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, words));
        }
        self
    }
}
