//! Connections: too many, too slow, silent.
