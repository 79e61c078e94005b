//! The form in which the page accepts a message.

use crate::{
    model::{MessageId, OutboundMessage},
    whatsapp::PageSend,
};

/// Converts `message` into a request to the page, under the id that was made for it.
pub(super) fn page_send(id: &MessageId, message: &OutboundMessage) -> PageSend {
    PageSend {
        id: id.clone(),
        chat: message.to.chat.clone(),
        content: message.content.clone(),
        reply_to: message.reply_to.clone(),
    }
}
