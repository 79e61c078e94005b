//! What the recipients of a message with a file get: the file is fetched by the path of the
//! message, checked, and decrypted with the key of the message, as phones do it.

use std::{fs::File, io::Write, os::unix::fs::FileExt};

use anyhow::{Context, Result, anyhow, ensure};
use aws_lc_rs::{
    cipher::{AES_256, DecryptionContext, StreamingDecryptingKey, UnboundCipherKey},
    digest, hkdf, hmac,
    iv::FixedLength,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PIECE, Stored};
use crate::world::World;

/// The length of the code at the end of an encrypted file that authenticates it.
const MAC: u64 = 10;
/// The longer edge from which a picture is called HD.
const HD: u64 = 2560;

/// The file of a message, as its recipients see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceivedMedia {
    /// The kind of media of the stanza: `image`, `video`, `gif`, `audio`, `ptt`, `document` or
    /// `sticker`.
    pub media_type: String,
    /// The MIME type.
    pub mimetype: String,
    /// The text below the file.
    pub caption: Option<String>,
    /// The name of a document.
    pub filename: Option<String>,
    /// The length that the message says.
    pub file_length: Option<u64>,
    /// The length of the plain bytes; absent if nobody can open the file.
    pub size: Option<u64>,
    /// SHA-256 of the plain bytes in base64; absent if nobody can open the file.
    pub sha256: Option<String>,
    /// The duration in seconds.
    pub duration: Option<u64>,
    /// The waveform of a voice message.
    pub waveform: Option<Vec<u8>>,
    /// The width in pixels.
    pub width: Option<u64>,
    /// The height in pixels.
    pub height: Option<u64>,
    /// The number of pages of a document.
    pub page_count: Option<u64>,
    /// Whether a video is shown as a GIF.
    pub gif: bool,
    /// Whether it can be viewed once.
    pub view_once: bool,
    /// Whether a picture is called HD.
    pub hd: bool,
    /// Whether a sticker is animated.
    pub animated: bool,
    /// Whether the message carries a small picture of it.
    pub thumbnail: bool,
    /// Why nobody can open the file.
    pub broken: Option<String>,
}

/// A file together with the key of the message that refers to it.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    stored: Stored,
    key: Vec<u8>,
    media_type: String,
    encrypted: Vec<u8>,
    plain: Vec<u8>,
}

impl Sealed {
    /// Checks the file and writes its plain bytes. Returns their length and their SHA-256.
    fn open(&self, plain: &mut dyn Write) -> Result<(u64, Vec<u8>)> {
        let keys = Keys::of(&self.key, &self.media_type)?;
        let size = self.stored.size;
        ensure!(size > MAC, "the file has {size} bytes");
        let body = size - MAC;
        let (mut whole, mut opened) = (
            digest::Context::new(&digest::SHA256),
            digest::Context::new(&digest::SHA256),
        );
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, keys.mac()));
        mac.update(keys.iv());
        let mut cipher = keys.cipher()?;
        let (mut input, mut output) = (vec![0; PIECE], vec![0; PIECE + 16]);
        let (mut at, mut length) = (0, 0);
        while at < body {
            let piece = usize::try_from(body - at).map_or(PIECE, |left| left.min(PIECE));
            let input = input.get_mut(..piece).context("a piece is too long")?;
            self.stored.file.read_exact_at(input, at)?;
            at += piece as u64;
            whole.update(input);
            mac.update(input);
            let update = cipher
                .update(input, &mut output)
                .map_err(|_| anyhow!("the key does not fit"))?;
            opened.update(update.written());
            length += update.written().len() as u64;
            plain.write_all(update.written())?;
        }
        let update = cipher
            .finish(&mut output)
            .map_err(|_| anyhow!("the key does not fit"))?;
        opened.update(update.written());
        length += update.written().len() as u64;
        plain.write_all(update.written())?;
        let mut code = [0; 10];
        self.stored.file.read_exact_at(&mut code, body)?;
        whole.update(&code);
        ensure!(
            whole.finish().as_ref() == self.encrypted,
            "the file on the host has another hash than the message says"
        );
        ensure!(
            mac.sign().as_ref().starts_with(&code),
            "the code at the end of the file is wrong"
        );
        let hash = opened.finish().as_ref().to_vec();
        ensure!(
            hash == self.plain,
            "the plain bytes have another hash than the message says"
        );
        Ok((length, hash))
    }

    /// The plain bytes in a file without a name, and their length.
    pub(super) fn plain_file(&self) -> Result<(File, u64)> {
        let mut file = tempfile::tempfile()?;
        let (length, _) = self.open(&mut file)?;
        Ok((file, length))
    }
}

/// Opens the file of a message in a frame of the page. `None`: the message has none.
pub(crate) async fn open_for_recipient(
    world: &World,
    frame: &Value,
) -> Option<(ReceivedMedia, Option<Sealed>)> {
    let media = frame.get("media").filter(|media| media.is_object())?;
    let mut received = described(media);
    let sealed = match sealed(world, media, &received.media_type) {
        Ok(sealed) => sealed,
        Err(error) => {
            received.broken = Some(error.to_string());
            return Some((received, None));
        }
    };
    let opened = tokio::task::spawn_blocking(move || {
        let opened = sealed.open(&mut std::io::sink());
        (sealed, opened)
    })
    .await;
    match opened {
        Ok((sealed, Ok((length, hash)))) => {
            received.size = Some(length);
            received.sha256 = Some(BASE64_STANDARD.encode(hash));
            Some((received, Some(sealed)))
        }
        Ok((_, Err(error))) => {
            received.broken = Some(error.to_string());
            Some((received, None))
        }
        Err(error) => {
            received.broken = Some(error.to_string());
            Some((received, None))
        }
    }
}

fn described(media: &Value) -> ReceivedMedia {
    let text = |key: &str| media[key].as_str().map(ToOwned::to_owned);
    let number = |key: &str| media[key].as_u64();
    let (width, height) = (number("width"), number("height"));
    let media_type = text("mediaType").unwrap_or_default();
    ReceivedMedia {
        hd: media_type == "image" && width.max(height).is_some_and(|edge| edge >= HD),
        media_type,
        mimetype: text("mimetype").unwrap_or_default(),
        caption: text("caption"),
        filename: text("filename"),
        file_length: number("size"),
        duration: number("duration"),
        waveform: media["waveform"]
            .as_str()
            .and_then(|text| BASE64_STANDARD.decode(text).ok()),
        width,
        height,
        page_count: number("pageCount"),
        gif: media["gif"] == true,
        view_once: media["viewOnce"] == true,
        animated: media["animated"] == true,
        thumbnail: media["thumbnail"] == true,
        ..ReceivedMedia::default()
    }
}

fn sealed(world: &World, media: &Value, media_type: &str) -> Result<Sealed> {
    let bytes = |key: &str| {
        media[key]
            .as_str()
            .and_then(|text| BASE64_STANDARD.decode(text).ok())
            .with_context(|| format!("the message has no {key}"))
    };
    let path = media["directPath"]
        .as_str()
        .and_then(|path| path.strip_prefix('/'))
        .context("the message has no directPath")?;
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let stored = world
        .lock()
        .media
        .find(path, query, false)
        .map_err(|(status, text)| anyhow!("the media host answers {} {text}", status.as_u16()))?;
    Ok(Sealed {
        stored,
        key: bytes("mediaKey")?,
        media_type: media_type.to_owned(),
        encrypted: bytes("encFilehash")?,
        plain: bytes("filehash")?,
    })
}

/// The keys that belong to a media key: 16 bytes iv, 32 bytes cipher key, 32 bytes MAC key, 32 more.
struct Keys([u8; 112]);

struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        112
    }
}

impl Keys {
    fn of(key: &[u8], media_type: &str) -> Result<Self> {
        let name = match media_type {
            "image" | "sticker" => "Image",
            "video" | "gif" | "ptv" => "Video",
            "audio" | "ptt" => "Audio",
            "document" => "Document",
            _ => anyhow::bail!("files of the kind {media_type:?} have no keys"),
        };
        let info = format!("WhatsApp {name} Keys");
        let mut keys = [0; 112];
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[0; 32])
            .extract(key)
            .expand(&[info.as_bytes()], Length)
            .and_then(|keys_of| keys_of.fill(&mut keys))
            .map_err(|_| anyhow!("the media key gives no keys"))?;
        Ok(Self(keys))
    }

    fn iv(&self) -> &[u8] {
        &self.0[..16]
    }

    fn mac(&self) -> &[u8] {
        &self.0[48..80]
    }

    fn cipher(&self) -> Result<StreamingDecryptingKey> {
        let wrong = |_| anyhow!("the media key makes no cipher");
        let key = UnboundCipherKey::new(&AES_256, &self.0[16..48]).map_err(wrong)?;
        let iv: [u8; 16] = self.iv().try_into()?;
        let context = DecryptionContext::Iv128(FixedLength::from(iv));
        StreamingDecryptingKey::cbc_pkcs7(key, context).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"a small picture";
    /// Made by node:crypto from [`PLAIN`], with a media key of 32 sevens.
    const ENCRYPTED: &str = "6F4qXTniNyzJxo6LQsb70pWvBzcCIVzdnxo=";

    fn sealed(change: impl Fn(&mut Vec<u8>)) -> Sealed {
        let mut bytes = BASE64_STANDARD.decode(ENCRYPTED).expect("base64");
        change(&mut bytes);
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(&bytes, 0).expect("written");
        let hash = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes).as_ref().to_vec();
        Sealed {
            stored: Stored::unsigned(file, bytes.len() as u64),
            key: vec![7; 32],
            media_type: "image".into(),
            encrypted: hash(&bytes),
            plain: hash(PLAIN),
        }
    }

    fn opened(sealed: &Sealed) -> Result<Vec<u8>> {
        let mut plain = vec![];
        sealed.open(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn a_file_of_another_implementation_is_opened() {
        assert_eq!(opened(&sealed(|_| {})).expect("opened"), PLAIN);
    }

    #[test]
    fn a_file_that_is_not_what_its_message_says_is_broken() {
        let other_type = Sealed {
            media_type: "video".into(),
            ..sealed(|_| {})
        };
        let other_key = Sealed {
            key: vec![8; 32],
            ..sealed(|_| {})
        };
        let other_plain = Sealed {
            plain: vec![0; 32],
            ..sealed(|_| {})
        };
        let other_file = Sealed {
            encrypted: vec![0; 32],
            ..sealed(|_| {})
        };
        let wrong = [
            other_type,
            other_key,
            other_plain,
            other_file,
            sealed(|bytes| bytes[3] ^= 1),
            sealed(|bytes| *bytes.last_mut().expect("not empty") ^= 1),
            sealed(|bytes| bytes.truncate(5)),
        ];
        for (at, sealed) in wrong.iter().enumerate() {
            assert!(opened(sealed).is_err(), "number {at}");
        }
    }

    #[test]
    fn a_link_is_refused_without_its_signature_and_after_its_end() {
        let mut files = crate::media::Files::default();
        let (path, query) = {
            let partial = files.begin("AAAA", tempfile::tempfile().expect("a file"));
            files.complete("image", "AAAA", &partial).expect("complete");
            let link = files.link("image", "AAAA", 60).expect("a link");
            let (path, query) = link[1..].split_once('?').expect("a query");
            (path.to_owned(), query.to_owned())
        };
        assert!(files.find(&path, &query, false).is_ok());
        let forged = query.replace("oh=01_", "oh=01_A");
        for (query, text) in [("", "Bad URL hash"), (&*forged, "Bad URL hash")] {
            let refused = files.find(&path, query, false).map(|_| ());
            assert_eq!(refused, Err((axum::http::StatusCode::FORBIDDEN, text)));
        }
        let over = files.link("image", "AAAA", 0).expect("a link");
        let (_, over) = over.split_once('?').expect("a query");
        let expired = Err((axum::http::StatusCode::FORBIDDEN, "URL signature expired"));
        assert_eq!(files.find(&path, over, false).map(|_| ()), expired);
        assert_eq!(files.find(&path, &query, true).map(|_| ()), expired);
        files.put(
            "v/x".into(),
            Stored::unsigned(tempfile::tempfile().expect("a file"), 0),
        );
        assert!(files.find("v/x", "", false).is_ok());
    }
}
