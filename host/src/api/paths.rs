//! The list of the API's paths, from which the error for an unknown path takes the most similar
//! one.

use super::route::Call;

/// The most characters of an unknown path that are compared.
const LOOKED_AT: usize = 200;

/// All paths, with path parameters as `{…}`.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths(Vec<String>);

impl Paths {
    /// The paths of all calls. A path that ends in `{verb}` becomes one path for each action,
    /// because other actions do not exist.
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

    /// The listed path that `path` matches; none when it is unknown.
    pub(super) fn of(&self, path: &str) -> Option<&str> {
        self.0
            .iter()
            .map(String::as_str)
            .find(|known| fill(known, path) == path)
    }

    /// The path that is most similar to an unknown one.
    pub(super) fn nearest(&self, path: &str) -> Option<&str> {
        let path: String = path
            .chars()
            .take(LOOKED_AT)
            .flat_map(char::to_lowercase)
            .collect();
        // A forgotten `/v1` is the most likely mistake.
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

/// A listed path with its `{…}` replaced by the segments of `path`.
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
