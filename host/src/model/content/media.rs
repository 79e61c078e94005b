//! A media file, by reference: a content never contains the bytes.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kind::{Kind, NotYet, drop_default, forms, opaque};

/// The kind of a media file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum MediaKind {
    Image,
    Video,
    Audio,
    Voice,
    Document,
    Sticker,
}

/// A media file, by reference.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// How the file is shown.
    pub kind: MediaKind,
    /// The MIME type, e.g. `image/png`.
    pub mime_type: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the file; empty when it is not known.
    pub sha256: Vec<u8>,
    /// The file name shown to the recipient.
    pub file_name: Option<String>,
    /// The text under the file.
    pub caption: Option<String>,
    /// What is known of the file besides.
    pub details: MediaDetails,
}

/// What may be known of a media file besides what every one has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MediaDetails {
    /// The ids that the caption mentions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// Width of an image, a video or a sticker in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height of an image, a video or a sticker in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Duration of a video, an audio file or a voice note in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What is special about it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub traits: BTreeSet<MediaTrait>,
    /// The gateway's id of the file, if it has the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl MediaDetails {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is special about a media file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaTrait {
    /// A GIF as WhatsApp means it: a silent video that is repeated.
    Gif,
    /// Sent in high definition.
    Hd,
    /// Can be opened once.
    ViewOnce,
    /// A sticker that moves.
    Animated,
    /// The waveform of a voice note is known.
    Waveform,
}

impl Kind for Media {
    type Asked = NotYet;
    type Shown = ShownMedia;
    forms!(stored: 1 => Stored1; bridge: Bridge);

    fn body(&self) -> Option<&str> {
        self.caption.as_deref()
    }

    fn conceal(&mut self) {
        self.file_name = None;
        self.caption = None;
        self.details.mentions = Vec::new();
    }

    fn shown(&self) -> ShownMedia {
        let Self {
            kind,
            mime_type,
            size_bytes,
            sha256: _,
            file_name,
            caption,
            details: _,
        } = self.clone();
        ShownMedia {
            kind,
            mime_type,
            size_bytes,
            file_name,
            caption,
        }
    }

    fn tidy(fields: &mut Map<String, Value>) {
        drop_default(fields, "sizeBytes", 0);
    }
}

opaque!(ShownMedia);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Media")]
struct Stored1 {
    // `kind` is already the name of the content's kind.
    #[serde(rename = "media_kind")]
    kind: MediaKind,
    mime_type: String,
    size_bytes: u64,
    #[serde(default)]
    sha256: Vec<u8>,
    #[serde(default)]
    file_name: Option<String>,
    #[serde(default)]
    caption: Option<String>,
    #[serde(default, skip_serializing_if = "MediaDetails::is_empty")]
    details: MediaDetails,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Media")]
struct Bridge {
    #[serde(rename = "media_kind")]
    kind: MediaKind,
    mime_type: String,
    size_bytes: u64,
    #[serde(default)]
    sha256: Vec<u8>,
    #[serde(default)]
    file_name: Option<String>,
    #[serde(default)]
    caption: Option<String>,
    #[serde(default, skip_serializing_if = "MediaDetails::is_empty")]
    details: MediaDetails,
}

/// A media file in responses.
#[derive(Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownMedia {
    /// How the file is shown.
    pub kind: MediaKind,
    /// The MIME type, e.g. `image/png`.
    pub mime_type: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// The file name shown to the recipient.
    pub file_name: Option<String>,
    /// The text under the file.
    pub caption: Option<String>,
}
