//! Files, handled so that a stranger on the same machine gains nothing by them: what is ours is
//! private or refused (`private`), what is written is made new and put in place when it is whole
//! (`fresh`), and what others have made is opened without waiting and measured before it is read
//! (`regular`).
//!
//! Every room may use this one, and it knows none of them. Everything here blocks.

mod fresh;
mod private;
mod regular;

pub use fresh::{Fresh, write};
pub use private::{
    Exposed, Remark, Wanted, keep, look, place, private_file, private_folder, writable_by_all,
};
pub use regular::{lock, made, open, read, read_text};
