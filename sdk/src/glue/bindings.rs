//! The generated bindings, one private world per extension point.

#![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, reason = "generated")]

pub mod core {
    wit_bindgen::generate!({
        path: "../wit/v0.1",
        inline: "package wharf:sdk;
            world core {
                import wharf:plugin/log@0.1.0;
                import wharf:plugin/kv@0.1.0;
                import wharf:plugin/secrets@0.1.0;
                import wharf:plugin/calls@0.1.0;
                import wharf:plugin/messages@0.1.0;
                export wharf:plugin/lifecycle@0.1.0;
            }",
        world: "wharf:sdk/core",
        pub_export_macro: true,
        generate_all,
        default_bindings_module: "wharf_plugin::glue::core",
    });
}

pub mod validation {
    wit_bindgen::generate!({
        path: "../wit/v0.1",
        inline: "package wharf:sdk; world validation { export wharf:plugin/send-validation@0.1.0; }",
        world: "wharf:sdk/validation",
        pub_export_macro: true,
        default_bindings_module: "wharf_plugin::glue::validation",
        with: {
            "wharf:plugin/calls@0.1.0": crate::glue::core::wharf::plugin::calls,
            "wharf:plugin/messages@0.1.0": crate::glue::core::wharf::plugin::messages,
            "wharf:plugin/send-validation@0.1.0": generate,
        },
    });
}

pub mod templating {
    wit_bindgen::generate!({
        path: "../wit/v0.1",
        inline: "package wharf:sdk; world templating { export wharf:plugin/message-templating@0.1.0; }",
        world: "wharf:sdk/templating",
        pub_export_macro: true,
        default_bindings_module: "wharf_plugin::glue::templating",
        with: {
            "wharf:plugin/calls@0.1.0": crate::glue::core::wharf::plugin::calls,
            "wharf:plugin/messages@0.1.0": crate::glue::core::wharf::plugin::messages,
            "wharf:plugin/message-templating@0.1.0": generate,
        },
    });
}

pub mod notification {
    wit_bindgen::generate!({
        path: "../wit/v0.1",
        inline: "package wharf:sdk; world notification { export wharf:plugin/event-notification@0.1.0; }",
        world: "wharf:sdk/notification",
        pub_export_macro: true,
        default_bindings_module: "wharf_plugin::glue::notification",
        with: {
            "wharf:plugin/calls@0.1.0": crate::glue::core::wharf::plugin::calls,
            "wharf:plugin/messages@0.1.0": crate::glue::core::wharf::plugin::messages,
            "wharf:plugin/event-notification@0.1.0": generate,
        },
    });
}
