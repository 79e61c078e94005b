//! The one writing connection, and group commit.
//!
//! Whatever has queued up while the last commit was flushed goes into the next transaction. Each piece of work has a
//! savepoint of its own, so one that fails does not take its neighbours with it; answers are given after the commit.
//! A statement that fails by its own fault (a constraint, broken JSON) is undone alone too; work that panics costs its batch
//! and the connection, and the writer goes on.
//! Accepted sends, the one kind of work that comes in floods, go in together, a statement per table for all of them.
//! Work that nobody waits for waits a moment for company: a transaction of its own costs more than the work. It holds up
//! nobody: work that somebody waits for does not wait for it, unless there is so much that it makes no difference.
//! The write-ahead log is emptied here too, between two transactions, so that nobody is met by a locked file.
//! A full disk makes `SQLite` end the whole transaction: the batch fails with that reason and the next one gets a fresh
//! connection, so that the gateway writes again as soon as there is room.
//!
//! Transactions and savepoints are plain statements: those of sqlx make its thread wait until each was heard of.
//! The writer has a thread of its own: each statement is a trip to sqlx's thread and back, and on the way back it would
//! stand in line behind whatever else the runtime has to do.

#[cfg(test)]
mod tests;

use std::{fmt, io, mem, panic::AssertUnwindSafe, sync::Arc, thread, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteConnectOptions},
};
use tokio::{
    runtime::{self, Handle},
    sync::{Mutex, mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};
use tracing::{debug, error, info};

use super::{
    StoreError,
    bracket::{Bracket, say},
    outbox::{self, Accept, NewRow},
    place::Place,
    primary_code,
    script::Script,
    space,
};
use crate::tasks::Trouble;

/// Work that may wait before more is refused.
const QUEUE: usize = 4096;
/// Work in one transaction.
const BATCH: usize = 256;

/// How long work that nobody waits for waits for company.
const LINGER: Duration = Duration::from_millis(10);
/// So much work that somebody waits for goes without what can wait.
const FEW: usize = 4;

/// Tells the asker, once it is known whether the batch was committed.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// What became of work.
struct Done {
    /// What is left to be said for it, or why it is not to be kept.
    rest: Result<Script, StoreError>,
    reply: Reply,
}

/// Work, and who waits for it.
trait Job: Send {
    fn run(self: Box<Self>, connection: &mut SqliteConnection) -> BoxFuture<'_, Done>;

    /// It was not begun.
    fn refuse(self: Box<Self>, error: StoreError);
}

struct Asked<T, F> {
    work: F,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Asked<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(T, Script), StoreError>> + Send + 'static,
{
    fn run(self: Box<Self>, connection: &mut SqliteConnection) -> BoxFuture<'_, Done> {
        Box::pin(async move {
            let Self { work, answer } = *self;
            match work(connection).await {
                Ok((value, rest)) => Done { rest: Ok(rest), reply: told(answer, Ok(value)) },
                Err(error) => Done { rest: Err(error.clone()), reply: told(answer, Err(error)) },
            }
        })
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        // The asker may be gone.
        let _ = self.answer.send(Err(error));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Haste {
    Now,
    /// Waits for company, and comes before whatever comes.
    Along,
    /// Waits for company.
    Soon,
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;
/// One statement, which SQLite does whole or not at all: it needs no savepoint.
pub(super) type Statement = Query<'static, Sqlite, SqliteArguments>;

enum Asking {
    Work(Box<dyn Job>, Haste),
    Statement(Statement, Answer<u64>, Haste),
    /// Statements that belong together.
    Script(Script, Answer<()>, Haste),
    /// A send to be stored.
    Accept(Box<NewRow>, Answer<Accept>),
    /// The write-ahead log to be emptied, which is done between two transactions.
    EmptyLog(Answer<bool>),
}

impl Asking {
    fn haste(&self) -> Haste {
        match self {
            Self::Work(_, haste) | Self::Statement(_, _, haste) | Self::Script(_, _, haste) => *haste,
            Self::Accept(..) | Self::EmptyLog(_) => Haste::Now,
        }
    }

    fn refuse(self, error: StoreError) {
        match self {
            Self::Work(job, _) => job.refuse(error),
            Self::Statement(_, answer, _) => drop(answer.send(Err(error))),
            Self::Script(_, answer, _) => drop(answer.send(Err(error))),
            Self::Accept(_, answer) => drop(answer.send(Err(error))),
            Self::EmptyLog(answer) => drop(answer.send(Err(error))),
        }
    }
}

#[derive(Clone)]
pub(super) struct Writer {
    jobs: Arc<Mutex<Option<mpsc::Sender<Asking>>>>,
    sender: mpsc::WeakSender<Asking>,
    /// True when the thread has done its last work; closed when it broke off.
    over: watch::Receiver<bool>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// `connection` was made of `options`, and is to the file of `place`.
    pub(super) fn start(options: SqliteConnectOptions, connection: SqliteConnection, place: Place) -> io::Result<Self> {
        let (sender, inbox) = mpsc::channel(QUEUE);
        let (end, over) = watch::channel(false);
        let askers = Handle::current();
        let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
        thread::Builder::new().name("wharf-writer".into()).spawn(move || {
            runtime.block_on(run(Link { options, place, open: Some(connection) }, inbox, askers));
            // Fails when nobody waits for the end.
            let _ = end.send(true);
        })?;
        Ok(Self { sender: sender.downgrade(), jobs: Arc::new(Mutex::new(Some(sender))), over })
    }

    /// Runs `work` inside the next transaction; returns when that is on the disk.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        self.work(move |connection| Box::pin(async move { Ok((work(connection).await?, Script::default())) }), Haste::Now).await
    }

    /// As [`Writer::write`], for work that leaves the last of its statements to be run with the commit.
    pub(super) async fn write_then<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(T, Script), StoreError>> + Send + 'static,
    {
        self.work(work, Haste::Now).await
    }

    async fn work<T, F>(&self, work: F, haste: Haste) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(T, Script), StoreError>> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        self.ask(Asking::Work(Box::new(Asked { work, answer }), haste), result).await
    }

    /// Runs statements inside the next transaction, all or none. Returns when that is on the disk.
    pub(super) async fn script(&self, script: Script) -> Result<(), StoreError> {
        let (answer, result) = oneshot::channel();
        self.ask(Asking::Script(script, answer, Haste::Now), result).await
    }

    /// Runs statements inside the next transaction, all or none, whose turn comes soon; returns when that is on the disk.
    /// What is written meanwhile finds them done.
    pub(super) async fn script_along(&self, script: Script) -> Result<(), StoreError> {
        let (answer, result) = oneshot::channel();
        self.ask(Asking::Script(script, answer, Haste::Along), result).await
    }

    /// Runs statements inside one of the next transactions, all or none, for what nobody waits for. Returns when that is on
    /// the disk.
    pub(super) async fn script_soon(&self, script: Script) -> Result<(), StoreError> {
        let (answer, result) = oneshot::channel();
        self.ask(Asking::Script(script, answer, Haste::Soon), result).await
    }

    /// As [`Writer::write`], for what nobody waits for.
    pub(super) async fn write_soon<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        self.work(move |connection| Box::pin(async move { Ok((work(connection).await?, Script::default())) }), Haste::Soon).await
    }

    /// Runs one statement inside the next transaction; how many rows it changed. Returns when that is on the disk.
    pub(super) async fn statement(&self, statement: Statement) -> Result<u64, StoreError> {
        let (answer, result) = oneshot::channel();
        self.ask(Asking::Statement(statement, answer, Haste::Now), result).await
    }

    /// As [`Writer::statement`], for what nobody waits for.
    pub(super) async fn statement_soon(&self, statement: Statement) -> Result<u64, StoreError> {
        let (answer, result) = oneshot::channel();
        self.ask(Asking::Statement(statement, answer, Haste::Soon), result).await
    }

    /// Stores a send together with those that wait.
    pub(super) async fn accept(&self, row: NewRow) -> Result<Accept, StoreError> {
        let (answer, result) = oneshot::channel();
        self.ask(Asking::Accept(Box::new(row), answer), result).await
    }

    /// See [`space::empty_log`].
    pub(super) async fn empty_log(&self) -> Result<bool, StoreError> {
        let (answer, result) = oneshot::channel();
        self.ask(Asking::EmptyLog(answer), result).await
    }

    async fn ask<T>(&self, asking: Asking, result: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
        let sender = self.sender.upgrade().ok_or_else(StoreError::closed)?;
        sender.try_send(asking).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::closed(),
        })?;
        // Nobody answers when the work panicked, or when the writer has ended meanwhile.
        result.await.unwrap_or_else(|_| Err(if self.sender.upgrade().is_some() { StoreError::broken_off() } else { StoreError::closed() }))
    }

    /// Resolves when the thread that writes has ended: nothing is written any more.
    pub(super) async fn ended(&self) {
        let _ = self.over.clone().wait_for(|over| *over).await;
    }

    /// Does what is queued and ends.
    pub(super) async fn close(&self) {
        self.jobs.lock().await.take();
        if self.over.clone().wait_for(|over| *over).await.is_err() {
            error!("the writer of the database ended badly");
        }
    }
}

/// The connection, made anew after a failure.
struct Link {
    options: SqliteConnectOptions,
    /// Of the file that the readers have open.
    place: Place,
    open: Option<SqliteConnection>,
}

impl Link {
    async fn get(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let connection = match self.open.take() {
            Some(connection) => connection,
            None => {
                // Another file at that place would get what belongs to this one.
                self.place.look()?;
                self.options.connect().await?
            }
        };
        Ok(self.open.insert(connection))
    }

    /// Whatever was open in it is undone.
    async fn close(&mut self) {
        if let Some(connection) = self.open.take()
            && let Err(error) = connection.close().await
        {
            error!(%error, "the connection that writes did not close");
        }
    }
}

async fn run(mut link: Link, inbox: mpsc::Receiver<Asking>, askers: Handle) {
    let mut line = Line { inbox, later: Vec::new(), end: Instant::now() };
    let mut trouble = Trouble::default();
    while let Some(mut jobs) = line.next().await {
        let many = jobs.len() > FEW;
        let mut replies = Vec::with_capacity(jobs.len());
        let result = match AssertUnwindSafe(round(&mut link, &mut jobs, &mut replies)).catch_unwind().await {
            Ok(result) => result,
            Err(_) => {
                link.close().await;
                Err(StoreError::broken_off())
            }
        };
        match &result {
            // Whoever asked for a write is told of an error of the database, and says it with what was to be written.
            Err(error @ StoreError::Database(_)) => debug!(%error, "a batch of writes was not committed"),
            Err(error) if trouble.is_new(error) => error!(%error, "a batch of writes was not committed; more of the same cause are not told"),
            Ok(_) if trouble.is_over() => info!("writes are committed again"),
            _ => {}
        }
        let told = result.clone();
        let tell = move || replies.into_iter().for_each(|reply| reply(told.clone()));
        if many {
            // From within the runtime: waking one of its tasks from another thread costs more than a task of its own.
            askers.spawn(async move { tell() });
        } else {
            tell();
        }
        for job in jobs.drain(..) {
            job.refuse(result.clone().err().unwrap_or(StoreError::Busy));
        }
    }
    link.close().await;
}

/// The work to be done.
struct Line {
    inbox: mpsc::Receiver<Asking>,
    /// What can wait, for company.
    later: Vec<Asking>,
    /// How long that waits.
    end: Instant,
}

impl Line {
    /// The next batch. None: there will be no more.
    async fn next(&mut self) -> Option<Vec<Asking>> {
        loop {
            let mut jobs = Vec::with_capacity(BATCH);
            let came = self.inbox.recv_many(&mut jobs, BATCH);
            let came = if self.later.is_empty() { Ok(came.await) } else { timeout_at(self.end, came).await };
            match came {
                Ok(0) if self.later.is_empty() => return None,
                Ok(0) | Err(_) => return Some(mem::take(&mut self.later)),
                Ok(_) => {}
            }
            if self.later.is_empty() {
                self.end = Instant::now() + LINGER;
            }
            self.later.extend(jobs.extract_if(.., |asking| asking.haste() != Haste::Now));
            if jobs.len() > FEW || self.later.len() >= BATCH || self.end <= Instant::now() {
                self.later.append(&mut jobs);
                return Some(mem::take(&mut self.later));
            }
            if !jobs.is_empty() {
                let mut first: Vec<_> = self.later.extract_if(.., |asking| asking.haste() == Haste::Along).collect();
                first.append(&mut jobs);
                return Some(first);
            }
        }
    }
}

/// What was asked for at a time: first what goes between two transactions. When it fails, what was not begun is still in
/// `jobs`.
async fn round(link: &mut Link, jobs: &mut Vec<Asking>, replies: &mut Vec<Reply>) -> Result<(), StoreError> {
    for asking in jobs.extract_if(.., |asking| matches!(asking, Asking::EmptyLog(_))) {
        if let Asking::EmptyLog(answer) = asking {
            drop(answer.send(empty_log(link).await));
        }
    }
    if jobs.is_empty() { Ok(()) } else { batch(link, jobs, replies).await }
}

async fn empty_log(link: &mut Link) -> Result<bool, StoreError> {
    Ok(space::empty_log(link.get().await?).await?)
}

/// Whether `SQLite` has undone the statement that failed and nothing else: the statement itself is to blame, and the
/// transaction goes on. A full disk, an I/O error or a lock concern all of them.
fn own_fault(error: &sqlx::Error) -> bool {
    /// `ERROR`, `TOOBIG`, `CONSTRAINT`, `MISMATCH` and `RANGE`, see <https://www.sqlite.org/rescode.html>.
    const OWN: [i32; 5] = [1, 18, 19, 20, 25];
    primary_code(error).is_some_and(|code| OWN.contains(&code))
}

/// One transaction. When it fails, what was not begun is still in `jobs`.
async fn batch(link: &mut Link, jobs: &mut Vec<Asking>, replies: &mut Vec<Reply>) -> Result<(), StoreError> {
    let result = transaction(link.get().await?, jobs, replies).await;
    if result.is_err() {
        // Nobody knows how far SQLite has ended the transaction by itself.
        link.close().await;
    }
    result
}

async fn transaction(connection: &mut SqliteConnection, jobs: &mut Vec<Asking>, replies: &mut Vec<Reply>) -> Result<(), StoreError> {
    if jobs.len() == 1
        && let Some(asking) = jobs.pop_if(|asking| !matches!(asking, Asking::Accept(..)))
    {
        return alone(connection, asking, jobs, replies).await;
    }
    let mut bracket = Bracket::default();
    // Sends come last and are still in `jobs` when something before them fails.
    jobs.reverse();
    jobs.sort_by_key(|asking| !matches!(asking, Asking::Accept(..)));
    while let Some(asking) = jobs.pop_if(|asking| !matches!(asking, Asking::Accept(..))) {
        match asking {
            Asking::Work(job, haste) => {
                if let Err(error) = say(connection, bracket.opening()).await {
                    jobs.push(Asking::Work(job, haste));
                    return Err(error.into());
                }
                let Done { rest, reply } = job.run(connection).await;
                let done = match rest {
                    Ok(rest) if !rest.is_empty() => rest.run(connection, "", "").await.map_err(StoreError::from),
                    rest => rest.map(drop),
                };
                match done {
                    Ok(()) => replies.push(reply),
                    Err(failure) => {
                        let told = failure.clone();
                        replies.push(Box::new(move |_| reply(Err(told))));
                        // How much SQLite has undone by itself depends on the statement: nothing of it is relied on.
                        if failure == StoreError::Full {
                            return Err(failure);
                        }
                        // There is nothing to go back to when SQLite has ended the transaction: the first reason says why.
                        bracket.undo(connection).await.map_err(|_| failure)?;
                    }
                }
            }
            Asking::Statement(statement, answer, haste) => {
                if let Err(error) = say(connection, bracket.keeping()).await {
                    jobs.push(Asking::Statement(statement, answer, haste));
                    return Err(error.into());
                }
                state(connection, statement, answer, replies).await?;
            }
            Asking::Script(script, answer, _) => match script.run(connection, bracket.opening(), "").await {
                Err(error) if own_fault(&error) => {
                    replies.push(told(answer, Err(error.into())));
                    bracket.undo(connection).await?;
                }
                done => {
                    replies.push(told(answer, Ok(())));
                    done?;
                }
            },
            Asking::Accept(..) | Asking::EmptyLog(_) => {}
        }
    }
    if !accept(connection, &mut bracket, jobs, replies).await {
        say(connection, "COMMIT").await?;
    }
    Ok(())
}

/// One piece of work, which has no neighbours to be kept from harm.
async fn alone(connection: &mut SqliteConnection, asking: Asking, jobs: &mut Vec<Asking>, replies: &mut Vec<Reply>) -> Result<(), StoreError> {
    let done = match asking {
        // It is a transaction by itself.
        Asking::Statement(statement, answer, _) => state(connection, statement, answer, replies).await,
        Asking::Script(script, answer, _) => match script.run(connection, "BEGIN IMMEDIATE; ", "COMMIT").await {
            Err(error) if own_fault(&error) => {
                replies.push(told(answer, Err(error.into())));
                say(connection, "ROLLBACK").await
            }
            done => {
                replies.push(told(answer, Ok(())));
                done
            }
        },
        Asking::Work(job, haste) => {
            if let Err(error) = say(connection, "BEGIN IMMEDIATE").await {
                jobs.push(Asking::Work(job, haste));
                return Err(error.into());
            }
            let Done { rest, reply } = job.run(connection).await;
            replies.push(reply);
            match rest {
                Ok(rest) => rest.run(connection, "", "COMMIT").await,
                Err(StoreError::Full) => return Err(StoreError::Full),
                Err(error) => return say(connection, "ROLLBACK").await.map_err(|_| error),
            }
        }
        Asking::Accept(..) | Asking::EmptyLog(_) => Ok(()),
    };
    Ok(done?)
}

/// Runs a statement. One that fails by its own fault is alone in it; any other failure, a full disk most likely, ends the
/// batch, and its asker hears of that with the others.
async fn state(connection: &mut SqliteConnection, statement: Statement, answer: Answer<u64>, replies: &mut Vec<Reply>) -> Result<(), sqlx::Error> {
    match statement.execute(connection).await {
        Ok(done) => replies.push(told(answer, Ok(done.rows_affected()))),
        Err(error) if own_fault(&error) => replies.push(told(answer, Err(error.into()))),
        Err(error) => {
            replies.push(told(answer, Ok(0)));
            return Err(error);
        }
    }
    Ok(())
}

/// Tells the asker what came of it, once that is on the disk.
fn told<T: Send + 'static>(answer: Answer<T>, done: Result<T, StoreError>) -> Reply {
    Box::new(move |committed| {
        // The asker may be gone; the work is done all the same.
        let _ = answer.send(done.and_then(|value| committed.map(|()| value)));
    })
}

/// Stores the sends, all in one. True: with that, all is committed.
async fn accept(connection: &mut SqliteConnection, bracket: &mut Bracket, jobs: &mut Vec<Asking>, replies: &mut Vec<Reply>) -> bool {
    let (mut rows, mut answers) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
    while let Some(Asking::Accept(row, answer)) = jobs.pop() {
        rows.push(*row);
        answers.push(answer);
    }
    if rows.is_empty() {
        return false;
    }
    let (done, committed) = outbox::accept_all(connection, bracket, &rows).await;
    replies.extend(answers.into_iter().zip(done).map(|(answer, done)| told(answer, done)));
    committed
}
