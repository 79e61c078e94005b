//! Benchmarks of the gateway's parts; see `benches`. They are a package of their own, so that all
//! benchmarks are built with the same features of their dependencies (`cargo xtask bench`).
