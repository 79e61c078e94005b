//! Every error code of the API with its status, its title and its meaning.
//!
//! Both layers answer with the same codes. A plugin that rejects a message answers with a code of
//! its own in the place of [`Code::Rejected`]; no other answer has a code that is not in this
//! table.

use axum::http::StatusCode;

use crate::model::FailureCode;

/// A code that can be documented, and the answers that have it.
macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $variant:ident: $status:ident, $name:literal, $title:literal;)*) => {
        /// The stable name of an error, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(clippy::enum_variant_names, reason = "`wrong_code` is about the code that a phone shows")]
        pub(in crate::api) enum Code {
            $($(#[doc = $meaning])+ $variant,)*
        }

        impl Code {
            /// Every code, ordered by status.
            pub(in crate::api) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in answers.
            pub(in crate::api) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The code of that name.
            pub(in crate::api) fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }

            /// The HTTP status of an answer that has it.
            pub(in crate::api) const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// A short text for people: the field `error` of the original service's envelope.
            pub(in crate::api) const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What it means, in one sentence.
            pub(in crate::api) const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($meaning),+).trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// The request has a header twice that may stand in it once, so programs on the way may read it
    /// in different ways.
    AmbiguousRequest: BAD_REQUEST, "ambiguous_request", "Bad Request";
    /// The body broke off or is not well-formed HTTP; nothing was stored.
    BodyNotReadable: BAD_REQUEST, "body_not_readable", "Request body not readable";
    /// The body names a field twice; `field` says which.
    DuplicateField: BAD_REQUEST, "duplicate_field", "Duplicate field";
    /// The query names a parameter twice; `parameter` says which.
    DuplicateParameter: BAD_REQUEST, "duplicate_parameter", "Invalid query";
    /// A bulk order names the same recipient twice; `recipient` is the place of the second one in
    /// the list, from 0.
    DuplicateRecipient: BAD_REQUEST, "duplicate_recipient", "Duplicate recipient";
    /// What was sent as a passkey's assertion cannot be used.
    InvalidAssertion: BAD_REQUEST, "invalid_assertion", "Invalid assertion";
    /// The body is no JSON object, or one of its fields has a wrong value; `field` says which.
    InvalidBody: BAD_REQUEST, "invalid_body", "Invalid body";
    /// The name of a session is not well-formed, or two names were given.
    InvalidClientId: BAD_REQUEST, "invalid_client_id", "Invalid client id";
    /// The contact is not a card that a phone can open.
    InvalidContact: BAD_REQUEST, "invalid_contact", "Invalid contact";
    /// A field has a wrong type or value (calls of the original service).
    InvalidField: BAD_REQUEST, "invalid_field", "Invalid field";
    /// The header `Idempotency-Key` is not 1 to 255 printable ASCII characters.
    InvalidIdempotencyKey: BAD_REQUEST, "invalid_idempotency_key", "Invalid Idempotency-Key";
    /// The body is no JSON object (calls of the original service).
    InvalidJson: BAD_REQUEST, "invalid_json", "Invalid JSON";
    /// The location is not on earth, or its name is too long.
    InvalidLocation: BAD_REQUEST, "invalid_location", "Invalid location";
    /// A mention is no phone number and no id of a person.
    InvalidMention: BAD_REQUEST, "invalid_mention", "Invalid mention";
    /// A message is named by neither its WhatsApp id nor its key.
    InvalidMessageId: BAD_REQUEST, "invalid_message_id", "Invalid message id";
    /// The recipient is neither a phone number nor the id of a chat.
    InvalidNumber: BAD_REQUEST, "invalid_number", "Invalid phone number format";
    /// What is escaped in the path is no UTF-8 text.
    InvalidPath: BAD_REQUEST, "invalid_path", "Bad Request";
    /// A parameter of the query has a wrong value, or those given do not fit together; `parameter`
    /// says which one is wrong.
    InvalidQuery: BAD_REQUEST, "invalid_query", "Invalid query";
    /// A bulk order has no recipients, or too many.
    InvalidRecipients: BAD_REQUEST, "invalid_recipients", "Invalid recipients";
    /// A time is not well-formed, or lies where it cannot be used.
    InvalidTime: BAD_REQUEST, "invalid_time", "Invalid time";
    /// A mention does not stand in the text.
    MentionNotInText: BAD_REQUEST, "mention_not_in_text", "Mention not in text";
    /// Both a text and a template were given, or, in a bulk order, neither.
    MessageAndTemplate: BAD_REQUEST, "message_and_template", "Invalid fields";
    /// The text is longer than WhatsApp takes.
    MessageTooLong: BAD_REQUEST, "message_too_long", "Message too long";
    /// `metadata` has too many pairs, or a name or value of it is too long.
    MetadataTooLarge: BAD_REQUEST, "metadata_too_large", "Metadata too large";
    /// The recipient, or what is to be sent, is missing.
    MissingFields: BAD_REQUEST, "missing_fields", "Missing required fields";
    /// The framework refused the request before a handler saw it.
    Refused: BAD_REQUEST, "refused", "Refused";
    /// Two kinds of message were given in one call.
    SeveralKinds: BAD_REQUEST, "several_kinds", "Invalid fields";
    /// The request shows more than one API key.
    SeveralApiKeys: BAD_REQUEST, "several_api_keys", "Bad Request";
    /// `mentions` or `linkPreview` was given without a text.
    TextMissing: BAD_REQUEST, "text_missing", "Text missing";
    /// A text mentions more people than one may.
    TooManyMentions: BAD_REQUEST, "too_many_mentions", "Too many mentions";
    /// The body has a field that the call does not have (calls of the original service).
    UnknownField: BAD_REQUEST, "unknown_field", "Unknown field";
    /// The query has a parameter that the call does not have; `parameter` says which.
    UnknownParameter: BAD_REQUEST, "unknown_parameter", "Invalid query";
    /// An API key stands in the address, where logs keep it; it is not read there.
    ApiKeyInAddress: UNAUTHORIZED, "api_key_in_address", "Unauthorized";
    /// The API key is not known.
    InvalidApiKey: UNAUTHORIZED, "invalid_api_key", "Unauthorized";
    /// The request shows no API key, and the call needs one.
    MissingApiKey: UNAUTHORIZED, "missing_api_key", "Unauthorized";
    /// A web page of another site made a browser ask.
    CrossSite: FORBIDDEN, "cross_site", "Forbidden";
    /// The gateway has no API keys, and the request does not name this machine as its host.
    HostNotLoopback: FORBIDDEN, "host_not_loopback", "Forbidden";
    /// The gateway has no API keys, and the request is of a web page that may not call.
    OriginNotAllowed: FORBIDDEN, "origin_not_allowed", "Forbidden";
    /// The gateway has no API keys, and the request came through a proxy.
    ProxyWithoutApiKeys: FORBIDDEN, "proxy_without_api_keys", "Forbidden";
    /// The API key lacks the scope that the call needs, or is for some sessions only.
    ScopeMissing: FORBIDDEN, "scope_missing", "Forbidden";
    /// The session waits for no passkey.
    NoPasskeyAsked: NOT_FOUND, "no_passkey_asked", "No passkey asked";
    /// There is nothing of that id, or no such path; `nearest` is the path that is most like it.
    NotFound: NOT_FOUND, "not_found", "Not found";
    /// No QR code can be scanned now; `state` says where the session stands.
    QrNotAvailable: NOT_FOUND, "qr_not_available", "QR code not available";
    /// There is no such session.
    UnknownClient: NOT_FOUND, "unknown_client", "Unknown client";
    /// The link to a helper page opens nothing, or nothing any more.
    UnknownToken: NOT_FOUND, "unknown_token", "Unknown token";
    /// The path takes other methods; the header `Allow` names them.
    MethodNotAllowed: METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed";
    /// The body came more slowly than the gateway waits for; nothing was stored.
    BodyTooSlow: REQUEST_TIMEOUT, "body_too_slow", "Request Timeout";
    /// What the message said was deleted after its time, so it cannot be sent again.
    BodyGone: CONFLICT, "body_gone", "Message body is gone";
    /// The message was taken back before it was begun.
    Cancelled: CONFLICT, "cancelled", "Message was cancelled";
    /// A request with the same `Idempotency-Key` is being worked on.
    IdempotencyInFlight: CONFLICT, "idempotency_in_flight", "Request in flight";
    /// The session is not linked, so there is no login to end.
    NotLinked: CONFLICT, "not_linked", "Session is not linked";
    /// The passkey ceremony waits for no code; `stage` says where it stands.
    NotWaitingForCode: CONFLICT, "not_waiting_for_code", "No code is waited for";
    /// The session does not wait to be linked; `state` says where it stands.
    NotWaitingForLink: CONFLICT, "not_waiting_for_link", "Session does not wait for a link";
    /// The passkey ceremony waits for no assertion; `stage` says where it stands.
    NotWaitingForPasskey: CONFLICT, "not_waiting_for_passkey", "No passkey is waited for";
    /// There is a session of that name already.
    SessionExists: CONFLICT, "session_exists", "Session exists";
    /// The session is named in the configuration, and ends when it is removed there.
    SessionInConfiguration: CONFLICT, "session_in_configuration", "Session is in the configuration";
    /// The assertion was signed for another challenge.
    WrongChallenge: CONFLICT, "wrong_challenge", "Wrong challenge";
    /// The code that the phone shows is another one.
    WrongCode: CONFLICT, "wrong_code", "Wrong code";
    /// What is named stands in a state that does not allow this; `state` says in which.
    WrongState: CONFLICT, "wrong_state", "Wrong state";
    /// The passkey challenge is over; `again` says whether another one will come.
    ChallengeExpired: GONE, "challenge_expired", "Challenge expired";
    /// The body is larger than the call takes; nothing was stored.
    BodyTooLarge: PAYLOAD_TOO_LARGE, "body_too_large", "Request body too large";
    /// The body does not call itself JSON.
    UnsupportedMediaType: UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type";
    /// A variable of the template has a value that it does not take.
    BadVariable: UNPROCESSABLE_ENTITY, "bad_variable", "Invalid template variable";
    /// The recipient is blocked by this account.
    Blocked: UNPROCESSABLE_ENTITY, "blocked", "Recipient is blocked";
    /// The account has no such chat.
    ChatNotFound: UNPROCESSABLE_ENTITY, "chat_not_found", "No such chat";
    /// The `Idempotency-Key` belongs to another request.
    IdempotencyKeyReused: UNPROCESSABLE_ENTITY, "idempotency_key_reused", "Idempotency key reused";
    /// Messages of that kind cannot be sent by this version, or not to many.
    KindNotSupported: UNPROCESSABLE_ENTITY, "kind_not_supported", "Kind of message not supported";
    /// The template needs a variable that was not given.
    MissingVariable: UNPROCESSABLE_ENTITY, "missing_variable", "Missing template variable";
    /// The number has no WhatsApp account.
    NotOnWhatsapp: UNPROCESSABLE_ENTITY, "not_on_whatsapp", "Number is not on WhatsApp";
    /// The account cannot be linked by a pairing code.
    PairingNotAvailable: UNPROCESSABLE_ENTITY, "pairing_not_available", "Pairing code not available";
    /// The message that it answers is not in the chat, or cannot be answered.
    QuoteNotFound: UNPROCESSABLE_ENTITY, "quote_not_found", "Message to answer not found";
    /// Recipients of that kind cannot be written to by this version.
    RecipientNotSupported: UNPROCESSABLE_ENTITY, "recipient_not_supported", "Recipient not supported";
    /// A plugin rejected the message; its own code stands in the place of this one where it gives
    /// one.
    Rejected: UNPROCESSABLE_ENTITY, "rejected", "Message rejected";
    /// The template could not be made into a text.
    TemplateFailed: UNPROCESSABLE_ENTITY, "template_failed", "Template failed";
    /// There is no such template.
    UnknownTemplate: UNPROCESSABLE_ENTITY, "unknown_template", "Unknown template";
    /// Pace, pause or a restriction holds the message back, and the operator does not let callers
    /// wait; nothing was stored.
    HeldBack: TOO_MANY_REQUESTS, "held_back", "Message held back";
    /// WhatsApp makes no more pairing codes for a while.
    PairingRateLimited: TOO_MANY_REQUESTS, "pairing_rate_limited", "Too many pairing codes";
    /// Helper pages are called too often.
    TooManyRequests: TOO_MANY_REQUESTS, "too_many_requests", "Too many requests";
    /// The session directory, or a profile in it, could not be cleaned; the gateway's log says why.
    CleanupFailed: INTERNAL_SERVER_ERROR, "cleanup_failed", "Clean-up failed";
    /// Something went wrong inside the gateway; its log says what, under `requestId`.
    Internal: INTERNAL_SERVER_ERROR, "internal", "Internal error";
    /// What is stored cannot be read: it was written by another version, or is broken.
    Unreadable: INTERNAL_SERVER_ERROR, "unreadable", "Stored data cannot be read";
    /// WhatsApp Web could not do it in its page; the gateway's log says why.
    PageError: BAD_GATEWAY, "page_error", "WhatsApp Web could not take the message";
    /// WhatsApp's server refused it.
    RefusedByWhatsapp: BAD_GATEWAY, "refused_by_whatsapp", "WhatsApp refused the message";
    /// The gateway has no room now; nothing was stored, and the header `Retry-After` says when to
    /// try again.
    Busy: SERVICE_UNAVAILABLE, "busy", "Gateway is busy";
    /// The message's `expiresAt` passed before it was begun.
    Expired: SERVICE_UNAVAILABLE, "expired", "Message expired";
    /// The session cannot send now; `state` says where it stands, and nothing was stored.
    NotReady: SERVICE_UNAVAILABLE, "not_ready", "WhatsApp client is not ready";
    /// The message was not begun in the time that it had.
    NotSentInTime: SERVICE_UNAVAILABLE, "not_sent_in_time", "Message not sent in time";
    /// WhatsApp lets this account write to nobody new for a while.
    Restricted: SERVICE_UNAVAILABLE, "restricted", "WhatsApp restricts this account";
    /// The disk is full; nothing was stored.
    StorageFull: SERVICE_UNAVAILABLE, "storage_full", "Disk is full";
    /// The database was moved away while the gateway runs; nothing was stored.
    StorageMoved: SERVICE_UNAVAILABLE, "storage_moved", "Database was moved away";
    /// Every connection is taken, so only probes are answered.
    TooManyConnections: SERVICE_UNAVAILABLE, "too_many_connections", "Service Unavailable";
    /// WhatsApp did not confirm the end of the login in time.
    LogoutNotConfirmed: GATEWAY_TIMEOUT, "logout_not_confirmed", "Logout not confirmed";
    /// The message may have left: do not send it again, the gateway finds out by its id.
    OutcomeUnknown: GATEWAY_TIMEOUT, "outcome_unknown", "Outcome unknown";
}

impl From<FailureCode> for Code {
    fn from(code: FailureCode) -> Self {
        match code {
            FailureCode::NotOnWhatsapp => Self::NotOnWhatsapp,
            FailureCode::Rejected => Self::Rejected,
            FailureCode::NotSentInTime => Self::NotSentInTime,
            FailureCode::Expired => Self::Expired,
            FailureCode::Cancelled => Self::Cancelled,
            FailureCode::RefusedByWhatsapp => Self::RefusedByWhatsapp,
            FailureCode::Restricted => Self::Restricted,
            FailureCode::Blocked => Self::Blocked,
            FailureCode::QuoteNotFound => Self::QuoteNotFound,
            FailureCode::ChatNotFound => Self::ChatNotFound,
            FailureCode::PageError => Self::PageError,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_a_status_that_refuses_and_a_sentence() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len(), "a name is given twice");
        for code in Code::ALL {
            let name = code.as_str();
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{name}"
            );
            assert!(
                code.status().is_client_error() || code.status().is_server_error(),
                "{name}"
            );
            assert!(
                !code.title().is_empty()
                    && code.meaning().ends_with('.')
                    && code.meaning().len() > 10,
                "{name}"
            );
        }
        assert!(
            Code::ALL.is_sorted_by_key(|code| code.status().as_u16()),
            "the table is ordered by status"
        );
    }

    #[test]
    fn a_send_that_did_not_leave_has_the_code_of_its_outcome() {
        for code in [
            FailureCode::NotOnWhatsapp,
            FailureCode::Rejected,
            FailureCode::Restricted,
            FailureCode::PageError,
            FailureCode::ChatNotFound,
        ] {
            assert_eq!(Code::from(code).as_str(), code.as_str());
        }
    }
}
