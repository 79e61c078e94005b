//! Everything that knows WhatsApp Web: the bridge script, its contract, and the interface to a
//! page.
//!
//! No other module names a module of WhatsApp Web.

mod assertion;
mod chromium;
mod inbound;
mod launcher;
mod login;
mod news;
mod page;
mod passkey;
mod script;
mod window;

pub use assertion::{Assertion, AssertionFault, check_assertion};
pub use chromium::{ChromiumLauncher, Profile};
pub use launcher::{LaunchError, Launched, Launcher};
pub use login::is_kept as keeps_login;
#[cfg(test)]
pub(crate) use page::fake;
pub use page::*;
pub use passkey::{PasskeyNews, PasskeyOrder, PasskeyPurpose};
