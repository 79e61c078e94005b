//! Where the lines of a command go. The caller prints them, so that a closed pipe is its matter.

/// Receives the lines of the output.
pub type Output<'a> = &'a (dyn Fn(&str) + Sync);
