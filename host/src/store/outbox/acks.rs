//! Acknowledgements. They come in swarms, so those that came together are noted together: a
//! statement for each table, however many there are.

use std::collections::HashMap;

use serde_json::json;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    OutboxRow, RowState,
    history::{Step, note_all},
    read, select,
};
use crate::{
    model::{AckLevel, Address, ClientId, Envelope, MessageId, Timestamp},
    store::{Store, StoreError, events, pacing, script::Script, unreadable::UnreadableRows},
};

/// An acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Of which message.
    pub id: MessageId,
    /// In which chat.
    pub address: Address,
    /// How far it has come.
    pub level: AckLevel,
    /// When that was heard.
    pub at: Timestamp,
}

impl OutboxRow {
    /// Takes an acknowledgement in.
    pub fn acknowledge(&mut self, ack: &Ack) {
        let chat = &ack.address.chat;
        self.message_key
            .get_or_insert_with(|| format!("true_{chat}_{}", ack.id));
        if self.state != RowState::Sent {
            // The time of the outcome is that of the first acknowledgement.
            self.updated_at = ack.at;
        }
        (self.state, self.code, self.reason) = (RowState::Sent, None, None);
        self.ack = ack.level.number();
        self.chat = Some(chat.clone());
    }
}

impl Store {
    /// Notes acknowledgements, in their order, and appends the events that `tell` makes of each and
    /// the row before it, in one commit. Levels only rise: what is no news is left out. Returns the
    /// rows as each of the others found them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn acknowledge(
        &self,
        client: &ClientId,
        acks: Vec<Ack>,
        tell: impl Fn(&OutboxRow, &Ack) -> Vec<Envelope> + Send + 'static,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let (client, unreadable) = (client.clone(), self.unreadable.clone());
        self.writer
            .write_then(move |connection| {
                Box::pin(async move {
                    let mut rest = Script::default();
                    let mut rows = named(connection, &client, &acks, &unreadable).await?;
                    let mut before = Vec::with_capacity(acks.len());
                    let (mut events, mut new, mut steps) =
                        (Vec::new(), Vec::new(), HashMap::<i64, Vec<Step>>::new());
                    for ack in &acks {
                        let Some((row, known)) = rows
                            .get_mut(&ack.id)
                            .filter(|(row, _)| row.ack < ack.level.number())
                        else {
                            continue;
                        };
                        events.extend(tell(row, ack));
                        before.push(row.clone());
                        row.acknowledge(ack);
                        let steps = steps.entry(row.seq).or_default();
                        if before
                            .last()
                            .is_some_and(|before: &OutboxRow| before.state != RowState::Sent)
                        {
                            steps.push(Step::new(
                                "sent",
                                json!({"chat": row.chat, "messageKey": row.message_key}),
                            ));
                            if !*known {
                                new.push(row.queue.to_string());
                            }
                        }
                        steps.push(Step::new("ack", json!({"level": ack.level})));
                    }
                    if before.is_empty() {
                        return Ok((before, rest));
                    }
                    pacing::know(connection, client.as_str(), &new).await?;
                    keep(
                        &mut rest,
                        rows.values()
                            .map(|(row, _)| row)
                            .filter(|row| steps.contains_key(&row.seq)),
                    )?;
                    note_all(&mut rest, &steps.into_iter().collect::<Vec<_>>())?;
                    events::insert_all(&mut rest, &events)?;
                    Ok((before, rest))
                })
            })
            .await
    }
}

/// The begun sends that the acknowledgements name, and whether their recipients are known.
async fn named(
    connection: &mut SqliteConnection,
    client: &ClientId,
    acks: &[Ack],
    unreadable: &UnreadableRows,
) -> Result<HashMap<MessageId, (OutboxRow, bool)>, StoreError> {
    let ids: Vec<&MessageId> = acks.iter().map(|ack| &ack.id).collect();
    let sql = select!(
        also "EXISTS (SELECT 1 FROM acquaintance WHERE acquaintance.client = outbox.client AND acquaintance.line = outbox.line) AS known";
        "WHERE client = ? AND message_id IN (SELECT value FROM json_each(?)) AND attempt > 0"
    );
    let rows = sqlx::query(sql)
        .bind(client.as_str())
        .bind(serde_json::to_string(&ids)?)
        .fetch_all(connection)
        .await?;
    let found = |row: &SqliteRow| {
        read(row).and_then(|found| Ok((found.message_id.clone(), (found, row.try_get("known")?))))
    };
    Ok(rows
        .iter()
        .filter_map(|row| {
            unreadable.ok_or_report(
                "outbox",
                || row.try_get("id").unwrap_or_default(),
                found(row),
            )
        })
        .collect())
}

/// Writes the rows as they are now.
fn keep<'a>(
    script: &mut Script,
    rows: impl Iterator<Item = &'a OutboxRow>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = rows
        .map(|row| {
            (
                row.seq,
                row.ack,
                &row.chat,
                &row.message_key,
                row.updated_at,
            )
        })
        .collect();
    script.add(
        "UPDATE outbox SET ack = news.value ->> 1, chat = news.value ->> 2, message_key = news.value ->> 3, updated_at = news.value ->> 4,
             state = 'sent', code = NULL, reason = NULL
         FROM json_each(?) AS news WHERE outbox.seq = news.value ->> 0",
    );
    script.bind(serde_json::to_string(&rows)?)
}
