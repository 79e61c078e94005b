//! The generated types that every plugin needs: the host's functions, the context of calls, and the
//! lifecycle.

#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    reason = "generated"
)]

pub mod core {
    wit_bindgen::generate!({
        path: "wit/v0.2",
        inline: "package wharf:sdk;
            world core {
                import wharf:plugin/log@0.2.0;
                import wharf:plugin/kv@0.2.0;
                import wharf:plugin/secrets@0.2.0;
                import wharf:plugin/calls@0.2.0;
                import wharf:plugin/messages@0.2.0;
                export wharf:plugin/lifecycle@0.2.0;
            }",
        world: "wharf:sdk/core",
        pub_export_macro: true,
        generate_all,
        default_bindings_module: "wharf_plugin::glue::core",
    });
}
