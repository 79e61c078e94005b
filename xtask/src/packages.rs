//! The selections of packages that are built together.
//!
//! Cargo builds a shared dependency with the union of the features that the selected packages want.
//! Another selection can mean other features of tokio or rustix, and then a second build of
//! wasmtime and of everything else that depends on them. So there are few selections, and the
//! dependencies that they share have the same features in each.

/// The distributed package, which is built alone.
pub(crate) const GATEWAY: &str = "wharf";

/// The packages with the programs that run on this machine: the gateway, the stand-in, and the demo
/// with the other programs of the tests.
pub(crate) const HOST: [&str; 3] = ["wharf", "wharf-standin", "wharf-e2e"];

/// What `cargo xtask test` tests besides [`HOST`]. The plugins are added, because their unit tests
/// run natively.
pub(crate) const TESTS: [&str; 3] = ["wharf-bench", "xtask", "wharf-plugin"];

/// The benchmarks, which are built with [`HOST`] and always optimised.
pub(crate) const BENCHES: [&str; 3] = ["wharf-bench", "wharf-bench-accept", "wharf-bench-parts"];

/// The option of unoptimised builds, which leave out jemalloc, the gateway's only default feature.
pub(crate) const PLAIN: &str = "--no-default-features";

/// `-p <package>` of each.
pub(crate) fn select<'a>(packages: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    packages
        .into_iter()
        .flat_map(|package| ["-p", package])
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::{plugins, project};

    /// Every package that is built for this selection, with the sets of features that it is built
    /// with.
    fn features<'a>(
        packages: impl IntoIterator<Item = &'a str>,
        edges: &str,
        plain: &[&str],
    ) -> BTreeMap<String, BTreeSet<String>> {
        let mut cargo = project::cargo();
        cargo
            .args([
                "tree", "--locked", "--edges", edges, "--prefix", "none", "--format", "{p}\t{f}",
            ])
            .args(select(packages))
            .args(plain);
        let output = cargo
            .current_dir(project::root())
            .output()
            .expect("cargo tree");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            if let Some((package, features)) = line.split_once('\t') {
                found
                    .entry(package.into())
                    .or_default()
                    .insert(features.trim_end_matches(" (*)").into());
            }
        }
        assert!(
            found
                .keys()
                .any(|package| package.starts_with("wasmtime v")),
            "{found:?}"
        );
        found
    }

    /// The packages that the second selection would build again.
    fn again(
        first: &BTreeMap<String, BTreeSet<String>>,
        second: &BTreeMap<String, BTreeSet<String>>,
    ) -> Vec<String> {
        let of_both = first
            .iter()
            .filter_map(|(package, features)| Some((package, features, second.get(package)?)));
        of_both
            .filter(|(_, first, second)| first != second)
            .map(|(package, first, second)| format!("{package}: {first:?}, {second:?}"))
            .collect()
    }

    #[test]
    fn the_tests_are_made_of_what_the_demo_is_made_of() {
        let plugins = plugins::packages().expect("plugins");
        let tests = HOST
            .into_iter()
            .chain(TESTS)
            .chain(plugins.iter().map(String::as_str));
        assert_eq!(
            again(
                &features(HOST, "normal,build", &[PLAIN]),
                &features(tests, "normal,build,dev", &[PLAIN])
            ),
            [""; 0]
        );
    }

    #[test]
    fn a_bench_is_made_of_what_another_bench_is_made_of() {
        let benches = || HOST.into_iter().chain(BENCHES);
        // `cargo bench` builds with the dev-dependencies, `cargo build` without.
        assert_eq!(
            again(
                &features(benches(), "normal,build", &[]),
                &features(benches(), "normal,build,dev", &[])
            ),
            [""; 0]
        );
    }

    #[test]
    fn another_selection_would_be_noticed() {
        assert!(
            !again(
                &features(HOST, "normal,build", &[PLAIN]),
                &features(["wharf"], "normal,build", &[PLAIN])
            )
            .is_empty()
        );
    }

    #[test]
    fn jemalloc_is_in_the_benches_and_not_in_the_demo() {
        let has = |found: BTreeMap<String, BTreeSet<String>>| {
            found.keys().any(|package| package.contains("jemalloc"))
        };
        assert!(has(features(
            HOST.into_iter().chain(BENCHES),
            "normal",
            &[]
        )));
        assert!(!has(features(HOST, "normal,dev", &[PLAIN])));
    }
}
