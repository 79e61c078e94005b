//! Where a Chromium is looked for when none is named.
//!
//! The setup (`xtask`) takes this file in by its path, so that it installs a browser exactly when
//! the gateway would find none; it imports nothing.

/// The full browser, where Debian and others put it. The `/usr/bin/chromium` of Debian is a script
/// that adds switches.
pub(crate) const BROWSERS: [&str; 6] = [
    "/usr/lib/chromium/chromium",
    "/usr/lib/chromium-browser/chromium-browser",
    "/opt/google/chrome/chrome",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/usr/bin/chromium",
    "/usr/bin/google-chrome",
];

/// The headless shell: about half the memory of the full browser.
pub(crate) const SHELLS: [&str; 2] = [
    "/usr/lib/chromium/chromium-headless-shell",
    "/usr/bin/chromium-headless-shell",
];
