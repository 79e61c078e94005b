//! Fuzzing on the stable toolchain: inputs are files of a corpus, changed by random edits.
//!
//! proptest makes the edits and reduces those of a failure. A failing input is then reduced byte by
//! byte and kept as a file of the corpus, so every later run begins with it. Each target is a test;
//! `cargo xtask fuzz --seconds N` runs all of them for longer.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    test_runner::{Config, TestError, TestRunner},
};
use sha2::{Digest, Sha256};

/// How long a target runs without `WHARF_FUZZ_SECONDS`, in seconds.
const SECONDS: u64 = 3;
/// The most edits of an input.
const MAX_EDITS: usize = 12;
/// The most bytes of an input.
const MAX_INPUT: usize = 64 << 10;

/// One change of an input. Places are fractions of its length.
#[derive(Debug, Clone)]
enum Edit {
    /// Replaces a byte.
    Set(u16, u8),
    /// Flips a bit.
    Flip(u16, u8),
    /// Removes some bytes.
    Remove(u16, u8),
    /// Repeats some bytes, this many times.
    Repeat(u16, u8, u8),
    /// Cuts the rest off.
    Cut(u16),
    /// Inserts a word of the target.
    Word(u16, u16),
    /// Inserts a part of another file of the corpus.
    Splice(u16, u16, u16, u8),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<u16>;
    let byte = any::<u8>;
    prop_oneof![
        (at(), byte()).prop_map(|(at, to)| Edit::Set(at, to)),
        (at(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (at(), byte()).prop_map(|(at, length)| Edit::Remove(at, length)),
        (at(), byte(), 0..20_u8).prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        at().prop_map(Edit::Cut),
        (at(), at()).prop_map(|(at, word)| Edit::Word(at, word)),
        (at(), at()).prop_map(|(at, word)| Edit::Word(at, word)),
        (at(), at(), at(), byte())
            .prop_map(|(at, other, from, length)| Edit::Splice(at, other, from, length)),
    ]
}

fn place(fraction: u16, length: usize) -> usize {
    usize::from(fraction) * length / (usize::from(u16::MAX) + 1)
}

/// The files of a target.
struct Corpus<'a> {
    folder: PathBuf,
    files: Vec<Vec<u8>>,
    words: &'a [&'a str],
}

impl<'a> Corpus<'a> {
    fn read(target: &str, words: &'a [&'a str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz")
            .join(target);
        let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.sort();
        let files = paths
            .iter()
            .map(|path| fs::read(path).expect("a file"))
            .collect();
        Self {
            folder,
            files,
            words,
        }
    }

    fn made(&self, start: u16, edits: &[Edit]) -> Vec<u8> {
        let mut input = self.files[place(start, self.files.len())].clone();
        for edit in edits {
            let length = input.len();
            let end = |at: usize, of: u8| (at + usize::from(of)).min(length);
            match *edit {
                Edit::Set(at, to) => {
                    if let Some(byte) = input.get_mut(place(at, length)) {
                        *byte = to;
                    }
                }
                Edit::Flip(at, bit) => {
                    if let Some(byte) = input.get_mut(place(at, length)) {
                        *byte ^= 1 << bit;
                    }
                }
                Edit::Remove(at, of) => {
                    let at = place(at, length);
                    input.drain(at..end(at, of));
                }
                Edit::Repeat(at, of, times) => {
                    let at = place(at, length);
                    let part = input[at..end(at, of)].repeat(times.into());
                    input.splice(at..at, part);
                }
                Edit::Cut(at) => input.truncate(place(at, length)),
                Edit::Word(at, word) => {
                    let at = place(at, length + 1);
                    if let Some(word) = self.words.get(place(word, self.words.len())) {
                        input.splice(at..at, word.bytes());
                    }
                }
                Edit::Splice(at, other, from, of) => {
                    let other = &self.files[place(other, self.files.len())];
                    let from = place(from, other.len());
                    let part = &other[from..(from + usize::from(of)).min(other.len())];
                    let at = place(at, length + 1);
                    input.splice(at..at, part.iter().copied());
                }
            }
            input.truncate(MAX_INPUT);
        }
        input
    }

    /// Reduces a failing input and keeps it.
    fn keep(&self, mut input: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> PathBuf {
        let mut size = input.len() / 2;
        while size > 0 {
            let mut at = 0;
            while at < input.len() {
                let mut less = input.clone();
                less.drain(at..(at + size).min(less.len()));
                if fails(&less) {
                    input = less;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        let name = hex::encode(&Sha256::digest(&input)[..8]);
        let path = self.folder.join(format!("found-{name}"));
        fs::write(&path, input).expect("the corpus can be written");
        path
    }
}

/// Runs a target: `check` gets each file of `host/fuzz/<target>` and changed ones, and must neither
/// panic nor return an error. `words` are inserted into the inputs.
pub(crate) fn run(target: &str, words: &[&str], check: impl Fn(&[u8]) -> Result<(), String>) {
    let corpus = Corpus::read(target, words);
    for file in &corpus.files {
        check(file).unwrap_or_else(|reason| {
            panic!("{target}: {reason}: {:?}", String::from_utf8_lossy(file))
        });
    }
    let asked = env::var("WHARF_FUZZ_SECONDS").ok();
    let seconds = asked
        .as_deref()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(SECONDS);
    let end = Instant::now() + Duration::from_secs(seconds);
    // An input that ends the process (a stack overflow) is lost unless it was written before.
    let last = env::temp_dir().join(format!("wharf-fuzz-{}-{target}", std::process::id()));
    let mut tried: u64 = 0;
    while Instant::now() < end {
        let mut runner = TestRunner::new(Config {
            cases: 64,
            failure_persistence: None,
            ..Config::default()
        });
        let strategy = (
            any::<u16>(),
            proptest::collection::vec(edit(), 0..MAX_EDITS),
        );
        tried += 64;
        let result = runner.run(&strategy, |(start, edits)| {
            let input = corpus.made(start, &edits);
            if asked.is_some() {
                fs::write(&last, &input).expect("a temporary file");
            }
            check(&input).map_err(TestCaseError::fail)
        });
        let (reason, (start, edits)) = match result {
            Ok(()) => continue,
            Err(TestError::Fail(reason, input)) => (reason, input),
            Err(TestError::Abort(reason)) => panic!("{target}: {reason}"),
        };
        let fails = |input: &[u8]| {
            catch_unwind(AssertUnwindSafe(|| check(input))).map_or(true, |checked| checked.is_err())
        };
        let kept = corpus.keep(corpus.made(start, &edits), fails);
        panic!("{target}: {reason}; the input is {}", kept.display());
    }
    let _ = fs::remove_file(&last);
    eprintln!("{target}: {tried} inputs");
}

/// Reads values of all kinds from the bytes of an input; what is missing is zero.
pub(crate) struct Values<'a>(pub(crate) &'a [u8]);

impl Values<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    pub(crate) fn number(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// The bytes up to the next line end.
    pub(crate) fn line(&mut self) -> Vec<u8> {
        let end = self.0.iter().position(|byte| *byte == b'\n');
        let (line, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.get(1..).unwrap_or_default();
        line.to_vec()
    }

    /// The text up to the next line end.
    pub(crate) fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.line()).into_owned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[test]
fn a_failing_input_is_reduced_and_kept_whatever_it_began_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let corpus = Corpus {
        folder: folder.path().to_owned(),
        files: vec![b"nothing to see here".to_vec()],
        words: &["bug"],
    };
    let fails = |input: &[u8]| input.windows(3).any(|three| three == b"bug");
    assert!(!fails(&corpus.files[0]));
    let mut runner = TestRunner::new(Config {
        cases: 10_000,
        failure_persistence: None,
        ..Config::default()
    });
    let found = runner.run(&proptest::collection::vec(edit(), 0..MAX_EDITS), |edits| {
        prop_assert!(!fails(&corpus.made(0, &edits)));
        Ok(())
    });
    let Err(TestError::Fail(_, edits)) = found else {
        panic!("the bug was not found: {found:?}")
    };
    let kept = corpus.keep(corpus.made(0, &edits), fails);
    assert_eq!(fs::read(kept).expect("the input"), b"bug");
}
