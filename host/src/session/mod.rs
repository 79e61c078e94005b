//! Sessions: one supervisor for each WhatsApp login.
//!
//! One pure function ([`machine::Machine::step`]) decides what a session does next; the supervisor
//! only performs its effects. So every rule can be tested without a browser and without waiting.

mod handle;
mod journal;
pub mod machine;
mod pairing;
mod passkey;
pub mod profiles;
mod supervisor;

pub use handle::{
    AskError, Command, HealthNote, LogoutError, PasskeyError, QrView, SessionHandle, Snapshot,
};
pub use journal::{Arrival, Journal, Unread};
pub use pairing::PairingView;
pub use passkey::{PasskeyStage, PasskeyStep, PasskeyView, PastPasskey};
pub use profiles::{
    Cleanup, ProfileFacts, ProfileFate, ProfileProblem, check_profile, clean, discard, facts,
    inspect_profile, inspect_root, prepare_root, profile_dir, profile_folders, shared_dir,
};
pub use supervisor::{Limits, Parts, spawn};
