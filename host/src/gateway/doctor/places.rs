//! Checks who may read and change the session path and the database, by the rules of a start and
//! without changing anything.

use std::{collections::BTreeMap, path::Path};

use super::finding::Finding;
use crate::{
    config::Config,
    files::Remark,
    gateway::{self, places},
};

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let (root, database) = (&config.sessions.path, gateway::database(config));
    if !root.exists() && !database.exists() {
        return vec![];
    }
    of(root, &database)
}

fn of(root: &Path, database: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    // One line for all places of which the same is said.
    let mut remarks = BTreeMap::<String, Vec<String>>::new();
    for (place, seen) in places::look(root, database) {
        let (what, path) = (place.what, place.path.display());
        match seen {
            Ok(remark) => remarks
                .entry(words(remark))
                .or_default()
                .push(format!("{what} {path}")),
            Err(exposed) => findings.push(Finding::look(
                format!("{what} {path}: as this user, the gateway refuses to use it"),
                exposed.to_string(),
            )),
        }
    }
    // The gateway starts all the same, so nothing has to be done about these.
    findings.extend(
        remarks
            .into_iter()
            .map(|(words, places)| Finding::good(format!("{words}: {}", places.join(", ")))),
    );
    if findings.is_empty() {
        findings.push(Finding::good(
            "other users can neither read nor change the logins and the database",
        ));
    }
    findings
}

fn words(remark: Remark) -> String {
    match remark {
        Remark::Close => "the next start removes the rights of other users".into(),
        Remark::Warn(why) => format!("the next start warns: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn permissions_are_reported_as_a_start_would_treat_them_and_stay_as_they_are() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (root, database) = (dir.path(), dir.path().join("wharf.db"));
        fs::set_permissions(root, fs::Permissions::from_mode(0o700)).expect("closed");
        let said = || {
            let findings = of(root, &database);
            findings.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            said(),
            ["ok    other users can neither read nor change the logins and the database"]
        );

        fs::write(&database, "").expect("written");
        fs::set_permissions(&database, fs::Permissions::from_mode(0o644)).expect("opened");
        let open = said();
        assert!(
            open.len() == 1
                && open[0].starts_with(
                    "ok    the next start removes the rights of other users: database"
                ),
            "{open:?}"
        );
        let meta = fs::metadata(&database).expect("there");
        assert_eq!(
            meta.permissions().mode() & 0o777,
            0o644,
            "a look changes nothing"
        );

        // What a start refuses.
        fs::create_dir(root.join("gateway.lock")).expect("made");
        let refused = said();
        assert!(
            refused[0].starts_with("LOOK  lock of the session path")
                && refused[0].contains("a regular file is expected there; move it away"),
            "{refused:?}"
        );
        assert_eq!(refused.len(), 2, "{refused:?}");
    }
}
