//! The paths of the API as a list, so that a call of one that does not exist can be told the
//! nearest.

use super::route::Call;

/// Characters of an unknown path that are looked at.
const LOOKED_AT: usize = 200;

/// All paths, with `{…}` for what differs from call to call.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths(Vec<String>);

impl Paths {
    /// The paths of all calls. In place of one that ends in `{verb}` there is one for each verb:
    /// another is no path.
    pub(super) fn new<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Self {
        let mut all: Vec<String> = Vec::new();
        for call in calls {
            let paths = match call.verbs.as_slice() {
                [] => vec![call.path.to_owned()],
                verbs => verbs
                    .iter()
                    .map(|verb| call.path.replace("{verb}", verb))
                    .collect(),
            };
            for path in paths {
                if !all.contains(&path) {
                    all.push(path);
                }
            }
        }
        Self(all)
    }

    /// The path of the list that `path` is; none: it is unknown.
    pub(super) fn of(&self, path: &str) -> Option<&str> {
        self.0
            .iter()
            .map(String::as_str)
            .find(|known| fill(known, path) == path)
    }

    /// The path that is most like an unknown one.
    pub(super) fn nearest(&self, path: &str) -> Option<&str> {
        let path: String = path
            .chars()
            .take(LOOKED_AT)
            .flat_map(char::to_lowercase)
            .collect();
        // The layer's name is what is forgotten first.
        let whole = format!("/v1{path}");
        let distance = |known: &str| {
            strsim::osa_distance(&fill(known, &path), &path)
                .min(strsim::osa_distance(&fill(known, &whole), &whole))
        };
        self.0
            .iter()
            .map(String::as_str)
            .min_by_key(|known| distance(known))
    }
}

/// A path of the list with the parts of `path` in its `{…}`.
fn fill(known: &str, path: &str) -> String {
    let mut parts = path.split('/');
    let filled = known.split('/').map(|own| match parts.next() {
        Some(part) if own.starts_with('{') && !part.is_empty() => part,
        _ => own,
    });
    filled.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_exist_is_told_the_nearest() {
        let paths = [
            "/health",
            "/v1/sessions",
            "/v1/sessions/{id}",
            "/v1/sessions/{id}/messages",
            "/v1/sessions/{id}/start",
            "/v1/messages/{id}/retry",
        ];
        let paths = Paths(paths.map(ToOwned::to_owned).to_vec());
        assert_eq!(
            paths.of("/v1/sessions/shop/messages"),
            Some("/v1/sessions/{id}/messages")
        );
        assert_eq!(paths.of("/v1/sessions//messages"), None);
        assert_eq!(paths.of("/v1/sessions/shop/messages/"), None);
        for (asked, nearest) in [
            ("/helth", "/health"),
            ("/v1/session", "/v1/sessions"),
            ("/v1/sessions/", "/v1/sessions"),
            ("/V1/Sessions/shop/message", "/v1/sessions/{id}/messages"),
            (
                "/v1/sessions/a-long-name-of-a-shop/strat",
                "/v1/sessions/{id}/start",
            ),
            ("/v1/messages/out_01kaz/rety", "/v1/messages/{id}/retry"),
            ("/sessions/shop/messages", "/v1/sessions/{id}/messages"),
        ] {
            assert_eq!(paths.nearest(asked), Some(nearest), "{asked}");
        }
        assert!(paths.nearest(&"x".repeat(100_000)).is_some());
    }
}
