//! Bodies that are large, odd or never end.
