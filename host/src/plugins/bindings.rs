//! Generated from the WIT package. Nothing of it is seen outside this room.

#![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../wit/v0.1",
    world: "everything",
    imports: { default: async | trappable },
    exports: { default: async },
    require_store_data_send: true,
});
