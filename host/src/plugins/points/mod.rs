//! The registry of extension points: the one place that lists them.
//!
//! A point is one file here (its description, its bindings, the trait that other modules call, and
//! its implementation) and one line in [`ALL`]. The WIT package and the SDK each have a file for
//! it. Nothing else in the host names a point except the code that calls it.

pub(super) mod event_notification;
pub(super) mod message_templating;
pub(super) mod point;
pub(super) mod send_validation;
pub(super) mod verdict;

use point::Point;

/// Every extension point that this gateway calls, in the order in which reports and documentation
/// list them.
pub(super) const ALL: &[&Point] = &[
    &send_validation::POINT,
    &message_templating::POINT,
    &event_notification::POINT,
];

/// The names of all points, for error messages.
pub(super) fn names() -> String {
    ALL.iter()
        .map(|point| point.interface)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod docs;
