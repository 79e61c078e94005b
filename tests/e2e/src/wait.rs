//! Waits for conditions instead of for a fixed time.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// Calls `ask` every 50 ms until it returns a value.
///
/// # Errors
/// When there is no value within `limit`, or when `ask` fails.
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
