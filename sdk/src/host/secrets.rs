//! Values the operator named for this plugin in `grants.secrets`. Never logged, never in config.

use super::backend;

/// The secret of this name; none when it is not granted or not set.
#[must_use]
pub fn get(name: &str) -> Option<String> {
    backend::secret(name)
}
