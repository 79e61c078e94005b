//! Renders the templates of its configuration.
