//! Files that somebody else may have put there. A named pipe would be waited for, a device never
//! ends, and a file with a hole is larger than the disk: so each is opened without waiting, must be
//! a regular file, and is measured by its apparent size before a byte of it is read.

use std::{
    fs::{self, File, FileType, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use nix::fcntl::OFlag;

/// What a file is, for people.
pub(super) fn kind(of: FileType) -> &'static str {
    match of {
        of if of.is_file() => "a regular file",
        of if of.is_dir() => "a folder",
        of if of.is_symlink() => "a symbolic link",
        of if of.is_fifo() => "a named pipe",
        of if of.is_socket() => "a socket",
        of if of.is_block_device() || of.is_char_device() => "a device",
        _ => "something else",
    }
}

fn odd(of: FileType) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {}, not a regular file", kind(of)),
    )
}

fn regular(file: File) -> io::Result<File> {
    let of = file.metadata()?.file_type();
    if of.is_file() { Ok(file) } else { Err(odd(of)) }
}

/// Opens with `options`, without waiting for whoever is at the other end.
fn opened(options: &mut OpenOptions, flags: OFlag, path: &Path) -> io::Result<File> {
    match options
        .custom_flags((OFlag::O_NONBLOCK | flags).bits())
        .open(path)
    {
        Ok(file) => regular(file),
        // A socket, a link that must not be followed, a folder that was to be written: the system's
        // words say less.
        Err(error) => {
            let look = if flags.contains(OFlag::O_NOFOLLOW) {
                fs::symlink_metadata(path)
            } else {
                fs::metadata(path)
            };
            Err(look
                .ok()
                .map(|meta| meta.file_type())
                .filter(|of| !of.is_file())
                .map_or(error, odd))
        }
    }
}

/// Opens a regular file to read it; links are followed.
///
/// # Errors
/// When it is something else, said by what it is; whatever the system says.
pub fn open(path: &Path) -> io::Result<File> {
    opened(OpenOptions::new().read(true), OFlag::empty(), path)
}

/// Opens a regular file of ours to read and write it, and makes it (mode 0600) where nothing is;
/// links are followed.
///
/// # Errors
/// When something else is there, said by what it is; whatever the system says.
pub fn made(path: &Path) -> io::Result<File> {
    opened(
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600),
        OFlag::empty(),
        path,
    )
}

/// As [`made`], for a file that only marks something: a link is refused.
///
/// # Errors
/// As [`made`].
pub fn lock(path: &Path) -> io::Result<File> {
    opened(
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600),
        OFlag::O_NOFOLLOW,
        path,
    )
}

/// The content of a regular file of at most `limit` bytes.
///
/// # Errors
/// When it is no regular file or larger, both said; whatever the system says.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let size = file.metadata()?.len();
    let too_large = |size: String| {
        io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has {size}; at most {limit} bytes are read"),
        )
    };
    if size > limit {
        return Err(too_large(format!("{size} bytes")));
    }
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // It may grow meanwhile, and files of the kernel have no size.
    file.take(limit.saturating_add(1))
        .read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        Err(too_large("more".into()))
    } else {
        Ok(content)
    }
}

/// As [`read`], as text.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|error| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is not UTF-8: {}", error.utf8_error()),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn whatever_is_no_regular_file_is_refused_at_once_by_what_it_is() {
        let dir = tempfile::tempdir().expect("tempdir");
        let place = |name: &str| dir.path().join(name);
        mkfifo(&place("pipe"), Mode::S_IRWXU).expect("made");
        let _socket = UnixListener::bind(place("socket")).expect("bound");
        symlink("circle", place("circle")).expect("linked");
        symlink("pipe", place("to-pipe")).expect("linked");
        for (path, words) in [
            (place("pipe"), "a named pipe"),
            (place("to-pipe"), "a named pipe"),
            (place("socket"), "a socket"),
            (dir.path().to_owned(), "a folder"),
            ("/dev/zero".into(), "a device"),
            (place("circle"), "symbolic links"),
        ] {
            for error in [read(&path, 10).map(drop), made(&path).map(drop)] {
                let error = error.expect_err("refused").to_string();
                assert!(error.contains(words), "{}: {error}", path.display());
            }
        }
        symlink("file", place("link")).expect("linked");
        fs::write(place("file"), "text").expect("written");
        assert_eq!(read_text(&place("link"), 4).expect("read"), "text");
        assert!(
            lock(&place("link"))
                .expect_err("a link")
                .to_string()
                .contains("a symbolic link")
        );
        lock(&place("new")).expect("made");
    }

    #[test]
    fn a_file_is_measured_by_its_apparent_size() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("hole");
        File::create(&path)
            .and_then(|file| file.set_len(1 << 40))
            .expect("a hole");
        assert!(
            read(&path, 1 << 20)
                .expect_err("too large")
                .to_string()
                .contains("1099511627776 bytes; at most 1048576")
        );
        // Its apparent size is 0.
        assert!(read(Path::new("/proc/self/status"), 100).is_err());
        assert!(
            !read(Path::new("/proc/self/status"), 1 << 20)
                .expect("read")
                .is_empty()
        );
    }
}
