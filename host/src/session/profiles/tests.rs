mod backups;

use std::{fs, path::Path, time::Duration};

use super::*;
use crate::browser;

fn client(name: &str) -> ClientId {
    name.parse().expect("a client id")
}

fn fill(path: &Path) {
    fs::create_dir_all(path).expect("create");
    fs::write(path.join("data"), vec![1; 9000]).expect("write");
}

/// A profile with a login, a cache, a crash dump, and the mark of a browser that is gone.
fn login(profile: &Path) {
    for part in [
        "Default/Local Storage/leveldb",
        "Default/IndexedDB/https_web.whatsapp.com_0.indexeddb.leveldb",
        "Default/Cache",
        "Crashpad/pending",
    ] {
        fill(&profile.join(part));
    }
    fs::write(profile.join("Local State"), b"{}").expect("write");
    std::os::unix::fs::symlink("gone-1", profile.join("SingletonLock")).expect("symlink");
}

const KEPT: &str = "Default/Local Storage/leveldb/data";

#[test]
fn a_clean_up_never_removes_a_login() {
    let dir = tempfile::tempdir().expect("tempdir");
    let root = dir.path();
    prepare_root(root).expect("root");
    let (mine, running, orphan, empty) = (
        client("mine"),
        client("running"),
        client("orphan"),
        client("empty"),
    );
    for owner in [&mine, &running, &orphan] {
        login(&profile_dir(root, owner));
    }
    fill(&profile_dir(root, &empty));
    fill(&root.join(".wwebjs_auth/.incoming-x-1"));
    let known = [mine.clone(), running.clone()];

    let young = clean(root, &known, &[], Duration::from_secs(3600), false).expect("clean");
    assert_eq!(
        young,
        Cleanup::default(),
        "nothing is old enough, and no session is idle"
    );

    let dry = clean(
        root,
        &known,
        std::slice::from_ref(&mine),
        Duration::ZERO,
        true,
    )
    .expect("clean");
    let orphans = ".wwebjs_auth/session-orphan".to_owned();
    assert_eq!(
        (dry.dry_run, dry.quarantined.as_slice()),
        (true, std::slice::from_ref(&orphans))
    );
    assert!(
        profile_dir(root, &orphan).exists()
            && profile_dir(root, &empty).exists()
            && profile_dir(root, &mine).join("Default/Cache").exists()
    );
    assert!(
        !profile_dir(root, &mine).join(".wharf-lock").exists(),
        "a dry run leaves no trace"
    );

    let done = clean(
        root,
        &known,
        std::slice::from_ref(&mine),
        Duration::ZERO,
        false,
    )
    .expect("clean");
    let wanted = [
        "session-mine/Default/Cache",
        "session-mine/Crashpad",
        ".incoming-x-1",
        "session-empty",
    ];
    assert_eq!(
        done.removed,
        wanted.map(|path| format!(".wwebjs_auth/{path}"))
    );
    assert_eq!(
        (&dry.removed, dry.bytes_freed),
        (&done.removed, done.bytes_freed),
        "the dry run said the truth"
    );
    assert_eq!(done.quarantined.len(), 1);
    assert!(done.bytes_freed >= 27_000);
    for kept in [
        profile_dir(root, &mine),
        profile_dir(root, &running),
        root.join(&done.quarantined[0]),
    ] {
        assert!(kept.join(KEPT).exists(), "{kept:?}");
    }
    assert!(
        profile_dir(root, &running).join("Default/Cache").exists(),
        "a running browser keeps its cache"
    );
}

#[test]
fn a_clean_up_passes_over_a_profile_in_use() {
    let dir = tempfile::tempdir().expect("tempdir");
    let root = dir.path();
    let mine = client("mine");
    login(&profile_dir(root, &mine));
    let _held = browser::hold_profile(&profile_dir(root, &mine)).expect("held");
    for dry_run in [true, false] {
        let done = clean(
            root,
            std::slice::from_ref(&mine),
            std::slice::from_ref(&mine),
            Duration::ZERO,
            dry_run,
        )
        .expect("clean");
        assert_eq!(done.removed, Vec::<String>::new());
    }
}

#[test]
fn a_profile_is_taken_away_or_it_is_said_that_it_was_not() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (root, a) = (dir.path(), client("a"));
    prepare_root(root).expect("root");
    let profile = profile_dir(root, &a);
    let none = discard(root, &a, ProfileFate::Delete).expect("nothing is there");
    assert_eq!(none, Cleanup::default());

    login(&profile);
    // No folder can be made where a file is.
    fs::write(root.join(".quarantine"), "").expect("written");
    let error = discard(root, &a, ProfileFate::SetAside).expect_err("no shelf");
    assert!(matches!(error, ProfileError::Io { .. }), "{error}");
    assert!(profile.join(KEPT).exists());
    fs::remove_file(root.join(".quarantine")).expect("removed");
    let aside = discard(root, &a, ProfileFate::SetAside).expect("set aside");
    assert!(!profile.exists() && root.join(&aside.quarantined[0]).join(KEPT).exists());

    login(&profile);
    let gone = discard(root, &a, ProfileFate::Delete).expect("deleted");
    assert_eq!(gone.removed, [".wwebjs_auth/session-a"]);
    assert!(!profile.exists() && gone.bytes_freed >= 27_000);
    // Not even root removes a file as if it were a folder.
    fs::write(&profile, "").expect("written");
    let error = discard(root, &a, ProfileFate::Delete).expect_err("no folder");
    assert!(error.to_string().contains("session-a"), "{error}");
}

#[test]
fn a_profile_is_described_relative_to_the_root() {
    let dir = tempfile::tempdir().expect("tempdir");
    let missing = facts(dir.path(), &client("a"));
    assert_eq!(
        (missing.path.as_str(), missing.exists, missing.files),
        (".wwebjs_auth/session-a", false, 0)
    );
    assert_eq!(list(dir.path()).expect("read"), []);
    fill(&profile_dir(dir.path(), &client("a")));
    let there = facts(dir.path(), &client("a"));
    assert!(
        there.exists
            && there.writable
            && there.files == 1
            && there.bytes >= 9000
            && there.idle_seconds.is_some()
    );
    let listed = list(dir.path()).expect("read");
    assert_eq!(
        (
            listed.len(),
            listed[0].client.clone(),
            listed[0].login,
            listed[0].used_by
        ),
        (1, Some(client("a")), Login::Absent, None)
    );
}

#[test]
fn what_is_set_aside_comes_back_where_nothing_is() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (root, a) = (dir.path(), client("a-b"));
    let profile = profile_dir(root, &a);
    assert!(matches!(set_aside(root, &a), Err(ProfileError::Missing(_))));
    login(&profile);
    {
        let _held = browser::hold_profile(&profile).expect("held");
        let error = set_aside(root, &a).expect_err("in use");
        assert!(
            matches!(&error, ProfileError::InUse(_))
                && error.to_string().contains("stop what uses it first"),
            "{error}"
        );
    }
    let aside = set_aside(root, &a).expect("set aside");
    assert!(!profile.exists() && aside.since.is_some() && aside.bytes >= 27_000);
    assert_eq!(
        quarantined(root).expect("read"),
        std::slice::from_ref(&aside)
    );

    fill(&profile);
    assert!(matches!(
        bring_back(root, &aside.name),
        Err(ProfileError::Exists(_))
    ));
    fs::remove_dir_all(&profile).expect("removed");
    for wrong in ["", "..", "session-a-b", "../session-a-b-1", "session-c-1"] {
        assert!(
            matches!(
                bring_back(root, wrong),
                Err(ProfileError::NotQuarantined(_))
            ),
            "{wrong}"
        );
    }
    assert_eq!(bring_back(root, &aside.name).expect("back"), profile);
    assert!(profile.join(KEPT).exists());
    assert_eq!(quarantined(root).expect("read"), []);
}

#[test]
fn a_login_of_whatsapp_web_js_is_adopted_from_wherever_it_is_named() {
    let (dir, other) = (
        tempfile::tempdir().expect("tempdir"),
        tempfile::tempdir().expect("tempdir"),
    );
    let (root, default) = (dir.path(), client("default"));
    assert!(matches!(
        adopt(root, other.path(), None, &default),
        Err(ProfileError::NoLogin(_))
    ));
    let nameless = other.path().join(".wwebjs_auth/session");
    login(&nameless);
    let adopted = adopt(root, other.path(), None, &default).expect("adopted");
    assert_eq!((adopted.client.as_str(), adopted.files), ("default", 3));
    assert!(
        adopted.path.join(KEPT).exists() && nameless.join(KEPT).exists(),
        "copied, not moved"
    );
    assert!(
        !adopted.path.join("Default/Cache").exists()
            && fs::symlink_metadata(adopted.path.join("SingletonLock")).is_err()
    );
    assert!(matches!(
        adopt(root, &nameless, None, &default),
        Err(ProfileError::Exists(_))
    ));
    assert_eq!(
        adopt(root, &nameless, Some(&client("x")), &default)
            .expect("adopted")
            .client,
        client("x")
    );

    let named = other.path().join(".wwebjs_auth/session-shop");
    login(&named);
    assert!(
        matches!(adopt(root, other.path(), None, &default), Err(ProfileError::Several { found, .. }) if found.len() == 2)
    );
    {
        let _used = browser::hold_profile(&named).expect("held");
        assert!(matches!(
            adopt(root, &named, None, &default),
            Err(ProfileError::InUse(_))
        ));
    }
    assert_eq!(
        adopt(root, &named, None, &default).expect("adopted").client,
        client("shop")
    );
    nothing_is_left(root);
}

fn nothing_is_left(root: &Path) {
    let here = fs::read_dir(root)
        .into_iter()
        .chain(fs::read_dir(root.join(".wwebjs_auth")))
        .flatten();
    let left: Vec<_> = here
        .map(|entry| entry.expect("entry").path())
        .filter(|path| {
            path.to_string_lossy().contains("/.incoming-")
                || path.extension().is_some_and(|x| x == "part")
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_login_is_held_when_a_session_was_linked_and_possible_where_whatsapp_web_has_been() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (root, client) = (dir.path(), client("a"));
    let profile = profile_dir(root, &client);
    fill(&profile.join("Default/Local Storage/leveldb"));
    let login = || list(root).expect("listed")[0].login;
    assert_eq!(login(), Login::Possible);
    fs::write(profile.join(".wharf-login.json"), "{\"last-wid-md\":\"1\"}").expect("written");
    assert_eq!(login(), Login::Held);
    fs::write(profile.join(".wharf-login.json"), "torn").expect("written");
    assert_eq!(login(), Login::Possible);
}

#[test]
fn a_login_without_a_client_id_is_pointed_out_until_it_is_adopted() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (root, client) = (dir.path(), client("default"));
    prepare_root(root).expect("prepared");
    assert_eq!(unadopted(root, &client), None);
    let found = root.join(".wwebjs_auth/session");
    fill(&found.join("Default/Local Storage/leveldb"));
    assert_eq!(unadopted(root, &client), Some(found.clone()));
    // A profile of our own, in which a QR code was shown and not scanned.
    let own = profile_dir(root, &client);
    fill(&own.join("Default/Local Storage/leveldb"));
    drop(browser::hold_profile(&own).expect("free"));
    assert_eq!(unadopted(root, &client), Some(found.clone()));
    fs::remove_dir_all(&own).expect("removed");
    adopt(root, &found, Some(&client), &client).expect("adopted");
    assert_eq!(
        unadopted(root, &client),
        None,
        "adopted, and not started yet"
    );
    drop(browser::hold_profile(&own).expect("free"));
    fs::write(own.join(".wharf-login.json"), "{}").expect("written");
    assert_eq!(unadopted(root, &client), None, "adopted and linked");
}
