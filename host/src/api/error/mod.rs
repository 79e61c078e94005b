//! What callers are told when a call fails: one table of codes, one error type, one place that
//! gives it its form.

mod codes;
mod failures;
mod refusal;
mod render;

pub(super) use self::{
    codes::Code,
    refusal::{ApiError, INTERNAL},
    render::{FailureEnvelope, Problem, is_own, shape},
};
