//! Waiting on conditions instead of on luck.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// Asks every 50 ms until there is an answer.
///
/// # Errors
/// When there is none within `limit`, or when asking fails.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Instant::now() > end {
            bail!("not within {limit:?}: {what}");
        }
        sleep(Duration::from_millis(50)).await;
    }
}
