//! Sessions, their transitions and health checks.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{Store, StoreError, events};
use crate::model::{Account, ClientId, Envelope, SessionState, Timestamp, Transition};

/// Maximum number of transitions, and of health checks, that are kept per session.
const KEPT: i64 = 500;

/// Deletes all but the newest [`KEPT`] of a session. The sequence numbers belong to all sessions
/// together, so a difference of sequence numbers does not say how many of one session there are.
const FORGET_TRANSITIONS: &str = "DELETE FROM transition WHERE client = ?1 AND seq <= \
                                  (SELECT seq FROM transition WHERE client = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)";
/// As [`FORGET_TRANSITIONS`], of health checks.
const FORGET_HEALTH: &str = "DELETE FROM health WHERE client = ?1 AND seq <= \
                             (SELECT seq FROM health WHERE client = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)";

/// A session as it was last recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// The session's id.
    pub client: ClientId,
    /// Its state.
    pub state: SessionState,
    /// Why it is in this state.
    pub reason: String,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// Whether its browser profile holds a login.
    pub linked: bool,
    /// The account, if it was ever known.
    pub account: Option<Account>,
}

/// A recorded health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthRow {
    /// When it was made.
    pub at: Timestamp,
    /// Whether the session was healthy.
    pub ok: bool,
    /// Details as a JSON object.
    pub detail: String,
}

impl Store {
    /// Records a transition, the new state of the session and the event of it in one commit.
    /// `account` is stored only if none is recorded yet; only [`Store::note_account`] changes a
    /// recorded account.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn record_transition(
        &self,
        transition: &Transition,
        account: Option<&Account>,
        linked: bool,
        event: Envelope,
    ) -> Result<(), StoreError> {
        let (transition, account) = (
            transition.clone(),
            account.map(serde_json::to_string).transpose()?,
        );
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    events::insert(connection, &event).await?;
                    let client = transition.client.as_str();
                    sqlx::query("INSERT INTO transition (client, at, before, after, reason) VALUES (?, ?, ?, ?, ?)")
                        .bind(client)
                        .bind(transition.at.0)
                        .bind(transition.before.as_str())
                        .bind(transition.after.as_str())
                        .bind(&transition.reason)
                        .execute(&mut *connection)
                        .await?;
                    sqlx::query(
                        "INSERT INTO session (client, state, reason, since, linked, account) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (client) DO UPDATE \
                         SET state = excluded.state, reason = excluded.reason, since = excluded.since, linked = excluded.linked, \
                             account = coalesce(account, excluded.account)",
                    )
                    .bind(client)
                    .bind(transition.after.as_str())
                    .bind(&transition.reason)
                    .bind(transition.at.0)
                    .bind(linked)
                    .bind(account)
                    .execute(&mut *connection)
                    .await?;
                    forget(connection, FORGET_TRANSITIONS, client).await
                })
            })
            .await
    }

    /// The session as it was last recorded, or `None` if it was never recorded.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn session(&self, client: &ClientId) -> Result<Option<SessionRow>, StoreError> {
        let row = sqlx::query(
            "SELECT state, reason, since, linked, account FROM session WHERE client = ?",
        )
        .bind(client.as_str())
        .fetch_optional(&mut *self.readers.get().await?)
        .await?;
        row.map(|row| {
            let account: Option<String> = row.try_get("account")?;
            // An unreadable column must not hide whether there is a login.
            let name = || client.to_string();
            let account = account.and_then(|text| {
                self.unreadable
                    .ok_or_report("session", name, serde_json::from_str(&text))
            });
            Ok(SessionRow {
                client: client.clone(),
                state: self
                    .unreadable
                    .ok_or_report("session", name, state(&row, "state"))
                    .unwrap_or(SessionState::Disconnected),
                reason: row.try_get("reason")?,
                since: Timestamp(row.try_get("since")?),
                linked: row.try_get("linked")?,
                account,
            })
        })
        .transpose()
    }

    /// The last transitions, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn transitions(
        &self,
        client: &ClientId,
        limit: u32,
    ) -> Result<Vec<Transition>, StoreError> {
        let rows = sqlx::query("SELECT seq, at, before, after, reason FROM transition WHERE client = ? ORDER BY seq DESC LIMIT ?")
            .bind(client.as_str())
            .bind(limit)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        let transition = |row: &SqliteRow| {
            Ok::<_, StoreError>(Transition {
                client: client.clone(),
                at: Timestamp(row.try_get("at")?),
                before: state(row, "before")?,
                after: state(row, "after")?,
                reason: row.try_get("reason")?,
            })
        };
        let name = |row: &SqliteRow| row.try_get::<i64, _>("seq").unwrap_or_default().to_string();
        Ok(rows
            .iter()
            .filter_map(|row| {
                self.unreadable
                    .ok_or_report("transition", || name(row), transition(row))
            })
            .collect())
    }

    /// Records a health check.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn record_health(&self, client: &ClientId, row: HealthRow) -> Result<(), StoreError> {
        let client = client.clone();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query("INSERT INTO health (client, at, ok, detail) VALUES (?, ?, ?, ?)")
                        .bind(client.as_str())
                        .bind(row.at.0)
                        .bind(row.ok)
                        .bind(row.detail)
                        .execute(&mut *connection)
                        .await?;
                    forget(connection, FORGET_HEALTH, client.as_str()).await
                })
            })
            .await
    }

    /// The last health checks, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn health(
        &self,
        client: &ClientId,
        limit: u32,
    ) -> Result<Vec<HealthRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT at, ok, detail FROM health WHERE client = ? ORDER BY seq DESC LIMIT ?",
        )
        .bind(client.as_str())
        .bind(limit)
        .fetch_all(&mut *self.readers.get().await?)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(HealthRow {
                    at: Timestamp(row.try_get("at")?),
                    ok: row.try_get("ok")?,
                    detail: row.try_get("detail")?,
                })
            })
            .collect()
    }
}

async fn forget(
    connection: &mut SqliteConnection,
    sql: &'static str,
    client: &str,
) -> Result<(), StoreError> {
    sqlx::query(sql)
        .bind(client)
        .bind(KEPT)
        .execute(connection)
        .await?;
    Ok(())
}

fn state(row: &SqliteRow, column: &str) -> Result<SessionState, StoreError> {
    row.try_get::<String, _>(column)?
        .parse()
        .map_err(StoreError::Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Event, EventId},
        store::{assert_indexed, scratch},
    };

    #[tokio::test]
    async fn a_session_is_found_again_with_its_history() {
        let (_dir, store) = scratch().await;
        let client: ClientId = "a".parse().expect("id");
        assert_eq!(store.session(&client).await, Ok(None));
        let steps = [
            (SessionState::Disconnected, SessionState::Loading),
            (SessionState::Loading, SessionState::Ready),
        ];
        for (n, (before, after)) in steps.into_iter().enumerate() {
            let at = Timestamp(i64::try_from(n).expect("small"));
            let me = Account {
                pn: Some("1@c.us".into()),
                ..Account::default()
            };
            let account = (n == 0).then_some(&me);
            let step = Transition {
                client: client.clone(),
                at,
                before,
                after,
                reason: "r".into(),
            };
            let event = Event::SessionState {
                before,
                after,
                reason: None,
            };
            let id = EventId::new(&n.to_string());
            let event = Envelope {
                id,
                at,
                session: client.clone(),
                account: None,
                replayed: false,
                event,
            };
            store
                .record_transition(&step, account, true, event)
                .await
                .expect("recorded");
        }
        let row = store.session(&client).await.expect("read").expect("there");
        assert_eq!(
            (row.state, row.linked, row.account.and_then(|a| a.pn)),
            (SessionState::Ready, true, Some("1@c.us".into()))
        );
        assert_eq!(
            store.events_after(0, 10).await.expect("read").len(),
            2,
            "each with its event"
        );
        let transitions = store.transitions(&client, 10).await.expect("read");
        assert_eq!(
            transitions.iter().map(|t| t.after).collect::<Vec<_>>(),
            [SessionState::Ready, SessionState::Loading]
        );
    }

    #[tokio::test]
    async fn what_other_sessions_record_makes_none_forget_its_own_history() {
        let (_dir, store) = scratch().await;
        let [quiet, busy] = ["quiet", "busy"].map(|id| id.parse::<ClientId>().expect("id"));
        let check = |at| HealthRow {
            at: Timestamp(at),
            ok: true,
            detail: "{}".into(),
        };
        let step = async |client: &ClientId, at| {
            let (before, after) = (SessionState::Loading, SessionState::Ready);
            let step = Transition {
                client: client.clone(),
                at: Timestamp(at),
                before,
                after,
                reason: "r".into(),
            };
            let event = Envelope {
                id: EventId::new(&format!("{client}{at}")),
                at: Timestamp(at),
                session: client.clone(),
                account: None,
                replayed: false,
                event: Event::SessionState {
                    before,
                    after,
                    reason: None,
                },
            };
            store
                .record_transition(&step, None, true, event)
                .await
                .expect("recorded");
        };
        for at in 0..2 {
            store
                .record_health(&quiet, check(at))
                .await
                .expect("recorded");
            step(&quiet, at).await;
            futures_util::future::join_all((0..KEPT + 1).map(async |n| {
                store
                    .record_health(&busy, check(n))
                    .await
                    .expect("recorded");
                step(&busy, at * (KEPT + 1) + n).await;
            }))
            .await;
        }
        store
            .record_health(&quiet, check(2))
            .await
            .expect("recorded");
        step(&quiet, 2).await;
        for (client, kept) in [(quiet, 3), (busy, KEPT)] {
            let kept = usize::try_from(kept).expect("small");
            let health = store.health(&client, 10_000).await.expect("read");
            let transitions = store.transitions(&client, 10_000).await.expect("read");
            assert_eq!((health.len(), transitions.len()), (kept, kept), "{client}");
        }
    }

    #[tokio::test]
    async fn forgetting_old_history_reads_that_of_one_session_only() {
        let (_dir, store) = scratch().await;
        for (sql, table, index) in [
            (FORGET_TRANSITIONS, "transition", "transition_by_client"),
            (FORGET_HEALTH, "health", "health_by_client"),
        ] {
            assert_indexed(&store, sql, table, &[index]).await;
        }
    }

    #[tokio::test]
    async fn old_health_checks_are_forgotten() {
        let (_dir, store) = scratch().await;
        let client: ClientId = "a".parse().expect("id");
        let writes = (0..KEPT + 20).map(|n| {
            store.record_health(
                &client,
                HealthRow {
                    at: Timestamp(n),
                    ok: true,
                    detail: "{}".into(),
                },
            )
        });
        futures_util::future::join_all(writes).await;
        let rows = store.health(&client, 10_000).await.expect("read");
        assert_eq!(rows.len(), usize::try_from(KEPT).expect("small"));
        assert_eq!(rows[0].at, Timestamp(KEPT + 19));
    }
}
