//! The OpenAPI 3.1 document of the API, generated from the table of calls and the types of their
//! handlers.
//!
//! `/openapi.json` serves it and `wharf openapi` prints it. It is the same for every gateway of one
//! version: nothing in it comes from the configuration, so it contains no secret and needs no key.

mod described;
mod document;
mod operation;
mod schemas;
#[cfg(test)]
mod tests;
mod webhooks;

pub(super) use self::{
    described::{Described, Input, Output, of},
    document::document,
    operation::{Header, Operation, STORE},
};
