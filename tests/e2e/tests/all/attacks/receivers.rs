//! Receivers of webhooks that mean harm.
