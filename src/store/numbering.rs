//! The number of a new event, and who gives it.

use crate::domain::event::{EventId, NewEvent};

/// An event and its number.
#[derive(Debug)]
pub(in crate::store) struct Numbered {
    pub(in crate::store) id: EventId,
    pub(in crate::store) event: NewEvent,
}

/// Who numbers a new event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Numbering {
    /// The database does.
    ByDatabase,
    /// It has this number.
    Numbered(EventId),
    /// It is recorded already.
    Known,
}
