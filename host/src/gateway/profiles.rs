//! `wharf profile …`: manages profiles while their sessions are stopped.

use std::path::Path;

use crate::{
    cli::Profile,
    config::Config,
    model::Timestamp,
    session::profiles::{self, ListedProfile, Login, ProfileError, Quarantined},
};

/// Runs a command and returns the lines to show.
///
/// # Errors
/// See [`ProfileError`]; its message says what to do.
pub fn run(config: &Config, command: &Profile) -> Result<Vec<String>, ProfileError> {
    let root = config.sessions.path.as_path();
    Ok(match command {
        Profile::List => list(root)?,
        Profile::Backup { client, file } => {
            let done = profiles::backup(root, client, file)?;
            vec![
                format!(
                    "{}: {} files, {} of profile {client}",
                    done.path.display(),
                    done.files,
                    size(done.bytes)
                ),
                "Anyone who has this file can use the account: protect it like a password.".into(),
            ]
        }
        Profile::Restore { client, file } => {
            let done = profiles::restore(root, client, file)?;
            vec![
                format!("{}: {} files, {}", done.path.display(), done.files, size(done.bytes)),
                "A login is used by one browser at a time: do not start the one it was copied from.".into(),
            ]
        }
        Profile::Adopt { dir, client } => {
            let done =
                profiles::adopt(root, dir, client.as_ref(), &config.sessions.default_client)?;
            vec![
                format!("session {}: {} files copied from {} to {}", done.client, done.files, done.source.display(), done.path.display()),
                "Do not start the old program on this login again: WhatsApp disconnects the older of two browsers.".into(),
            ]
        }
        Profile::Quarantine { client } => {
            let aside = profiles::set_aside(root, client)?;
            vec![format!(
                "set aside as {}; `wharf profile bring-back {}` undoes it",
                aside.path, aside.name
            )]
        }
        Profile::BringBack { name } => vec![format!(
            "back at {}",
            profiles::bring_back(root, name)?.display()
        )],
    })
}

fn list(root: &Path) -> Result<Vec<String>, ProfileError> {
    let (there, aside) = (profiles::list(root)?, profiles::quarantined(root)?);
    let mut lines: Vec<String> = there.iter().map(profile).collect();
    if there.is_empty() {
        lines.push(format!("no profiles in {}", root.display()));
    }
    if !aside.is_empty() {
        lines.push("set aside:".into());
        lines.extend(aside.iter().map(quarantined));
    }
    Ok(lines)
}

fn profile(profile: &ListedProfile) -> String {
    let name = profile
        .client
        .as_ref()
        .map_or("(no client id)", |client| client.as_str());
    let login = match profile.login {
        Login::Held => "holds a login",
        Login::Possible => "may hold a login",
        Login::Absent => "no login",
    };
    let used = in_use(profile.used_by).unwrap_or_else(|| "not in use".to_owned());
    format!(
        "{name}: {}, {login}, {used}, {}",
        size(profile.bytes),
        profile.path
    )
}

/// Says who uses a profile; `None` if nobody does. The process id 0 stands for a process that is
/// not known.
pub(super) fn in_use(used_by: Option<i32>) -> Option<String> {
    Some(match used_by? {
        0 => "in use".to_owned(),
        pid => format!("in use by process {pid}"),
    })
}

fn quarantined(aside: &Quarantined) -> String {
    let since = aside
        .since
        .map_or("an unknown time".to_owned(), Timestamp::rfc3339);
    format!(
        "{}: {}, since {since}, {}",
        aside.name,
        size(aside.bytes),
        aside.path
    )
}

/// A size in MiB with one decimal place.
fn size(bytes: u64) -> String {
    let mib = bytes.saturating_mul(10) / (1 << 20);
    format!("{}.{} MiB", mib / 10, mib % 10)
}
