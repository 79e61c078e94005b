//! Addresses that were looked up.

use super::{Store, StoreError};
use crate::model::{Address, ClientId, PhoneNumber, Timestamp};

impl Store {
    /// An address that was looked up since `oldest`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn cached_address(&self, client: &ClientId, number: &PhoneNumber, oldest: Timestamp) -> Result<Option<Address>, StoreError> {
        let text: Option<String> = sqlx::query_scalar("SELECT address FROM address WHERE client = ? AND number = ? AND at >= ?")
            .bind(client.as_str())
            .bind(number.digits())
            .bind(oldest.0)
            .fetch_optional(&self.readers)
            .await?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// Remembers an address.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn cache_address(&self, client: &ClientId, number: &PhoneNumber, address: &Address) -> Result<(), StoreError> {
        let (client, number, address) = (client.to_string(), number.to_string(), serde_json::to_string(address)?);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "INSERT OR REPLACE INTO address (client, number, address, at) VALUES (?, ?, ?, ?)";
                    sqlx::query(sql).bind(client).bind(number).bind(address).bind(Timestamp::now().0).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }
}
