//! Checks the session path, and the profiles of all sessions: those that the configuration names,
//! and those found in the session path.

use std::{collections::BTreeSet, path::Path};

use super::finding::Finding;
use crate::{
    config::Config,
    gateway::profiles::in_use,
    model::ClientId,
    session::{self, inspect_profile, profiles, profiles::Login},
};

/// Changes nothing: the doctor may run as another user than the gateway, and what it created would
/// be in the gateway's way.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let root = &config.sessions.path;
    let path = root.display();
    let missing = match session::inspect_root(root) {
        Ok(true) => None,
        Ok(false) => Some(Finding::good(format!(
            "session path {path}: it will be created by the first start"
        ))),
        Err(error) => {
            let advice =
                "make it writable for the user that runs the gateway, or set [sessions] path";
            return vec![Finding::look(
                format!("session path {path}: {error}"),
                advice,
            )];
        }
    };
    let listed = match profiles::list(root) {
        Ok(listed) => listed,
        Err(error) => {
            return vec![Finding::look(
                error.to_string(),
                "make the user that runs the gateway its owner",
            )];
        }
    };
    let mut clients: BTreeSet<ClientId> = config.sessions.session.keys().cloned().collect();
    clients.insert(config.sessions.default_client.clone());
    clients.extend(listed.iter().filter_map(|profile| profile.client.clone()));
    let confused = ClientId::differ_in_case_only(&clients.iter().collect::<Vec<_>>()).map(|(one, other)| {
        let advice = "on some file systems their profiles are the same folder: keep one, and link the other account under another name";
        Finding::look(format!("sessions {one} and {other} differ in upper and lower case only"), advice)
    });
    let of_clients = clients
        .into_iter()
        .map(|client| match inspect_profile(root, &client) {
            Err(problem) => Finding::look(
                format!("session {client}: its profile cannot be used"),
                problem.to_string(),
            ),
            Ok(()) => {
                let known = listed
                    .iter()
                    .find(|profile| profile.client.as_ref() == Some(&client));
                let login = match known {
                    None => "no profile yet: it will show a QR",
                    Some(profile) => match profile.login {
                        Login::Held => "its profile holds a login",
                        Login::Possible => {
                            "its profile may hold a login: the start will show whether it does"
                        }
                        Login::Absent => "its profile holds no login: it will show a QR",
                    },
                };
                let user = known
                    .and_then(|profile| in_use(profile.used_by))
                    .map_or(String::new(), |user| format!("; {user}"));
                Finding::good(format!("session {client}: {login}{user}"))
            }
        })
        .chain(confused);
    let mut findings: Vec<Finding> = missing.into_iter().chain(of_clients).collect();
    let default = &config.sessions.default_client;
    if let Some(login) = profiles::unadopted(root, default) {
        let seen = format!(
            "{} is a login of whatsapp-web.js without a client id, which no session uses",
            login.display()
        );
        findings.push(Finding::look(seen, adoption(root, default, &login)));
    }
    findings
}

/// The commands that let a session use that login.
fn adoption(root: &Path, client: &ClientId, login: &Path) -> String {
    let aside = if session::profile_dir(root, client).exists() {
        format!("wharf profile quarantine {client}, then ")
    } else {
        String::new()
    };
    format!(
        "to use it for session {client} without a scan, while no gateway runs: {aside}wharf profile adopt {}",
        login.display()
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::browser;

    #[test]
    fn a_session_path_that_is_not_there_is_not_made() {
        let dir = tempfile::tempdir().expect("tempdir");
        let mut config = Config::default();
        config.sessions.path = dir.path().join("data/session");
        let findings = examine(&config);
        assert!(
            findings[0]
                .seen
                .ends_with("it will be created by the first start"),
            "{findings:?}"
        );
        assert!(findings.iter().all(|finding| finding.advice.is_none()));
        assert_eq!(fs::read_dir(dir.path()).expect("read").count(), 0);

        config.sessions.path = dir.path().to_owned();
        assert!(examine(&config)[0].seen.contains("it will show a QR"));
        assert_eq!(fs::read_dir(dir.path()).expect("read").count(), 0);
    }

    #[test]
    fn a_user_whose_process_is_not_known_is_not_called_process_0() {
        let dir = tempfile::tempdir().expect("tempdir");
        let mut config = Config::default();
        config.sessions.path = dir.path().to_owned();
        let profile = session::profile_dir(dir.path(), &config.sessions.default_client);
        fs::create_dir_all(&profile).expect("made");
        let held = browser::hold_profile(&profile).expect("free");
        let findings = examine(&config);
        assert!(findings[0].seen.ends_with("; in use"), "{findings:?}");
        drop(held);
    }
}
