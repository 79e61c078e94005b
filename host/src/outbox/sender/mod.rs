//! One task per session: sends its messages in order, and finds out the outcome of those whose
//! sending began before.
//!
//! `run` is its loop and `pass` a pass over the queue. `prepare` and `dispatch` do the checks
//! before a message is sent, and `give` hands it to the page. `answer` decides what follows the
//! page's answer, both to a message and to a question about one, and `follow` carries it out.
//! `in_doubt` chooses the messages that the page is asked about.

mod answer;
mod dispatch;
mod follow;
mod give;
mod in_doubt;
mod page_send;
mod pass;
mod prepare;
mod previews;
mod run;
mod state;
mod timers;

#[cfg(test)]
pub(super) use pass::Progress;
#[cfg(test)]
pub(super) use state::Sender;
