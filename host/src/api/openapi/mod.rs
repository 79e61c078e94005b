//! The OpenAPI 3.1 document of the API, made from the table of calls and the types of their
//! handlers.
//!
//! `/openapi.json` answers it and `wharf openapi` prints it, the same of every gateway of one
//! version: nothing in it comes from the configuration, so it holds no secret and needs no key.

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
