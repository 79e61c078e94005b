//! The peer: unmodified whatsapp-web.js behind Express, on the stand-in.

use anyhow::{Result, bail};

use crate::load::Figures;

pub(crate) async fn measure() -> Result<Figures> {
    bail!("not yet")
}
