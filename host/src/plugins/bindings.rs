//! The generated types of the present line that every plugin works with, whatever its extension
//! points: what the host offers (log, key-value storage, secrets), what all calls carry, and the
//! plugin's own lifecycle.
//!
//! The bindings of an extension point are beside its file below `points/`, generated from the one
//! interface it has. No world of the package lists the points for the host, so a new one leaves the
//! bindings of the others as they are.

#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated"
)]

wasmtime::component::bindgen!({
    path: "../wit/v0.2",
    inline: "package wharf:host;
        world core {
            import wharf:plugin/log@0.2.0;
            import wharf:plugin/kv@0.2.0;
            import wharf:plugin/secrets@0.2.0;
            import wharf:plugin/calls@0.2.0;
            import wharf:plugin/messages@0.2.0;
            export wharf:plugin/lifecycle@0.2.0;
        }",
    world: "wharf:host/core",
    imports: { default: async | trappable },
    exports: { default: async },
    require_store_data_send: true,
    additional_derives: [PartialEq],
});
