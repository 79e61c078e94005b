//! The only place that knows WhatsApp Web: bridge script, contract, probes.

mod assertion;
mod chromium;
mod inbound;
mod login;
mod news;
mod page;
mod passkey;
mod script;
mod window;

pub use assertion::{Assertion, AssertionFault, check_assertion};
pub use chromium::{ChromiumLauncher, Profile};
pub use login::is_kept as keeps_login;
pub use page::{
    BrowserReport, Capability, ContractReport, Fault, Found, LaunchError, Launched, Launcher, Page, PageError, PageEvent, PageSend, PageStatus,
    PairingCode, Renamed, SendNews, SendProgress, Stage, Stored, TimeLock,
};
pub use passkey::{PasskeyNews, PasskeyOrder, PasskeyPurpose};
