//! What is to be made: the name and the extension points of a project, and its files.

use std::collections::BTreeSet;

use crate::cli::Point;

/// A project that is to be made.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) name: String,
    pub(super) points: BTreeSet<Point>,
}

/// A file of a project: its path below the folder, and its text.
pub(super) type Files = Vec<(String, String)>;

impl Project {
    pub(super) fn has(&self, point: Point) -> bool {
        self.points.contains(&point)
    }

    /// What the plugin does, in one sentence.
    pub(super) fn summary(&self) -> String {
        let parts = [
            (
                Point::Validator,
                "stops messages that contain a banned word",
            ),
            (Point::Templater, "renders a greeting"),
            (
                Point::Notifier,
                "reports messages that arrive to a web service",
            ),
        ];
        let does: Vec<&str> = parts
            .into_iter()
            .filter(|(point, _)| self.has(*point))
            .map(|(_, does)| does)
            .collect();
        let mut text = does.join(", ");
        if let Some(first) = text.get(..1).map(str::to_uppercase) {
            text.replace_range(..1, &first);
        }
        format!("{text}.")
    }
}
