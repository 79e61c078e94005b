//! Hostile components as text. Each is the same small validator with one part exchanged, so nothing
//! has to be built for them, and they can do what no toolchain would compile.

use std::fmt::Write;

/// Where the name of the plugin is in its memory.
const NAME: usize = 16;
/// Where `describe`, `configure` and `validate` have their answers: `plugin-info`, no error, and
/// `allow`. The memory is zero where nothing else is said.
const INFO: usize = 1024;
const CONFIGURED: usize = 2048;
pub(crate) const VERDICT: usize = 3072;
/// Where the parts of an attack may put what they need.
pub(crate) const ROOM: usize = 4096;

/// The parts of the validator. The functions are core code; each has the locals `$i` and `$j`.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) memory: String,
    pub(crate) realloc: String,
    pub(crate) describe: String,
    pub(crate) configure: String,
    pub(crate) validate: String,
    pub(crate) post_return: String,
    /// More fields of the core module.
    pub(crate) core: String,
    /// More fields of the component, at its beginning.
    pub(crate) first: String,
    /// The exports of the component.
    pub(crate) exports: String,
    /// More fields of the component, at its end.
    pub(crate) last: String,
    /// Where the name is, and how long it is, if it is not the one in the entry.
    pub(crate) name: Option<(usize, usize)>,
    /// Where the JSON Schema of the configuration is, and how long it is.
    pub(crate) schema: Option<(usize, usize)>,
    /// Where the patterns of events are, and how many.
    pub(crate) events: (usize, usize),
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            memory: "(memory (export \"memory\") 2)".into(),
            realloc: String::new(),
            describe: String::new(),
            configure: String::new(),
            validate: String::new(),
            post_return: String::new(),
            core: String::new(),
            first: String::new(),
            exports: EXPORTS.into(),
            last: String::new(),
            name: None,
            schema: None,
            events: (0, 0),
        }
    }
}

/// A plugin whose exports are as they should be.
pub(crate) const EXPORTS: &str = r#"
  (instance $lifecycle (export "describe" (func $describe)) (export "configure" (func $configure)))
  (instance $validation (export "validate" (func $validate)))
  (export "wharf:plugin/lifecycle@0.1.0" (instance $lifecycle))
  (export "wharf:plugin/send-validation@0.1.0" (instance $validation))"#;

/// The types of the contract. Each is exported, because only then may a function name it.
const TYPES: &str = r#"
  (type $context-0 (record (field "session" string) (field "call-id" string) (field "subject-id" string) (field "traceparent" string) (field "now" u64) (field "attempt" u32) (field "budget-ms" u32)))
  (export $context "call-context" (type $context-0))
  (type $error-0 (variant (case "invalid-input" string) (case "unavailable" string) (case "not-granted" string) (case "internal" string)))
  (export $error "error" (type $error-0))
  (type $address-0 (record (field "chat" string) (field "pn" (option string)) (field "lid" (option string))))
  (export $address "address" (type $address-0))
  (type $text-0 (record (field "body" string) (field "mentions" (list string)) (field "preview-links" bool)))
  (export $text "text" (type $text-0))
  (type $kind-0 (enum "image" "video" "audio" "voice" "document" "sticker"))
  (export $kind "media-kind" (type $kind-0))
  (type $media-0 (record (field "kind" $kind) (field "mime-type" string) (field "size-bytes" u64) (field "sha256" (list u8)) (field "file-name" (option string)) (field "caption" (option string))))
  (export $media "media" (type $media-0))
  (type $location-0 (record (field "latitude" f64) (field "longitude" f64) (field "name" (option string))))
  (export $location "location" (type $location-0))
  (type $contact-0 (record (field "display-name" string) (field "vcard" string)))
  (export $contact "contact" (type $contact-0))
  (type $poll-0 (record (field "question" string) (field "options" (list string)) (field "selectable" u32)))
  (export $poll "poll" (type $poll-0))
  (type $reaction-0 (record (field "target" string) (field "emoji" string)))
  (export $reaction "reaction" (type $reaction-0))
  (type $edit-0 (record (field "target" string) (field "text" $text)))
  (export $edit "edit" (type $edit-0))
  (type $delete-0 (record (field "target" string) (field "for-everyone" bool)))
  (export $delete "delete" (type $delete-0))
  (type $other-0 (record (field "kind" string) (field "json" string)))
  (export $other "other-content" (type $other-0))
  (type $content-0 (variant (case "text" $text) (case "media" $media) (case "location" $location) (case "contact" $contact) (case "poll" $poll) (case "reaction" $reaction) (case "edit" $edit) (case "delete" $delete) (case "other" $other)))
  (export $content "content" (type $content-0))
  (type $message-0 (record (field "to" $address) (field "content" $content) (field "reply-to" (option string)) (field "send-at" (option u64)) (field "metadata" (list (tuple string string)))))
  (export $message "outbound-message" (type $message-0))
  (type $rejection-0 (record (field "code" string) (field "reason" string) (field "retry-after-ms" (option u32))))
  (export $rejection "rejection" (type $rejection-0))
  (type $verdict-0 (variant (case "allow") (case "reject" $rejection) (case "modify" $message)))
  (export $verdict "verdict" (type $verdict-0))
  (type $info-0 (record (field "name" string) (field "version" string) (field "description" string) (field "config-schema" (option string)) (field "events" (list string))))
  (export $info "plugin-info" (type $info-0))
  (type $issue-0 (record (field "path" string) (field "message" string)))
  (export $issue "config-issue" (type $issue-0))"#;

/// Gives memory from a pointer that only grows, and traps when there is none.
const REALLOC: &str = "
    (local.set $i (i32.and (i32.sub (i32.add (global.get $top) (local.get $align)) (i32.const 1)) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $i) (local.get $size)))
    (block $enough (loop $more
      (br_if $enough (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))
      (br $more)))
    (local.get $i)";

/// 32-bit numbers as they are in memory, for a data segment.
pub(crate) fn words(words: &[usize]) -> String {
    words
        .iter()
        .flat_map(|word| u32::try_from(*word).expect("32 bits").to_le_bytes())
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "\\{byte:02x}");
            text
        })
}

/// A data segment with a text that has no quotes.
pub(crate) fn data(at: usize, text: &str) -> String {
    format!("(data (i32.const {at}) \"{text}\")")
}

/// The component as text. `name` is the name that the plugin gives itself.
pub(crate) fn text(name: &str, parts: &Parts) -> String {
    let Parts {
        memory,
        realloc,
        describe,
        configure,
        validate,
        post_return,
        core,
        first,
        exports,
        last,
        ..
    } = parts;
    let (at, length) = parts.name.unwrap_or((NAME, name.len()));
    let (has_schema, (schema, schema_length)) =
        parts.schema.map_or((0, (0, 0)), |schema| (1, schema));
    let info = words(&[
        at,
        length,
        200,
        5,
        200,
        5,
        has_schema,
        schema,
        schema_length,
        parts.events.0,
        parts.events.1,
    ]);
    format!(
        r#"(component {first} {TYPES}
  (core module $module
    {memory}
    (global $top (mut i32) (i32.const 65536))
    (func (export "realloc") (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32) (local $i i32) (local $j i32) {realloc} {REALLOC})
    (func (export "describe") (result i32) (local $i i32) (local $j i32) {describe} (i32.const {INFO}))
    (func (export "configure") (param i32 i32) (result i32) (local $i i32) (local $j i32) {configure} (i32.const {CONFIGURED}))
    (func (export "validate") (param i32) (result i32) (local $i i32) (local $j i32) {validate} (i32.const {VERDICT}))
    (func (export "post-return") (param i32) (local $i i32) (local $j i32) {post_return})
    (data (i32.const {NAME}) "{name}")
    (data (i32.const 200) "0.0.1")
    (data (i32.const {INFO}) "{info}")
    {core})
  (core instance $core (instantiate $module))
  (alias core export $core "memory" (core memory $memory))
  (alias core export $core "realloc" (core func $realloc))
  (func $describe (result $info)
    (canon lift (core func $core "describe") (memory $memory) (realloc $realloc)))
  (func $configure (param "config" string) (result (result (error (list $issue))))
    (canon lift (core func $core "configure") (memory $memory) (realloc $realloc)))
  (func $validate (param "ctx" $context) (param "message" $message) (result (result $verdict (error $error)))
    (canon lift (core func $core "validate") (memory $memory) (realloc $realloc) (post-return (func $core "post-return"))))
  {exports}
  {last})"#
    )
}

/// The component.
pub(crate) fn component(name: &str, parts: &Parts) -> Vec<u8> {
    let text = text(name, parts);
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}
