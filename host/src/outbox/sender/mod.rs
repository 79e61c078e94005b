//! One task per session: sends its rows in order, and finds out what became of those that were
//! begun before.
//!
//! `run` is its loop, `pass` a pass over the queue, `prepare` and `dispatch` what is asked before a
//! send is begun, `give` how it gets into the page. `answer` decides what follows the page's
//! answer, to a send as to a question about one, and `follow` does it; `in_doubt` chooses the sends
//! that the page is asked about.

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
