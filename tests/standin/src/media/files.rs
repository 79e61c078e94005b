//! The files on the media host, and the record of uploads.
//!
//! A link to an uploaded file is signed as the real ones are: `oe` says until when it is valid, and
//! `oh` belongs to the path and to that time. Files that a test puts there have no signature.

use std::{
    collections::HashMap,
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::digest;
use axum::http::StatusCode;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;

use super::{Sealed, field, seconds};

/// How a file was uploaded, over all attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// The kind of media, as in the address of the upload.
    pub kind: String,
    /// SHA-256 of the encrypted bytes, as in the address of the upload.
    pub hash: String,
    /// The path of the file on the host, when it is complete.
    pub path: Option<String>,
    /// The length of the encrypted file, when it is complete.
    pub size: u64,
    /// How often bytes were sent, or the end of their stream.
    pub posts: u32,
    /// The byte with which the last of these began.
    pub from: u64,
    /// The number of bytes received, over all attempts.
    pub bytes: u64,
    /// How often it was asked how much of the file is there.
    pub questions: u32,
    /// How often the file was downloaded.
    pub downloads: u32,
}

/// A complete file.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(super) file: Arc<File>,
    pub(super) size: u64,
    signed: bool,
}

impl Stored {
    pub(super) fn unsigned(file: File, size: u64) -> Self {
        Self {
            file: Arc::new(file),
            size,
            signed: false,
        }
    }
}

/// A file of which only the beginning has arrived.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) file: File,
    pub(super) length: AtomicU64,
}

/// Everything on the host.
#[derive(Debug)]
pub(crate) struct Files {
    stored: HashMap<String, Stored>,
    partial: HashMap<String, Arc<Partial>>,
    uploads: Vec<Upload>,
    sealed: HashMap<String, Sealed>,
    secret: [u8; 16],
    /// The text with which pages prove that they may upload.
    pub(crate) auth: String,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            stored: HashMap::new(),
            partial: HashMap::new(),
            uploads: vec![],
            sealed: HashMap::new(),
            secret: rand::random(),
            auth: BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>()),
        }
    }
}

impl Files {
    pub(crate) fn uploads(&self) -> Vec<Upload> {
        self.uploads.clone()
    }

    pub(super) fn put(&mut self, path: String, file: Stored) {
        self.stored.insert(path, file);
    }

    pub(super) fn drop_file(&mut self, path: &str) -> bool {
        for upload in &mut self.uploads {
            if upload.path.as_deref() == Some(path) {
                upload.path = None;
            }
        }
        self.stored.remove(path).is_some()
    }

    pub(super) fn record(&mut self, kind: &str, hash: &str) -> &mut Upload {
        let at = self
            .uploads
            .iter()
            .position(|upload| upload.hash == hash && upload.kind == kind)
            .unwrap_or_else(|| {
                self.uploads.push(Upload {
                    kind: kind.to_owned(),
                    hash: hash.to_owned(),
                    ..Upload::default()
                });
                self.uploads.len() - 1
            });
        &mut self.uploads[at]
    }

    /// The part of a file that has arrived.
    pub(super) fn begun(&self, hash: &str) -> Option<Arc<Partial>> {
        self.partial.get(hash).cloned()
    }

    pub(super) fn begin(&mut self, hash: &str, file: File) -> Arc<Partial> {
        let partial = Arc::new(Partial {
            file,
            length: AtomicU64::new(0),
        });
        self.partial.insert(hash.to_owned(), Arc::clone(&partial));
        partial
    }

    pub(super) fn give_up(&mut self, hash: &str) {
        self.partial.remove(hash);
    }

    /// Makes a begun file a complete one.
    pub(super) fn complete(
        &mut self,
        kind: &str,
        hash: &str,
        partial: &Partial,
    ) -> std::io::Result<()> {
        let size = partial.length.load(Ordering::Relaxed);
        let stored = Stored {
            file: Arc::new(partial.file.try_clone()?),
            size,
            signed: true,
        };
        self.partial.remove(hash);
        let path = path_of(kind, hash);
        self.stored.insert(path.clone(), stored);
        let upload = self.record(kind, hash);
        upload.path = Some(path);
        upload.size = size;
        Ok(())
    }

    /// The signed path of an uploaded file that is valid for so many seconds.
    pub(super) fn link(&self, kind: &str, hash: &str, validity: u64) -> Option<String> {
        let path = path_of(kind, hash);
        self.stored.get(&path)?;
        let end = format!("{:X}", seconds() + validity);
        let signature = self.signature(&path, &end);
        Some(format!(
            "/{path}?ccb=11-4&oh={signature}&oe={end}&_nc_sid=5e03e0"
        ))
    }

    fn signature(&self, path: &str, end: &str) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&self.secret);
        hash.update(path.as_bytes());
        hash.update(end.as_bytes());
        format!(
            "01_{}",
            BASE64_URL_SAFE_NO_PAD.encode(&hash.finish().as_ref()[..24])
        )
    }

    /// The file of a path with its query, or how the host refuses it. `expired`: every signature
    /// counts as expired.
    pub(super) fn find(
        &self,
        path: &str,
        query: &str,
        expired: bool,
    ) -> Result<Stored, (StatusCode, &'static str)> {
        let stored = self.stored.get(path).ok_or((StatusCode::NOT_FOUND, ""))?;
        let (end, signature) = (field(query, "oe"), field(query, "oh"));
        if stored.signed {
            let known = end.is_some_and(|end| signature == Some(&*self.signature(path, end)));
            if !known {
                return Err((StatusCode::FORBIDDEN, "Bad URL hash"));
            }
        }
        let over =
            end.is_some_and(|end| u64::from_str_radix(end, 16).is_ok_and(|end| end <= seconds()));
        if over || expired {
            return Err((StatusCode::FORBIDDEN, "URL signature expired"));
        }
        Ok(stored.clone())
    }

    pub(super) fn downloaded(&mut self, path: &str) {
        for upload in &mut self.uploads {
            if upload.path.as_deref() == Some(path) {
                upload.downloads += 1;
            }
        }
    }

    pub(super) fn sealed(&self, message: &str) -> Option<Sealed> {
        self.sealed.get(message).cloned()
    }

    pub(crate) fn seal(&mut self, message: String, sealed: Sealed) {
        self.sealed.insert(message, sealed);
    }
}

/// Each kind of media has a number of its own in the path.
fn path_of(kind: &str, hash: &str) -> String {
    let number = match kind {
        "video" | "gif" | "ptv" => "7161",
        "audio" | "ptt" => "7117",
        "document" => "7119",
        "sticker" => "15575",
        _ => "7118",
    };
    let name: String = hash.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("v/t62.{number}-24/{name}_n.enc")
}
