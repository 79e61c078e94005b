//! Follows the book in `docs/plugins` as an author would: each page from its top, in an empty
//! folder, with `wharf` on the PATH. So a page that leaves out a step fails here.
//!
//! The information string of a block says what it is:
//!
//! - `sh author`: typed line by line; the folder in which a block ends is that of the next one.
//!   `sh author, exits 1` ends with that status, and every other line with 0.
//! - `sh another terminal`: started in the same folder, and ended with the page.
//! - `text`: what the last block has printed. Each line has to occur in it, with other numbers,
//!   because most of them are measured.
//! - a language and a path: a file that is written. `rust in src/lib.rs` and the like: a part of a
//!   file that is there already.
//! - `toml`: a piece of a gateway's configuration. The e2e test `readme` reads all of them.
//! - `sh operator`: typed by the operator of a running gateway, in the e2e test `book`.

use std::{
    collections::BTreeSet,
    env, fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Desk, Ran, finish, target};

/// The port of the services that the book shows; here each page has a free one.
const SERVICE: &str = "8089";
/// The pages of which other tests know every block: the e2e tests `book` and `readme`, and `page`
/// in this folder.
const ELSEWHERE: [&str; 3] = ["first.md", "packaging.md", "workbench.md"];
const PATIENCE: Duration = Duration::from_secs(60);

/// A fenced block of a page.
#[derive(Debug, Clone)]
struct Block {
    info: String,
    text: String,
}

/// The repository.
fn root() -> PathBuf {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins");
    let book = fs::canonicalize(book).expect("the book");
    book.ancestors().nth(2).expect("the repository").to_owned()
}

fn folder() -> PathBuf {
    root().join("docs/plugins")
}

fn blocks(page: &str) -> Vec<Block> {
    let text = fs::read_to_string(folder().join(page)).expect(page);
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                open = Some(Block {
                    info: info.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block does not end");
    found
}

/// An author who follows a page.
struct Author {
    page: &'static str,
    /// Deleted at the end.
    _desk: Desk,
    /// Where the author is, below the desk.
    place: PathBuf,
    port: u16,
    /// What the last block has printed.
    said: String,
    started: Vec<Child>,
}

impl Drop for Author {
    fn drop(&mut self) {
        for child in &mut self.started {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Author {
    fn new(page: &'static str) -> Self {
        let desk = Desk::new();
        // The port is free at this moment. If another process takes it before the page's service
        // does, the page fails.
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        Self {
            page,
            place: fs::canonicalize(desk.path("")).expect("the desk"),
            _desk: desk,
            port,
            said: String::new(),
            started: Vec::new(),
        }
    }

    fn shell(&self, line: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_wharf"));
        let mut path = vec![program.parent().expect("a folder").to_owned()];
        path.extend(env::split_paths(&env::var_os("PATH").expect("a PATH")));
        let mut shell = Command::new("sh");
        // What cargo has set for this test is not there in an author's shell.
        for name in [
            "CARGO_MANIFEST_DIR",
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "WHARF_CONFIG",
        ] {
            shell.env_remove(name);
        }
        shell
            .args(["-ec", line])
            .current_dir(&self.place)
            .env("PATH", env::join_paths(path).expect("a PATH"))
            // Shared by all pages and runs: what is built once is built for all.
            .env("CARGO_TARGET_DIR", target().join("tmp/projects"))
            .env("XDG_CACHE_HOME", target().join("tmp/workbench"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        shell
    }

    /// Types the lines of a block; the last one ends with this status.
    fn types(&mut self, text: &str, status: i32) {
        let text = self.here(text).replace("\\\n", " ");
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        self.said.clear();
        for (at, line) in lines.iter().enumerate() {
            let expected = if at + 1 == lines.len() { status } else { 0 };
            if let Some(folder) = line.strip_prefix("cd ") {
                self.place = fs::canonicalize(self.place.join(folder.trim())).expect(line);
                continue;
            }
            // The SDK of the repository: with another target folder, the program finds none.
            let sdk = root().join("sdk").display().to_string();
            let made = line.strip_prefix("wharf plugin new ");
            let typed = match made {
                Some(rest) if !rest.contains("--language") => format!("{line} --sdk {sdk}"),
                _ => (*line).to_owned(),
            };
            let Ran {
                status: ended,
                out,
                err,
            } = finish(self.shell(&typed), "");
            self.said.push_str(&out);
            self.said.push_str(&err);
            assert_eq!(ended, expected, "{}: {line}\n{out}{err}", self.page);
            if let Some(project) = made.and_then(|rest| rest.split(' ').next()) {
                self.lock(project);
            }
        }
    }

    /// A new project gets the versions of dependencies that the repository uses.
    fn lock(&self, project: &str) {
        let root = root();
        for name in ["Cargo.lock", "rust-toolchain.toml"] {
            let to = self.place.join(project).join(name);
            fs::copy(root.join(name), to).expect("copied");
        }
    }

    /// A text of the page with this page's port and this repository.
    fn here(&self, text: &str) -> String {
        text.replace(SERVICE, &self.port.to_string())
            .replace("/path/to/wharf", &root().to_string_lossy())
    }

    fn starts(&mut self, text: &str) {
        let child = self
            .shell(&format!("exec {}", self.here(text).trim()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        self.started.push(child);
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                began.elapsed() < PATIENCE,
                "{}: nothing listens after {text}",
                self.page
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn writes(&self, path: &str, text: &str) {
        let path = self.place.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, self.here(text)).expect("written");
    }

    fn does(&mut self, Block { info, text }: &Block) {
        let page = self.page;
        match info.split_once(' ') {
            Some(("sh", "author")) => self.types(text, 0),
            Some(("sh", other)) if other.starts_with("author, exits ") => {
                let status = other
                    .rsplit(' ')
                    .next()
                    .and_then(|status| status.parse().ok());
                self.types(text, status.expect(info));
            }
            Some(("sh", "another terminal")) => self.starts(text),
            None if info == "text" => {
                let said = figures(&self.said);
                for line in text.lines() {
                    assert!(
                        said.contains(&figures(line.trim_end())),
                        "{page}: {line:?} is not printed:\n{}",
                        self.said
                    );
                }
            }
            None if info == "toml" => {}
            Some((_, path)) if path.starts_with("in ") => {
                let file = self.place.join(path.trim_start_matches("in "));
                let whole = fs::read_to_string(&file).expect(path);
                assert!(
                    whole.contains(&self.here(text)),
                    "{page}: {path} is not as shown:\n{whole}"
                );
            }
            Some(("rust" | "toml" | "json" | "python" | "javascript", path)) => {
                self.writes(path, text);
            }
            _ => panic!("{page}: what is a block {info:?}?"),
        }
    }
}

/// A text with each number as `0`.
fn figures(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut number = false;
    for c in text.chars() {
        let digit = c.is_ascii_digit() || (number && c == '.');
        if !digit {
            shown.push(c);
        } else if !number {
            shown.push('0');
        }
        number = digit;
    }
    shown
}

fn follow(page: &'static str) {
    let mut author = Author::new(page);
    for block in blocks(page) {
        author.does(&block);
    }
}

/// Makes a test of each page, and the list of them.
macro_rules! pages {
    ($($test:ident $page:literal)+) => {
        const FOLLOWED: &[&str] = &[$($page),+];

        $(#[test]
        fn $test() {
            follow($page);
        })+
    };
}

pages! {
    anatomy "anatomy.md"
    configuration "configuration.md"
    errors "errors.md"
    http "http.md"
    languages "languages.md"
    measuring "measuring.md"
    notifiers "notifiers.md"
    storage "storage.md"
    templaters "templaters.md"
    testing "testing.md"
    validators "validators.md"
}

#[test]
fn every_page_is_followed() {
    let pages: BTreeSet<String> = fs::read_dir(folder())
        .expect("the book")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    for page in &pages {
        let here = FOLLOWED.contains(&page.as_str()) || ELSEWHERE.contains(&page.as_str());
        for Block { info, .. } in blocks(page) {
            // The pages for operators have nothing else.
            let operator =
                info == "toml" || info.starts_with("sh operator") || info == "json operator";
            assert!(here || operator, "{page}: who follows the block {info:?}?");
        }
    }
    for page in FOLLOWED {
        assert!(pages.contains(*page), "{page} is no page");
    }
}
