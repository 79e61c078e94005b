//! The errors of API calls: the table of codes, the error type, and the layer that renders it.

mod codes;
mod failures;
mod refusal;
mod render;

pub(super) use self::{
    codes::Code,
    refusal::{ApiError, INTERNAL},
    render::{FailureEnvelope, Problem, is_own, shape},
};
