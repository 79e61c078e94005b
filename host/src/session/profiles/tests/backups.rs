//! Backups: their contents, what is refused before anything is written, and that a failure leaves
//! nothing behind.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_backup_is_restored_under_another_name_without_caches_and_marks() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (root, file) = (dir.path(), dir.path().join("a.tar.gz"));
    login(&profile_dir(root, &client("a")));
    let written = backup(root, &client("a"), &file).expect("written");
    assert_eq!((written.files, written.bytes), (3, 18_002));
    assert_eq!(
        fs::metadata(&file).expect("meta").permissions().mode() & 0o777,
        0o600
    );
    assert!(
        matches!(
            backup(root, &client("a"), &file),
            Err(ProfileError::Exists(_))
        ),
        "a backup is not overwritten"
    );
    assert!(
        matches!(
            restore(root, &client("a"), &file),
            Err(ProfileError::Exists(_))
        ),
        "nor is a profile"
    );

    let made = restore(root, &client("b"), &file).expect("made");
    let profile = profile_dir(root, &client("b"));
    assert_eq!((made.files, &made.path), (3, &profile));
    assert_eq!(fs::read(profile.join(KEPT)).expect("read"), vec![1; 9000]);
    assert_eq!(
        fs::metadata(&profile).expect("meta").permissions().mode() & 0o777,
        0o700
    );
    let mut names: Vec<_> = fs::read_dir(&profile)
        .expect("read")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["Default", "Local State"],
        "no cache, no dump, no mark, no manifest"
    );
    nothing_is_left(root);
}

#[test]
fn a_profile_in_use_or_without_a_login_is_not_backed_up() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (root, file) = (dir.path(), dir.path().join("a.tar.gz"));
    assert!(matches!(
        backup(root, &client("a"), &file),
        Err(ProfileError::Missing(_))
    ));
    fill(&profile_dir(root, &client("a")));
    assert!(matches!(
        backup(root, &client("a"), &file),
        Err(ProfileError::NoLogin(_))
    ));
    login(&profile_dir(root, &client("b")));
    let _held = browser::hold_profile(&profile_dir(root, &client("b"))).expect("held");
    assert!(matches!(
        backup(root, &client("b"), &file),
        Err(ProfileError::InUse(_))
    ));
    assert!(!file.exists());
    let _link =
        std::os::unix::fs::symlink("/etc/passwd", profile_dir(root, &client("a")).join("link"));
    fill(&profile_dir(root, &client("a")).join("Default/IndexedDB"));
    assert!(matches!(
        backup(root, &client("a"), &file),
        Err(ProfileError::Unsafe { .. })
    ));
    assert!(!file.exists());
    nothing_is_left(root);
}

#[test]
fn a_damaged_or_hostile_archive_makes_nothing() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (root, file) = (dir.path(), dir.path().join("a.tar.gz"));
    login(&profile_dir(root, &client("a")));
    backup(root, &client("a"), &file).expect("written");
    let whole = fs::read(&file).expect("read");
    let mut flipped = whole.clone();
    let at = whole.len() - 6;
    flipped[at] ^= 1;
    for (name, bytes) in [
        ("cut", &whole[..whole.len() / 2]),
        ("cut at the end", &whole[..whole.len() - 4]),
        ("flipped", &flipped),
        ("empty", &[]),
    ] {
        fs::write(&file, bytes).expect("written");
        assert!(restore(root, &client("b"), &file).is_err(), "{name}");
        assert!(!profile_dir(root, &client("b")).exists(), "{name}");
    }
    let manifest = r#"{"format":1,"client":"a","createdAt":"","version":""}"#;
    let entries: [&[(&str, tar::EntryType)]; 4] = [
        &[("Default/x", tar::EntryType::Regular)],
        &[
            (archive::MANIFEST, tar::EntryType::Regular),
            ("../out", tar::EntryType::Regular),
        ],
        &[
            (archive::MANIFEST, tar::EntryType::Regular),
            ("/tmp/out", tar::EntryType::Regular),
        ],
        &[
            (archive::MANIFEST, tar::EntryType::Regular),
            ("link", tar::EntryType::Symlink),
        ],
    ];
    for entries in entries {
        fs::write(&file, hostile(entries, manifest)).expect("written");
        let error = restore(root, &client("b"), &file).expect_err("hostile");
        assert!(
            matches!(
                error,
                ProfileError::Unsafe { .. } | ProfileError::NotABackup(_)
            ),
            "{error}"
        );
    }
    assert!(!root.join(".wwebjs_auth/out").exists() && !Path::new("/tmp/out").exists());
    nothing_is_left(root);
}

#[test]
fn what_is_larger_than_any_profile_or_no_file_at_all_is_refused_before_it_is_copied() {
    let (dir, other) = (
        tempfile::tempdir().expect("tempdir"),
        tempfile::tempdir().expect("tempdir"),
    );
    let (root, file) = (dir.path(), dir.path().join("a.tar.gz"));
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).expect("made");
    assert!(
        restore(root, &client("b"), &file)
            .expect_err("a pipe")
            .to_string()
            .contains("a named pipe")
    );
    fs::remove_file(&file).expect("removed");

    let manifest = r#"{"format":1,"client":"a","createdAt":"","version":""}"#;
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for (name, size) in [
        (archive::MANIFEST, manifest.len() as u64),
        ("Default/IndexedDB/x", archive::BYTES + 1),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_path(name).expect("short");
        header.set_size(size);
        header.set_cksum();
        archive
            .append(&header, manifest.as_bytes())
            .expect("appended");
    }
    fs::write(
        &file,
        archive
            .into_inner()
            .expect("ended")
            .finish()
            .expect("packed"),
    )
    .expect("written");
    assert!(matches!(
        restore(root, &client("b"), &file),
        Err(ProfileError::TooLarge { .. })
    ));

    // A hole takes no space in the source, but its full size in the copy.
    let named = other.path().join("session-hole");
    login(&named);
    fs::File::create(named.join("Default/hole"))
        .and_then(|file| file.set_len(1 << 42))
        .expect("a hole");
    let refused = adopt(root, &named, None, &client("default")).expect_err("no room");
    assert!(
        matches!(
            refused,
            ProfileError::Problem(ProfileProblem::NoSpace { .. })
        ),
        "{refused}"
    );
    nothing_is_left(root);
}

/// An archive with names that the library refuses to write.
fn hostile(entries: &[(&str, tar::EntryType)], text: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for (name, kind) in entries {
        let mut header = tar::Header::new_old();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        let text = if kind.is_symlink() { "" } else { text };
        header.set_size(text.len() as u64);
        header.set_cksum();
        archive.append(&header, text.as_bytes()).expect("appended");
    }
    archive
        .into_inner()
        .expect("ended")
        .finish()
        .expect("packed")
}
