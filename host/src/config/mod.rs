//! `gateway.toml` and the environment, checked and typed.
//!
//! Every section is a plain struct with its defaults; rooms take their section and never see a file.
//! Unknown keys are errors: a misspelt limit that is silently ignored is worse than a refusal to start.

mod load;
mod sections;
mod units;

pub use load::{ConfigErrors, Sources, load};
pub use sections::{
    Api, Browser, BrowserKind, Config, Delivery, Grants, Log, LogFormat, OnError, Plugin, PluginMode, Plugins, Relink, Send, Server, Session,
    Sessions, Storage, WhatsApp,
};
pub use units::{ByteSize, Millis};
