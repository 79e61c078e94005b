//! Secrets that the operator has granted to this plugin in `grants.secrets`. They are neither
//! logged nor part of the configuration.

use super::backend;

/// The secret of this name; none when it is not granted or not set.
#[must_use]
pub fn get(name: &str) -> Option<String> {
    backend::secret(name)
}
