//! The registry of extension points: the one place that lists them.
//!
//! A point is one file here (its description, its bindings, what other rooms ask of it and how it
//! is answered) and one line in [`ALL`]. The WIT package has a file for it and the SDK another;
//! nothing else in the host names it, but who calls it.

pub(super) mod event_notification;
pub(super) mod message_templating;
pub(super) mod point;
pub(super) mod send_validation;

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
