//! Derives the description of a call from its handler: the types of its parameters say what it
//! reads of a request, and its return type what it answers.

use axum::{
    Json,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderName, StatusCode},
};
use schemars::{JsonSchema, SchemaGenerator};

use super::operation::Operation;
use crate::api::{
    caller::Caller,
    error::{ApiError, Code},
    extract::{
        Action, Body, Client, ClientQuery, JsonBody, NoParams, Object, Params, PluginName, Session,
    },
};

/// A parameter of a handler.
pub(in crate::api) trait Input {
    /// Adds what it reads and the errors it may cause.
    fn describe(operation: Operation) -> Operation {
        operation
    }
}

/// The return type of a handler.
pub(in crate::api) trait Output {
    /// Adds its responses.
    fn describe(operation: Operation) -> Operation;
}

/// A handler with parameters `T`.
pub(in crate::api) trait Described<T> {
    /// Adds what it reads and its responses.
    fn describe(operation: Operation) -> Operation;
}

/// Completes the operation of a route with what the handler's types say.
pub(in crate::api) fn of<H: Described<T>, T>(_: &H, operation: Operation) -> Operation {
    H::describe(operation)
}

macro_rules! described {
    ($($input:ident)*) => {
        impl<F, Answering, Answer, $($input),*> Described<($($input,)*)> for F
        where
            F: Fn($($input),*) -> Answering,
            Answering: Future<Output = Answer>,
            Answer: Output,
            $($input: Input,)*
        {
            fn describe(operation: Operation) -> Operation {
                $(let operation = $input::describe(operation);)*
                Answer::describe(operation)
            }
        }
    };
}

described!();
described!(A);
described!(A B);
described!(A B C);
described!(A B C D);
described!(A B C D E);
described!(A B C D E G);
described!(A B C D E G H);

// State of the gateway, and extractors whose use is described beside the route.
impl<T> Input for State<T> {}
impl<T> Input for Path<T> {}
impl<A> Input for Action<A> {}
impl Input for HeaderMap {}
impl Input for Caller {}
impl Input for RawQuery {}
impl Input for Body {}
impl Input for PluginName {}

impl Input for NoParams {
    fn describe(operation: Operation) -> Operation {
        operation.refuses(&[Code::UnknownParameter])
    }
}

impl<T: JsonSchema> Input for Params<T> {
    fn describe(operation: Operation) -> Operation {
        let refuses_others = T::json_schema(&mut SchemaGenerator::default())
            .get("additionalProperties")
            .is_some();
        let operation = if refuses_others {
            operation.refuses(&[Code::UnknownParameter])
        } else {
            operation
        };
        operation
            .query::<T>()
            .refuses(&[Code::DuplicateParameter, Code::InvalidQuery])
    }
}

impl Input for Session {
    fn describe(operation: Operation) -> Operation {
        operation.refuses(&[Code::InvalidClientId])
    }
}

impl Input for Client {
    fn describe(operation: Operation) -> Operation {
        Params::<ClientQuery>::describe(operation).refuses(&[Code::InvalidClientId])
    }
}

impl<T: JsonSchema> Input for Object<T> {
    fn describe(operation: Operation) -> Operation {
        operation
            .body::<T>()
            .refuses(&[Code::InvalidBody, Code::DuplicateField])
    }
}

impl<T: JsonSchema> Input for JsonBody<T> {
    fn describe(operation: Operation) -> Operation {
        operation
            .body::<T>()
            .refuses(&[Code::DuplicateField, Code::UnsupportedMediaType])
    }
}

impl<T: JsonSchema> Output for Json<T> {
    fn describe(operation: Operation) -> Operation {
        operation.done::<T>()
    }
}

impl<T: Output> Output for Result<T, ApiError> {
    fn describe(operation: Operation) -> Operation {
        T::describe(operation)
    }
}

impl Output for StatusCode {
    fn describe(operation: Operation) -> Operation {
        let status = operation.status;
        operation.answers_with(status, "Done.", None)
    }
}

impl<T: Output> Output for (StatusCode, T) {
    fn describe(operation: Operation) -> Operation {
        T::describe(operation)
    }
}

/// A response with the header `Location`.
impl<T: Output> Output for (StatusCode, [(HeaderName, String); 1], T) {
    fn describe(operation: Operation) -> Operation {
        T::describe(operation).with_header("Location", "The path of the new resource.")
    }
}

/// A response with a header for caches, which is not described.
impl<T: Output> Output for ([(HeaderName, &'static str); 1], T) {
    fn describe(operation: Operation) -> Operation {
        T::describe(operation)
    }
}
