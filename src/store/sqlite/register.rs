//! Which events are recorded in the spool and are not in the database for sure yet, and which number the next one has.
//! Those who record, the writer and those who read agree by it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::event::{EventId, NewEvent};
use crate::store::StoreError;
use crate::store::numbering::{Numbered, Numbering};

/// Bytes of bodies that may wait in the spool; beyond that senders wait until the writer has moved some.
const SPOOLED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Events that may.
const SPOOLED_EVENTS_MAX: usize = 4096;
/// How long senders wait for that. Then they are answered 503.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(2);
/// Events that the writer moves in one commit.
const MOVED_EVENTS_MAX: usize = 1024;

/// What tells an event from every other: its endpoint, and what its repetitions share.
pub(super) type Key = (String, String);

pub(super) fn key(event: &NewEvent) -> Key {
    (event.endpoint.clone(), event.identity.dedup_key.clone())
}

/// How an event stands whose key is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The writer is recording it under this number, or trying that out: it may be undone.
    Claimed(EventId),
    /// The spool is recording it: that may fail.
    Reserved,
    /// It is on disk, in the spool.
    Spooled(EventId),
}

/// What the spool has to do with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// Record it, if the database does not have it.
    New,
    /// The database may have it under this number, and nobody knows for how long: record it.
    Claimed(EventId),
    /// It stands before in the same group.
    Again,
    /// It has this number, and is on disk.
    Known(EventId),
}

#[derive(Debug, Default)]
struct State {
    last: i64,
    taken: HashMap<Key, Standing>,
    /// Events that are on disk and not in the database, the oldest first.
    spooled: VecDeque<Arc<Numbered>>,
    bytes: usize,
    /// How many ever came into the spool; of those, how many are in the database, and how many of these on disk.
    entered: u64,
    moved: u64,
    synced: u64,
    /// Why the writer did not move them, when it tried last.
    trouble: Option<StoreError>,
}

impl State {
    const fn next(&mut self) -> EventId {
        self.last += 1;
        EventId(self.last)
    }

    fn is_full(&self) -> bool {
        self.spooled.len() >= SPOOLED_EVENTS_MAX || self.bytes >= SPOOLED_BYTES_MAX
    }
}

/// What all who have to do with new events share.
#[derive(Debug, Default)]
pub(super) struct Register {
    state: Mutex<State>,
    moved: Condvar,
}

impl Register {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers up to this one are taken.
    pub(super) fn begin_after(&self, last: i64) {
        let mut state = self.state();
        state.last = state.last.max(last);
    }

    /// Waits until there is room for more events in the spool.
    ///
    /// # Errors
    /// There is none: why the writer does not make any, as far as it is known.
    pub(super) fn wait_for_room(&self) -> Result<(), StoreError> {
        let waits = |state: &mut State| state.is_full() && state.trouble.is_none();
        let waited = self.moved.wait_timeout_while(self.state(), ROOM_WAIT_MAX, waits);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match (state.is_full(), &state.trouble) {
            (false, _) => Ok(()),
            (true, Some(why)) => Err(why.clone()),
            (true, None) => Err(StoreError::Overloaded),
        }
    }

    /// Enters events that the spool is about to record, all at one moment.
    pub(super) fn enter(&self, keys: &[Key]) -> Vec<Entry> {
        let mut state = self.state();
        let enter = |key: &Key| match state.taken.get(key).copied() {
            Some(Standing::Claimed(id)) => {
                state.taken.insert(key.clone(), Standing::Reserved);
                Entry::Claimed(id)
            }
            Some(Standing::Reserved) => Entry::Again,
            Some(Standing::Spooled(id)) => Entry::Known(id),
            None => {
                state.taken.insert(key.clone(), Standing::Reserved);
                Entry::New
            }
        };
        keys.iter().map(enter).collect()
    }

    /// The number of an event that is new.
    pub(super) fn next(&self) -> EventId {
        self.state().next()
    }

    /// An event that was entered is not recorded: the database has it, or it could not be written.
    pub(super) fn leave(&self, key: &Key) {
        self.state().taken.remove(key);
    }

    /// Events that were entered are on disk. Tells whether so much waits now that the writer has to be woken.
    pub(super) fn spooled(&self, events: Vec<Numbered>) -> bool {
        let mut state = self.state();
        for event in events {
            state.taken.insert(key(&event.event), Standing::Spooled(event.id));
            state.entered += 1;
            state.bytes += event.event.body_zstd.len();
            state.spooled.push_back(Arc::new(event));
        }
        state.spooled.len() >= SPOOLED_EVENTS_MAX / 8 || state.bytes >= SPOOLED_BYTES_MAX / 2
    }

    /// How many events ever came into the spool.
    pub(super) fn entered(&self) -> u64 {
        self.state().entered
    }

    /// How many of these are in the database.
    pub(super) fn count_moved(&self) -> u64 {
        self.state().moved
    }

    /// How many of these are there on disk.
    pub(super) fn count_synced(&self) -> u64 {
        self.state().synced
    }

    /// The oldest events that are not in the database.
    pub(super) fn oldest(&self, events_max: usize) -> Vec<Arc<Numbered>> {
        self.state().spooled.iter().take(events_max).cloned().collect()
    }

    /// Those that are moved in one commit.
    pub(super) fn to_move(&self) -> Vec<Arc<Numbered>> {
        self.oldest(MOVED_EVENTS_MAX)
    }

    /// The oldest so many are committed to the database.
    pub(super) fn moved(&self, count: usize) {
        let mut state = self.state();
        let moved = state.spooled.drain(..count).map(|event| event.event.body_zstd.len()).sum();
        state.bytes = state.bytes.saturating_sub(moved);
        state.moved += count as u64;
        state.trouble = None;
        drop(state);
        self.moved.notify_all();
    }

    /// They could not be.
    pub(super) fn not_moved(&self, why: &StoreError) {
        let mut state = self.state();
        if !state.spooled.is_empty() {
            state.trouble = Some(why.clone());
            drop(state);
            self.moved.notify_all();
        }
    }

    /// These were moved, and are on disk in the database. What was claimed for the same commit is, too.
    pub(super) fn synced(&self, moved: &[Arc<Numbered>], claimed: &[Key]) {
        let mut state = self.state();
        for event in moved {
            state.taken.remove(&key(&event.event));
        }
        state.synced += moved.len() as u64;
        drop(state);
        self.release(claimed);
    }

    /// Numbers an event that the writer is about to record, or to try out.
    ///
    /// # Errors
    /// The spool is recording the same: whether it will be there nobody knows yet.
    pub(super) fn claim(&self, event: &NewEvent) -> Result<Numbering, StoreError> {
        let (mut state, key) = (self.state(), key(event));
        match state.taken.get(&key).copied() {
            Some(Standing::Reserved) => Err(StoreError::Locked("the same event is just being recorded".to_owned())),
            Some(Standing::Spooled(_)) => Ok(Numbering::Known),
            Some(Standing::Claimed(id)) => Ok(Numbering::Numbered(id)),
            None => {
                let id = state.next();
                state.taken.insert(key, Standing::Claimed(id));
                Ok(Numbering::Numbered(id))
            }
        }
    }

    /// What the writer had claimed is in the database for sure, or was undone.
    pub(super) fn release(&self, claimed: &[Key]) {
        let mut state = self.state();
        for key in claimed {
            if matches!(state.taken.get(key), Some(Standing::Claimed(_))) {
                state.taken.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests;

    fn event(name: &str, body_bytes: usize) -> NewEvent {
        NewEvent { body_zstd: vec![0; body_bytes], ..tests::event(name) }
    }

    fn spool(register: &Register, name: &str, body_bytes: usize) -> EventId {
        let event = event(name, body_bytes);
        assert_eq!(register.enter(&[key(&event)]), [Entry::New], "{name}");
        let id = register.next();
        register.spooled(vec![Numbered { id, event }]);
        id
    }

    fn move_all(register: &Register) {
        let moved = register.to_move();
        register.moved(moved.len());
        register.synced(&moved, &[]);
    }

    #[test]
    fn a_key_is_taken_until_the_database_has_it_on_disk() {
        let register = Register::default();
        register.begin_after(7);
        let id = spool(&register, "a", 0);
        assert_eq!(id, EventId(8));
        let again = || register.enter(&[key(&event("a", 0))]);
        assert_eq!(again(), [Entry::Known(id)]);
        let moved = register.to_move();
        register.moved(moved.len());
        assert_eq!((again(), register.count_moved(), register.count_synced()), (vec![Entry::Known(id)], 1, 0));
        register.synced(&moved, &[]);
        assert_eq!((again(), register.count_synced()), (vec![Entry::New], 1));
    }

    #[test]
    fn what_the_writer_may_undo_is_recorded_all_the_same_and_under_one_number() {
        let register = Register::default();
        let (claimed, undone) = (event("a", 0), event("b", 0));
        assert_eq!(register.claim(&claimed), Ok(Numbering::Numbered(EventId(1))));
        assert_eq!(register.claim(&undone), Ok(Numbering::Numbered(EventId(2))));
        // It comes while the writer has it, and is its own from then on.
        assert_eq!(register.enter(&[key(&claimed)]), [Entry::Claimed(EventId(1))]);
        assert!(matches!(register.claim(&claimed), Err(StoreError::Locked(_))));
        register.spooled(vec![Numbered { id: EventId(1), event: claimed.clone() }]);
        register.release(&[key(&claimed), key(&undone)]);
        assert_eq!(register.claim(&claimed), Ok(Numbering::Known));
        assert_eq!(register.enter(&[key(&undone)]), [Entry::New]);
    }

    #[test]
    fn what_could_not_be_recorded_is_new_when_it_comes_again() {
        let register = Register::default();
        let of = [key(&event("a", 0))];
        assert_eq!(register.enter(&[of.clone(), of.clone()].concat()), [Entry::New, Entry::Again]);
        register.leave(&of[0]);
        assert_eq!(register.enter(&of), [Entry::New]);
    }

    #[test]
    fn there_is_room_for_so_many_bytes_and_who_waits_is_told_why_there_is_none() {
        let register = Register::default();
        for n in 0..16 {
            assert_eq!(register.wait_for_room(), Ok(()));
            spool(&register, &n.to_string(), SPOOLED_BYTES_MAX / 16);
        }
        let full = StoreError::Full("no room".into());
        register.not_moved(&full);
        assert_eq!(register.wait_for_room(), Err(full));
        move_all(&register);
        assert_eq!(register.wait_for_room(), Ok(()));
    }

    #[test]
    fn there_is_room_for_so_many_events() {
        let register = Arc::new(Register::default());
        for n in 0..SPOOLED_EVENTS_MAX {
            spool(&register, &n.to_string(), 1);
        }
        let waits = std::thread::spawn({
            let register = register.clone();
            move || register.wait_for_room()
        });
        let moved = register.to_move();
        assert_eq!(moved.len(), MOVED_EVENTS_MAX);
        register.moved(moved.len());
        assert_eq!(waits.join().unwrap(), Ok(()));
    }
}
