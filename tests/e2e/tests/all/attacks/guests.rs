//! Plugins that mean harm.
