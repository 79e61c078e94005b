//! Parses WhatsApp's own ids, `user@server`. The server determines the kind of id.

use std::{fmt, str::FromStr};

use super::{invalid::InvalidRecipient, number::PhoneNumber};

/// Maximum length of the user part of a group's id: a number of 16 digits, a dash and a time.
const LONGEST: usize = 31;
/// Maximum number of digits of an opaque id; known ones have 15.
const LONGEST_LID: usize = 20;
/// Minimum number of digits of a group's id, or of its time in the older form; known ones have 18
/// and 10.
const SHORTEST_GROUP: usize = 10;

/// A chat that is addressed by its id: a person's opaque id `…@lid`, or a group `…@g.us`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChatId(String);

impl ChatId {
    /// The id as WhatsApp writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the chat is a group.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.0.ends_with("@g.us")
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ChatId {
    type Err = InvalidRecipient;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match read(text)? {
            Id::Chat(chat) => Ok(chat),
            Id::Number(_) => Err(InvalidRecipient::because(
                "a phone number is not the id of a chat",
            )),
        }
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn wrong(kind: &str, form: &str) -> InvalidRecipient {
    InvalidRecipient::because(format!(
        "the part before @ is not valid in {kind}, which has the form {form}"
    ))
}

/// A parsed id.
pub(super) enum Id {
    /// A person, by their phone number.
    Number(PhoneNumber),
    /// A person, by their opaque id, or a group.
    Chat(ChatId),
}

/// Parses an id, `user@server`.
pub(super) fn read(text: &str) -> Result<Id, InvalidRecipient> {
    let (user, server) = text.split_once('@').unwrap_or((text, ""));
    let server = server.to_ascii_lowercase();
    match server.as_str() {
        "c.us" | "s.whatsapp.net" => {
            let number = of_person(user).parse::<PhoneNumber>();
            number.map(Id::Number).map_err(|_| {
                wrong(
                    "a phone number's id",
                    "4915123456789@c.us: 1 to 16 digits, the first not 0",
                )
            })
        }
        "lid" => {
            let user = of_person(user);
            let fits = digits(user) && user.len() <= LONGEST_LID && !user.starts_with('0');
            let chat = || Id::Chat(ChatId(format!("{user}@lid")));
            fits.then(chat).ok_or_else(|| {
                wrong(
                    "an opaque id",
                    "123456789012345@lid: 1 to 20 digits, the first not 0",
                )
            })
        }
        "g.us" => {
            let fits = match user.split_once('-') {
                Some((creator, time)) => {
                    digits(creator) && digits(time) && time.len() >= SHORTEST_GROUP
                }
                None => digits(user) && user.len() >= SHORTEST_GROUP,
            };
            let chat = || Id::Chat(ChatId(format!("{user}@g.us")));
            (fits && user.len() <= LONGEST).then(chat).ok_or_else(|| {
                wrong(
                    "a group's id",
                    "120363041477902123@g.us or, in older groups, 4915123456789-1600000000@g.us",
                )
            })
        }
        "newsletter" => Err(InvalidRecipient::NotSupported {
            what: "a channel (…@newsletter)",
        }),
        "broadcast" if user.eq_ignore_ascii_case("status") => Err(InvalidRecipient::NotSupported {
            what: "the status (status@broadcast)",
        }),
        "broadcast" => Err(InvalidRecipient::NotSupported {
            what: "a broadcast list (…@broadcast)",
        }),
        "bot" => Err(InvalidRecipient::NotSupported {
            what: "a bot (…@bot)",
        }),
        _ => {
            let server: String = server.chars().take(40).collect();
            Err(InvalidRecipient::because(format!(
                "unknown kind of id, @{server:?}; ids end with @c.us or @s.whatsapp.net (a phone number), @lid (a person) or @g.us (a group)"
            )))
        }
    }
}

/// Removes the device part (`:12`): a message goes to all devices of a person.
fn of_person(user: &str) -> &str {
    match user.split_once(':') {
        Some((user, device)) if digits(device) => user,
        _ => user,
    }
}
