//! The connections of one replica. A caller takes the first that comes free, be it one that others had or a
//! new one: a server, or a pooler in front of it, that has none to spare delays nobody as long as there are some.
//!
//! New ones are made in the background. Why none can be made is told at once when there is no other to wait for.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::server::{Connection, Server};
use crate::store::StoreError;
use crate::tasks::Tasks;

/// How many may wait for a connection; beyond that webhooks are answered 503.
const WAITING_MAX: usize = 1024;
/// How long to wait for a connection that others are using.
const CONNECTION_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long no further connection is asked for after one was refused, as long as there are others.
const REFUSED_REST: Duration = Duration::from_secs(10);
/// How long an idle connection that is doubted may take to prove that its other end is there.
const PROOF_WAIT_MAX: Duration = Duration::from_secs(2);

/// Who is handed a connection, or told why there is none.
type Waiter = oneshot::Sender<Result<Lent, StoreError>>;

/// A handle on the connections; cheap to clone.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    server: Server,
    connections_max: usize,
    state: Mutex<State>,
    tasks: Tasks,
}

#[derive(Default)]
struct State {
    /// The one that was used last is taken first.
    idle: Vec<Connection>,
    waiting: VecDeque<Waiter>,
    /// Idle ones and lent ones.
    made: usize,
    /// Those that are being made.
    making: usize,
    /// When and why one was refused, until the next is made.
    refused: Option<(Instant, StoreError)>,
    closed: bool,
}

/// A connection that somebody has. It is given back by [`Lent::give_back`] alone: one that is dropped may be in the
/// middle of something, and is closed.
pub(super) struct Lent {
    connection: Connection,
    place: Place,
}

/// A connection's place among those that are made.
struct Place {
    pool: Pool,
    is_taken: bool,
}

impl Pool {
    /// At most so many connections to the server, these among them.
    pub(super) fn new(server: Server, connections_max: usize, made: Vec<Connection>) -> Self {
        let state = State { made: made.len(), idle: made, ..State::default() };
        Self(Arc::new(Inner { server, connections_max, state: Mutex::new(state), tasks: Tasks::new() }))
    }

    /// How many there may be, and how many there are.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.0.connections_max, self.state().made)
    }

    /// A connection: an idle one, or the first that comes free or is made.
    pub(super) async fn get(&self) -> Result<Lent, StoreError> {
        let mut answer = {
            let mut state = self.state();
            if state.closed {
                return Err(StoreError::Closed);
            }
            while let Some(connection) = state.idle.pop() {
                if !connection.is_closed() {
                    return Ok(self.lend(connection));
                }
                state.made -= 1;
            }
            if state.waiting.len() >= WAITING_MAX {
                state.waiting.retain(|waiter| !waiter.is_closed());
            }
            if state.waiting.len() >= WAITING_MAX {
                return Err(StoreError::Overloaded);
            }
            let (sender, answer) = oneshot::channel();
            state.waiting.push_back(sender);
            self.grow(&mut state);
            answer
        };
        if let Ok(connection) = tokio::time::timeout(CONNECTION_WAIT_MAX, &mut answer).await {
            return connection.unwrap_or(Err(StoreError::Closed));
        }
        // One that was handed over in the last moment is not lost.
        answer.close();
        answer.try_recv().unwrap_or_else(|_| Err(self.why_none()))
    }

    /// Makes every idle connection prove that its other end is there: a server that was replaced, and never said so, is
    /// found at the first wait that is too long, and not at one wait for each connection.
    pub(super) fn doubt(&self) {
        let idle = std::mem::take(&mut self.state().idle);
        for connection in idle {
            let lent = self.lend(connection);
            self.0.tasks.spawn(async move {
                let answer = tokio::time::timeout(PROOF_WAIT_MAX, lent.run("")).await;
                if answer.is_ok_and(|answer| answer.is_ok()) {
                    lent.give_back();
                }
            });
        }
    }

    /// How many connections can be had at once, within so long a time.
    pub(super) async fn reach(&self, longest: Duration) -> usize {
        let gets = (0..self.0.connections_max).map(|_| tokio::time::timeout(longest, self.get()));
        let lent: Vec<Lent> = join_all(gets).await.into_iter().filter_map(|got| got.ok()?.ok()).collect();
        let reached = lent.len();
        lent.into_iter().for_each(Lent::give_back);
        reached
    }

    /// Hands out no more, and closes those that nobody has.
    pub(super) async fn close(&self) {
        let (idle, waiting) = {
            let mut state = self.state();
            state.closed = true;
            state.made -= state.idle.len();
            (std::mem::take(&mut state.idle), std::mem::take(&mut state.waiting))
        };
        drop((idle, waiting));
        self.0.server.close().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lend(&self, connection: Connection) -> Lent {
        Lent { connection, place: Place { pool: self.clone(), is_taken: true } }
    }

    /// Hands a connection to the caller that has waited longest.
    fn put(&self, mut lent: Lent) {
        let mut state = self.state();
        while let Some(waiter) = state.waiting.pop_front() {
            match waiter.send(Ok(lent)) {
                Ok(()) => return,
                Err(Ok(back)) => lent = back,
                // What comes back is what was sent.
                Err(Err(_)) => return,
            }
        }
        if !state.closed {
            lent.place.is_taken = false;
            state.idle.push(lent.connection);
        }
    }

    /// A connection is gone.
    fn lost(&self) {
        let mut state = self.state();
        state.made -= 1;
        self.grow(&mut state);
    }

    /// Has more made, as many as are waited for and allowed.
    fn grow(&self, state: &mut State) {
        let resting = state.made > 0 && state.refused.as_ref().is_some_and(|(at, _)| at.elapsed() < REFUSED_REST);
        if state.closed || resting {
            return;
        }
        let room = self.0.connections_max.saturating_sub(state.made + state.making);
        for _ in 0..room.min(state.waiting.len().saturating_sub(state.making)) {
            state.making += 1;
            let pool = self.clone();
            self.0.tasks.spawn(async move { pool.make().await });
        }
    }

    async fn make(&self) {
        let opened = self.0.server.open().await;
        let mut state = self.state();
        state.making -= 1;
        match opened {
            Ok(connection) => {
                state.made += 1;
                state.refused = None;
                drop(state);
                self.put(self.lend(connection));
            }
            Err(error) => {
                state.refused = Some((Instant::now(), error.clone()));
                if state.made + state.making == 0 {
                    for waiter in std::mem::take(&mut state.waiting) {
                        // It may have gone.
                        let _ = waiter.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Why nobody came free in time.
    fn why_none(&self) -> StoreError {
        self.state().refused.as_ref().map_or(StoreError::Overloaded, |(_, error)| error.clone())
    }
}

impl Lent {
    /// Lets others have it: nothing is on its way on it, or only a transaction's end.
    pub(super) fn give_back(self) {
        if !self.is_closed() {
            let pool = self.place.pool.clone();
            pool.put(self);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_taken {
            self.pool.lost();
        }
    }
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
