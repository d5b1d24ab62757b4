//! A book, faults and a log of calls behind one lock, shared by the server and its observers.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::book::{ApiCall, Book};
use super::calls::{Call, CallLog, Kind};
use super::faults::{Fault, FaultError, Faults};
use super::reply::Reply;

/// A running sandbox, cheap to clone: every clone sees the same book.
#[derive(Clone)]
pub struct Sandbox(Arc<Mutex<Inner>>);

pub(super) struct Inner {
    pub(super) book: Book,
    pub(super) faults: Faults,
    pub(super) log: CallLog,
}

/// What the server does for a call.
pub(super) enum Turn {
    /// Answer this. It is logged already.
    Reply(Reply),
    /// A fault strikes; the answer is still to be logged under `seq`.
    Fault {
        seq: u64,
        fault: Fault,
        /// The book's reply, when the fault strikes only after it.
        reply: Option<Reply>,
    },
}

impl Sandbox {
    /// A sandbox around `book`, without faults.
    #[must_use]
    pub fn new(book: Book) -> Self {
        let inner = Inner { book, faults: Faults::default(), log: CallLog::default() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Looks into the book. No call is answered meanwhile, so `look` must not wait for one.
    pub fn look<R>(&self, look: impl FnOnce(&Book) -> R) -> R {
        look(&self.lock().book)
    }

    /// Changes the book: another key, a new agent. The same care as with [`Sandbox::look`].
    pub fn change<R>(&self, change: impl FnOnce(&mut Book) -> R) -> R {
        change(&mut self.lock().book)
    }

    /// The calls received, oldest first: at most 100 000 of them, and 64 MiB of bodies.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().log.calls().cloned().collect()
    }

    /// Adds faults behind those that wait.
    ///
    /// # Errors
    /// [`FaultError::TooMany`] when the list would grow over 1000; then none is added.
    pub fn add_faults(&self, faults: Vec<Fault>) -> Result<(), FaultError> {
        self.lock().faults.add(faults)
    }

    /// The faults that still wait.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.lock().faults.left().iter().cloned().collect()
    }

    /// Forgets the faults that still wait.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Forgets customers, payments, commissions, faults and calls. Businesses stay.
    pub fn reset(&self) {
        let mut inner = self.lock();
        inner.book.reset();
        inner.faults.clear();
        inner.log = CallLog::default();
    }

    /// Logs a call, and answers it unless a fault strikes.
    pub(super) fn receive(&self, call: ApiCall<'_>) -> Turn {
        let mut inner = self.lock();
        let fault = inner.faults.take(call.kind, call.body);
        let seq = inner.log.arrived(call.kind, call.body, fault.is_some());
        let Some(fault) = fault else {
            let reply = inner.decide(seq, call);
            inner.log.answered(seq, Some(reply.status));
            return Turn::Reply(reply);
        };
        let reply = fault.processed_first().then(|| inner.decide(seq, call));
        Turn::Fault { seq, fault, reply }
    }

    /// Lets the book decide a call that a fault held back.
    pub(super) fn decide(&self, seq: u64, call: ApiCall<'_>) -> Reply {
        self.lock().decide(seq, call)
    }

    /// Notes what the client is answered; `None` when the connection is dropped instead.
    pub(super) fn answered(&self, seq: u64, status: Option<u16>) {
        self.lock().log.answered(seq, status);
    }

    /// Notes a call that was refused before its body was read.
    pub(super) fn refused_unread(&self, kind: Kind, status: u16) {
        let mut inner = self.lock();
        let seq = inner.log.arrived(kind, b"", false);
        inner.log.answered(seq, Some(status));
    }

    /// The lock. A test that failed while it held it must not take every other one along.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn decide(&mut self, seq: u64, call: ApiCall<'_>) -> Reply {
        let reply = self.book.call(call);
        self.log.decided(seq, reply.status);
        reply
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sandbox").field(&self.lock().book).finish()
    }
}
