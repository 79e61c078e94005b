//! Plugins that misbehave: each has its named outcome, and the gateway serves on.
