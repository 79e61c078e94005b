//! How many files and connections the system lets this process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More than anything here needs; some systems give a thousand million, over which older programs
/// loop at their start.
const ENOUGH: u64 = 65_536;
/// What is not for callers: database, browsers, plugins, deliveries, the log.
const OURS: usize = 256;

/// Raises the limit of descriptors to what the system allows; the limit that holds then.
/// Distributions give 1,024 to a program that does not ask for more.
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

/// How many connections there may be: as many as are wanted, but never so many that nothing is left
/// for us.
pub(super) fn connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE)
        .ok()
        .and_then(|(soft, _)| usize::try_from(soft).ok())
        .unwrap_or(1024);
    wanted.min(below(limit)).max(1)
}

/// Of small limits, callers get half.
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
