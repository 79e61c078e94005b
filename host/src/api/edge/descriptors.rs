//! The limit of file descriptors, and the number of connections that follows from it.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More descriptors than the gateway needs. Some systems allow 1,000,000,000, and child processes
/// that close every possible descriptor at their start would take minutes.
const ENOUGH: u64 = 65_536;
/// Descriptors reserved for the database, browsers, plugins, deliveries and the log.
const OURS: usize = 256;

/// Raises the soft limit of file descriptors to the hard limit, to at most 65,536, and returns the
/// limit that applies then (0 if it cannot be read). Most distributions give a program 1,024 unless
/// it asks for more.
pub fn raise() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 0;
    };
    let wanted = hard.clamp(soft, soft.max(ENOUGH));
    match setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
        Ok(()) => wanted,
        Err(_) => soft,
    }
}

/// The number of connections to allow: `wanted`, but at most what leaves enough descriptors for the
/// gateway itself.
pub(super) fn connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE)
        .ok()
        .and_then(|(soft, _)| usize::try_from(soft).ok())
        .unwrap_or(1024);
    wanted.min(below(limit)).max(1)
}

/// The descriptors available for connections; half of them if the limit is small.
fn below(limit: usize) -> usize {
    limit.saturating_sub(OURS).max(limit / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_us() {
        assert_eq!(below(1024), 768);
        assert_eq!(below(256), 128);
        assert_eq!(connections(10), 10);
        let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("limit");
        assert!((connections(usize::MAX) as u64) < soft);
    }
}
