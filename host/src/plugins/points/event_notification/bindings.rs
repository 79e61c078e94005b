//! The generated types of `event-notification`, in a file of their own because those of older lines are
//! converted to them.

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
    inline: "package wharf:host; world point { export wharf:plugin/event-notification@0.2.0; }",
    world: "wharf:host/point",
    exports: { default: async },
    require_store_data_send: true,
    additional_derives: [PartialEq],
    with: {
        "wharf:plugin/calls": crate::plugins::bindings::wharf::plugin::calls,
        "wharf:plugin/messages": crate::plugins::bindings::wharf::plugin::messages,
    },
});
