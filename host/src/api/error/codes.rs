//! The error codes of the API, each with its HTTP status, its title and its meaning.
//!
//! Both layers (`/v1` and the original service's calls) use the same codes. If a plugin rejects a
//! message, the plugin's code takes the place of [`Code::Rejected`]; no other response has a code
//! that is not in this table.

use axum::http::StatusCode;

use crate::model::FailureCode;

/// Defines [`Code`] from one line for each code; its documentation is its meaning.
macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $variant:ident: $status:ident, $name:literal, $title:literal;)*) => {
        /// The stable, machine-readable name of an error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(clippy::enum_variant_names, reason = "`wrong_code` is about the code that a phone shows")]
        pub(in crate::api) enum Code {
            $($(#[doc = $meaning])+ $variant,)*
        }

        impl Code {
            /// Every code, ordered by status.
            pub(in crate::api) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in responses.
            pub(in crate::api) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The code of that name.
            pub(in crate::api) fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }

            /// The HTTP status of a response with this code.
            pub(in crate::api) const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// A short text for people: the field `error` in the original service's envelope.
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
    /// The request repeats a header that may be given only once, so proxies and the gateway could
    /// interpret it differently.
    AmbiguousRequest: BAD_REQUEST, "ambiguous_request", "Bad Request";
    /// The body broke off or is not well-formed HTTP; nothing was stored.
    BodyNotReadable: BAD_REQUEST, "body_not_readable", "Request body not readable";
    /// The body has the same field twice; `field` says which.
    DuplicateField: BAD_REQUEST, "duplicate_field", "Duplicate field";
    /// The query has the same parameter twice; `parameter` says which.
    DuplicateParameter: BAD_REQUEST, "duplicate_parameter", "Invalid query";
    /// A bulk order names the same recipient twice; `recipient` is the index of the second one,
    /// from 0.
    DuplicateRecipient: BAD_REQUEST, "duplicate_recipient", "Duplicate recipient";
    /// The passkey assertion is malformed or cannot be used.
    InvalidAssertion: BAD_REQUEST, "invalid_assertion", "Invalid assertion";
    /// The body is not a JSON object, or one of its fields has an invalid value; `field` says
    /// which.
    InvalidBody: BAD_REQUEST, "invalid_body", "Invalid body";
    /// The id of a session is not well-formed, or two different ids were given.
    InvalidClientId: BAD_REQUEST, "invalid_client_id", "Invalid client id";
    /// The contact is not a vCard that a phone can open.
    InvalidContact: BAD_REQUEST, "invalid_contact", "Invalid contact";
    /// A field has an invalid type or value (calls of the original service).
    InvalidField: BAD_REQUEST, "invalid_field", "Invalid field";
    /// The header `Idempotency-Key` is not 1 to 255 printable ASCII characters.
    InvalidIdempotencyKey: BAD_REQUEST, "invalid_idempotency_key", "Invalid Idempotency-Key";
    /// The body is not a JSON object (calls of the original service).
    InvalidJson: BAD_REQUEST, "invalid_json", "Invalid JSON";
    /// The coordinates are out of range, or the location's name is too long.
    InvalidLocation: BAD_REQUEST, "invalid_location", "Invalid location";
    /// A mention is neither a phone number nor the id of a person.
    InvalidMention: BAD_REQUEST, "invalid_mention", "Invalid mention";
    /// A reference to a message is neither a WhatsApp message id nor a message key.
    InvalidMessageId: BAD_REQUEST, "invalid_message_id", "Invalid message id";
    /// The recipient is neither a phone number nor the id of a chat.
    InvalidNumber: BAD_REQUEST, "invalid_number", "Invalid phone number format";
    /// The percent-encoded parts of the path are not valid UTF-8.
    InvalidPath: BAD_REQUEST, "invalid_path", "Bad Request";
    /// A query parameter has an invalid value, or the parameters contradict each other; `parameter`
    /// says which one is invalid.
    InvalidQuery: BAD_REQUEST, "invalid_query", "Invalid query";
    /// A bulk order has no recipients or too many.
    InvalidRecipients: BAD_REQUEST, "invalid_recipients", "Invalid recipients";
    /// A time is not well-formed, or lies outside the accepted range.
    InvalidTime: BAD_REQUEST, "invalid_time", "Invalid time";
    /// A mentioned number does not occur in the text as `@number`.
    MentionNotInText: BAD_REQUEST, "mention_not_in_text", "Mention not in text";
    /// Both a text and a template were given, or neither in a bulk order.
    MessageAndTemplate: BAD_REQUEST, "message_and_template", "Invalid fields";
    /// The text is longer than WhatsApp allows.
    MessageTooLong: BAD_REQUEST, "message_too_long", "Message too long";
    /// `metadata` has too many pairs, or one of its names or values is too long.
    MetadataTooLarge: BAD_REQUEST, "metadata_too_large", "Metadata too large";
    /// The recipient or the content is missing.
    MissingFields: BAD_REQUEST, "missing_fields", "Missing required fields";
    /// The HTTP framework refused the request before it reached a handler.
    Refused: BAD_REQUEST, "refused", "Refused";
    /// The call has the content of more than one kind of message.
    SeveralKinds: BAD_REQUEST, "several_kinds", "Invalid fields";
    /// The request has more than one API key.
    SeveralApiKeys: BAD_REQUEST, "several_api_keys", "Bad Request";
    /// `mentions` or `linkPreview` was given without a text.
    TextMissing: BAD_REQUEST, "text_missing", "Text missing";
    /// The text has too many mentions.
    TooManyMentions: BAD_REQUEST, "too_many_mentions", "Too many mentions";
    /// The body has a field that this call does not know (calls of the original service).
    UnknownField: BAD_REQUEST, "unknown_field", "Unknown field";
    /// The query has a parameter that this call does not know; `parameter` says which.
    UnknownParameter: BAD_REQUEST, "unknown_parameter", "Invalid query";
    /// An API key was given in the query string, where it would be written to logs; it is not
    /// accepted there.
    ApiKeyInAddress: UNAUTHORIZED, "api_key_in_address", "Unauthorized";
    /// The API key is not known.
    InvalidApiKey: UNAUTHORIZED, "invalid_api_key", "Unauthorized";
    /// The call needs an API key, and the request has none.
    MissingApiKey: UNAUTHORIZED, "missing_api_key", "Unauthorized";
    /// A web page of another site made a browser send the request.
    CrossSite: FORBIDDEN, "cross_site", "Forbidden";
    /// The gateway has no API keys, and the request's host is not a loopback address.
    HostNotLoopback: FORBIDDEN, "host_not_loopback", "Forbidden";
    /// The gateway has no API keys, and the request comes from a web page whose origin is not
    /// allowed.
    OriginNotAllowed: FORBIDDEN, "origin_not_allowed", "Forbidden";
    /// The gateway has no API keys, and the request came through a proxy.
    ProxyWithoutApiKeys: FORBIDDEN, "proxy_without_api_keys", "Forbidden";
    /// The API key lacks the scope that the call needs, or is limited to some sessions while the
    /// call concerns all of them.
    ScopeMissing: FORBIDDEN, "scope_missing", "Forbidden";
    /// WhatsApp has not asked this session for a passkey.
    NoPasskeyAsked: NOT_FOUND, "no_passkey_asked", "No passkey asked";
    /// Nothing has this id, or the path does not exist; `nearest` is the most similar path.
    NotFound: NOT_FOUND, "not_found", "Not found";
    /// No QR code can be scanned now; `state` is the state of the session.
    QrNotAvailable: NOT_FOUND, "qr_not_available", "QR code not available";
    /// The session does not exist.
    UnknownClient: NOT_FOUND, "unknown_client", "Unknown client";
    /// No plugin of this name is loaded, and the configuration has no entry for it.
    UnknownPlugin: NOT_FOUND, "unknown_plugin", "Unknown plugin";
    /// The token of the helper page is unknown or no longer valid.
    UnknownToken: NOT_FOUND, "unknown_token", "Unknown token";
    /// The path does not support this method; the header `Allow` lists those that it supports.
    MethodNotAllowed: METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed";
    /// The body was received more slowly than the gateway allows; nothing was stored.
    BodyTooSlow: REQUEST_TIMEOUT, "body_too_slow", "Request Timeout";
    /// The content of the message was deleted at the end of its retention time, so it cannot be
    /// sent again.
    BodyGone: CONFLICT, "body_gone", "Message body is gone";
    /// The message was cancelled before it was sent.
    Cancelled: CONFLICT, "cancelled", "Message was cancelled";
    /// A request with the same `Idempotency-Key` is in progress.
    IdempotencyInFlight: CONFLICT, "idempotency_in_flight", "Request in flight";
    /// The session is not linked, so it has no login to end.
    NotLinked: CONFLICT, "not_linked", "Session is not linked";
    /// The passkey ceremony does not wait for a code; `stage` is its present stage.
    NotWaitingForCode: CONFLICT, "not_waiting_for_code", "No code is waited for";
    /// The session does not wait to be linked; `state` is its state.
    NotWaitingForLink: CONFLICT, "not_waiting_for_link", "Session does not wait for a link";
    /// The passkey ceremony does not wait for an assertion; `stage` is its present stage.
    NotWaitingForPasskey: CONFLICT, "not_waiting_for_passkey", "No passkey is waited for";
    /// A session with this id exists already.
    SessionExists: CONFLICT, "session_exists", "Session exists";
    /// The session is defined in the configuration and can be removed only there.
    SessionInConfiguration: CONFLICT, "session_in_configuration", "Session is in the configuration";
    /// The assertion was signed for another challenge.
    WrongChallenge: CONFLICT, "wrong_challenge", "Wrong challenge";
    /// The stored value has another version than the request names, or exists although it must not.
    VersionConflict: CONFLICT, "version_conflict", "Version conflict";
    /// The confirmed code is not the one that the phone shows.
    WrongCode: CONFLICT, "wrong_code", "Wrong code";
    /// The state of the message or delivery does not allow this change; `state` says which state it
    /// is in.
    WrongState: CONFLICT, "wrong_state", "Wrong state";
    /// The passkey challenge has expired; `again` says whether a new one will follow.
    ChallengeExpired: GONE, "challenge_expired", "Challenge expired";
    /// The body is larger than the call accepts; nothing was stored.
    BodyTooLarge: PAYLOAD_TOO_LARGE, "body_too_large", "Request body too large";
    /// The request's `Content-Type` is not `application/json`.
    UnsupportedMediaType: UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type";
    /// A variable of the template has an invalid value, or the template does not have this
    /// variable.
    BadVariable: UNPROCESSABLE_ENTITY, "bad_variable", "Invalid template variable";
    /// This account has blocked the recipient.
    Blocked: UNPROCESSABLE_ENTITY, "blocked", "Recipient is blocked";
    /// The account has no such chat.
    ChatNotFound: UNPROCESSABLE_ENTITY, "chat_not_found", "No such chat";
    /// The configuration cannot be read, so nothing was reloaded.
    ConfigurationInvalid: UNPROCESSABLE_ENTITY, "configuration_invalid", "Configuration invalid";
    /// The `Idempotency-Key` was used for a different request.
    IdempotencyKeyReused: UNPROCESSABLE_ENTITY, "idempotency_key_reused", "Idempotency key reused";
    /// The plugin's grants in `gateway.toml` do not hold what the request needs.
    GrantMissing: UNPROCESSABLE_ENTITY, "grant_missing", "Not granted to the plugin";
    /// This version cannot send messages of this kind, or not in a bulk order.
    KindNotSupported: UNPROCESSABLE_ENTITY, "kind_not_supported", "Kind of message not supported";
    /// The template needs a variable that was not given.
    MissingVariable: UNPROCESSABLE_ENTITY, "missing_variable", "Missing template variable";
    /// The number has no WhatsApp account.
    NotOnWhatsapp: UNPROCESSABLE_ENTITY, "not_on_whatsapp", "Number is not on WhatsApp";
    /// The account cannot be linked by a pairing code.
    PairingNotAvailable: UNPROCESSABLE_ENTITY, "pairing_not_available", "Pairing code not available";
    /// The plugin's file or entry cannot be used; what was loaded before still runs.
    PluginRefused: UNPROCESSABLE_ENTITY, "plugin_refused", "Plugin refused";
    /// The message to reply to is not in the chat, or cannot be replied to.
    QuoteNotFound: UNPROCESSABLE_ENTITY, "quote_not_found", "Message to answer not found";
    /// The plugin's storage has no room for the value; `quota` is the most bytes of keys and values
    /// together.
    QuotaExceeded: UNPROCESSABLE_ENTITY, "quota_exceeded", "Storage of the plugin is full";
    /// This version cannot send to recipients of this kind.
    RecipientNotSupported: UNPROCESSABLE_ENTITY, "recipient_not_supported", "Recipient not supported";
    /// A plugin rejected the message; if it gives a code, that code takes the place of this one.
    Rejected: UNPROCESSABLE_ENTITY, "rejected", "Message rejected";
    /// The template could not be rendered.
    TemplateFailed: UNPROCESSABLE_ENTITY, "template_failed", "Template failed";
    /// The template does not exist.
    UnknownTemplate: UNPROCESSABLE_ENTITY, "unknown_template", "Unknown template";
    /// Pacing, a pause or a restriction holds the message back, and the operator does not let
    /// callers wait; nothing was stored.
    HeldBack: TOO_MANY_REQUESTS, "held_back", "Message held back";
    /// WhatsApp issues no more pairing codes for a while.
    PairingRateLimited: TOO_MANY_REQUESTS, "pairing_rate_limited", "Too many pairing codes";
    /// The limit of calls to helper pages with unknown tokens is reached.
    TooManyRequests: TOO_MANY_REQUESTS, "too_many_requests", "Too many requests";
    /// The session directory, or a profile in it, could not be cleaned; the gateway's log says why.
    CleanupFailed: INTERNAL_SERVER_ERROR, "cleanup_failed", "Clean-up failed";
    /// An internal error; the gateway's log has the cause under `requestId`.
    Internal: INTERNAL_SERVER_ERROR, "internal", "Internal error";
    /// The stored data cannot be read: another version wrote it, or it is corrupt.
    Unreadable: INTERNAL_SERVER_ERROR, "unreadable", "Stored data cannot be read";
    /// WhatsApp Web could not carry out the request in its page; the gateway's log has the cause.
    PageError: BAD_GATEWAY, "page_error", "WhatsApp Web could not take the message";
    /// WhatsApp's server refused the request.
    RefusedByWhatsapp: BAD_GATEWAY, "refused_by_whatsapp", "WhatsApp refused the message";
    /// The gateway lacks capacity at the moment; nothing was stored, and the header `Retry-After`
    /// says when to try again.
    Busy: SERVICE_UNAVAILABLE, "busy", "Gateway is busy";
    /// The message's `expiresAt` passed before it was sent.
    Expired: SERVICE_UNAVAILABLE, "expired", "Message expired";
    /// The session cannot send at the moment; `state` is its state, and nothing was stored.
    NotReady: SERVICE_UNAVAILABLE, "not_ready", "WhatsApp client is not ready";
    /// The message could not be sent within the time limit.
    NotSentInTime: SERVICE_UNAVAILABLE, "not_sent_in_time", "Message not sent in time";
    /// WhatsApp does not let this account write to new contacts for a while.
    Restricted: SERVICE_UNAVAILABLE, "restricted", "WhatsApp restricts this account";
    /// The disk is full; nothing was stored.
    StorageFull: SERVICE_UNAVAILABLE, "storage_full", "Disk is full";
    /// The database file was moved or replaced while the gateway runs; nothing was stored.
    StorageMoved: SERVICE_UNAVAILABLE, "storage_moved", "Database was moved away";
    /// The limit of connections is reached, so only probes are answered.
    TooManyConnections: SERVICE_UNAVAILABLE, "too_many_connections", "Service Unavailable";
    /// WhatsApp did not confirm the logout in time.
    LogoutNotConfirmed: GATEWAY_TIMEOUT, "logout_not_confirmed", "Logout not confirmed";
    /// The message may have been sent: do not send it again, the gateway determines the outcome by
    /// its id.
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
