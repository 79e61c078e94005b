//! Benches of the gateway's parts; see `benches`. A package of their own, so that all benches are
//! built with the same features of what they share (`cargo xtask bench`).
