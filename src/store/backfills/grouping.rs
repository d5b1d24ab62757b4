//! Which rows are tried out together: those of a customer share ids. Many customers are tried out at once, and each with all
//! of its rows, unless they are too many for one try.
//!
//! Once all is listed, the ids are read in their own order, in which rows that share one follow each other. Of each row only
//! its number is kept.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::backfill::{BackfillId, Stage};
use crate::domain::event::Identity;
use crate::store::rows::unknown;
use crate::store::sql::{Row, values};
use crate::store::{Store, StoreError};

/// Rows of one try where the one writer is kept from its work meanwhile. A customer with more is tried out in parts.
pub(super) const TRIED_MAX: usize = 100;
/// Ids, and numbers of rows, that are read in one go.
const READ_MAX: usize = 2500;

/// A row that was not tried out yet.
#[derive(Debug, Clone)]
pub struct ToWeigh {
    /// The number that it got when it was listed.
    pub id: i64,
    /// Rows with the same number belong together.
    pub part: usize,
    /// Where it has its place.
    pub stage: Stage,
    /// What tells it from every other event of its endpoint.
    pub identity: Identity,
    /// The body of its event, zstd-compressed.
    pub body_zstd: Vec<u8>,
}

/// The rows of a backfill, those that belong together side by side.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// The numbers of all rows: a part after the other, in the order of their first rows.
    rows: Vec<i64>,
    /// Where each part ends.
    ends: Vec<usize>,
}

impl Parts {
    /// How many rows there are.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// The place of the row with this number.
    pub(super) fn place_of(&self, row: i64) -> Option<usize> {
        self.rows.iter().position(|other| *other == row)
    }

    /// The row in this place.
    pub(super) fn row(&self, place: usize) -> Option<i64> {
        self.rows.get(place).copied()
    }

    /// As many whole parts from there on as make up so many rows; of one that is larger, so many rows.
    pub(super) fn group(&self, begin: usize, rows_max: usize) -> Range<usize> {
        let most = (begin + rows_max).min(self.rows.len());
        let whole = self.ends.partition_point(|end| *end <= most);
        let end = whole.checked_sub(1).and_then(|last| self.ends.get(last)).copied();
        begin..end.filter(|end| *end > begin).unwrap_or(most)
    }

    /// The places of each part.
    #[cfg(test)]
    pub(super) fn each(&self) -> impl Iterator<Item = Range<usize>> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| begin..*end)
    }

    /// The part that has this place.
    fn part(&self, place: usize) -> usize {
        self.ends.partition_point(|end| *end <= place)
    }
}

/// Rows by their places, of which some are found to belong together.
struct Ties {
    rows: Vec<i64>,
    /// Of each place another one of the same part, or itself.
    parents: Vec<usize>,
    /// The id that was seen last, and the place of a row that has it.
    last: (String, Option<usize>),
}

impl Ties {
    fn new(rows: Vec<i64>) -> Self {
        Self { parents: (0..rows.len()).collect(), rows, last: (String::new(), None) }
    }

    /// Notes that a row has an id. Rows that have the same one are told one after the other.
    fn note(&mut self, key: String, row: i64) {
        let Ok(place) = self.rows.binary_search(&row) else { return };
        if self.last.0 != key {
            self.last = (key, Some(place));
        } else if let Some(other) = self.last.1.replace(place) {
            let (a, b) = (self.root(place), self.root(other));
            if let Some(parent) = self.parents.get_mut(a.max(b)) {
                *parent = a.min(b);
            }
        }
    }

    fn root(&self, mut place: usize) -> usize {
        while let Some(parent) = self.parents.get(place).copied().filter(|parent| *parent != place) {
            place = parent;
        }
        place
    }

    fn parts(self) -> Parts {
        let mut rows: Vec<_> = self.rows.iter().enumerate().map(|(place, row)| (self.root(place), *row)).collect();
        rows.sort_unstable();
        let of_part = rows.chunk_by(|(a, _), (b, _)| a == b).map(<[_]>::len);
        let ends = of_part.scan(0, |end, rows| {
            *end += rows;
            Some(*end)
        });
        Parts { ends: ends.collect(), rows: rows.into_iter().map(|(_, row)| row).collect() }
    }
}

/// A backfill, what belongs together of it, and the place up to which it was given.
type Given = (BackfillId, Arc<Parts>, usize);

/// The backfill that was asked for last; cheap to clone.
#[derive(Clone, Default)]
pub(in crate::store) struct Grouped(Arc<Mutex<Option<Given>>>);

impl Grouped {
    /// Gives the memory back.
    pub(in crate::store) fn clear(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Given>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Rows that belong together and were not tried out yet, with those of other customers. Empty when all were.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn to_weigh(&self, id: BackfillId) -> Result<Vec<ToWeigh>, StoreError> {
        loop {
            let parts = self.parts(id).await?;
            let group = match self.grouped.lock().as_mut().filter(|(of, ..)| *of == id) {
                Some((.., given)) => {
                    let group = parts.group(*given, TRIED_MAX);
                    *given = group.end;
                    group
                }
                None => parts.group(0, TRIED_MAX),
            };
            if group.is_empty() {
                // What was given and could not be written is not tried out: then it is found again.
                self.grouped.clear();
                if parts.len() == 0 {
                    return Ok(Vec::new());
                }
                continue;
            }
            let rows = self.rows_of(&parts, group).await?;
            if !rows.is_empty() {
                return Ok(rows);
            }
        }
    }

    /// What belongs together of the rows that were not tried out yet, when it was last found.
    pub(super) async fn parts(&self, id: BackfillId) -> Result<Arc<Parts>, StoreError> {
        if let Some((_, parts, _)) = self.grouped.lock().as_ref().filter(|(of, ..)| *of == id) {
            return Ok(parts.clone());
        }
        let parts = Arc::new(self.find_parts(id).await?);
        *self.grouped.lock() = Some((id, parts.clone(), 0));
        Ok(parts)
    }

    async fn find_parts(&self, id: BackfillId) -> Result<Parts, StoreError> {
        let mut rows: Vec<i64> = Vec::new();
        loop {
            let sql = format!(
                "SELECT id FROM listed WHERE backfill = ?1 AND outcome IS NULL AND id > ?2 ORDER BY id LIMIT {READ_MAX}"
            );
            let next = self.query(sql, values![id.0, rows.last().copied().unwrap_or(0)]).await?;
            let is_last = next.len() < READ_MAX;
            for mut row in next {
                rows.push(row.int()?);
            }
            if is_last {
                break;
            }
        }
        if rows.is_empty() {
            return Ok(Parts::default());
        }
        let (mut ties, mut after) = (Ties::new(rows), (String::new(), 0));
        loop {
            // By all columns of the index in its order: a database that knows nothing of the table yet does not sort it for
            // each of these.
            let sql = format!(
                "SELECT backfill, key, listed FROM listed_ids WHERE (backfill, key, listed) > (?1, ?2, ?3) \
                 ORDER BY backfill, key, listed LIMIT {READ_MAX}"
            );
            let next = self.query(sql, values![id.0, &after.0, after.1]).await?;
            let mut is_last = next.len() < READ_MAX;
            for mut row in next {
                if row.int()? != id.0 {
                    is_last = true;
                    break;
                }
                let (key, listed) = (row.text()?, row.int()?);
                after.1 = listed;
                if after.0 != key {
                    after.0.clone_from(&key);
                }
                ties.note(key, listed);
            }
            if is_last {
                return Ok(ties.parts());
            }
        }
    }

    /// The rows in these places that were not tried out yet, in the order in which they would be recorded.
    pub(super) async fn rows_of(&self, parts: &Parts, places: Range<usize>) -> Result<Vec<ToWeigh>, StoreError> {
        // Their numbers are enough. With the backfill's, too, a database would look through all that was listed.
        let sql = format!(
            "SELECT id, stage, dedup_key, provider_event_id, type, snapshot_event, body FROM listed \
             WHERE id IN ({}) AND outcome IS NULL ORDER BY stage, at, id",
            self.dialect().numbers("?1")
        );
        let part_of: HashMap<i64, usize> =
            places.filter_map(|place| Some((parts.row(place)?, parts.part(place)))).collect();
        let mut ids: Vec<i64> = part_of.keys().copied().collect();
        ids.sort_unstable();
        let rows = self.query(sql, values![serde_json::to_string(&ids)?]).await?;
        let row = |mut row: Row| {
            let (id, stage) = (row.int()?, row.int()?);
            let stage = Stage::at(stage).ok_or_else(|| unknown("stage", &stage.to_string()))?;
            let part = part_of.get(&id).copied().unwrap_or_default();
            Ok(ToWeigh { id, part, stage, identity: identity(&mut row)?, body_zstd: body(&mut row)? })
        };
        rows.into_iter().map(row).collect()
    }
}

pub(super) fn identity(row: &mut Row) -> Result<Identity, StoreError> {
    Ok(Identity {
        dedup_key: row.text()?,
        provider_event_id: row.text_option()?,
        event_type: row.text()?,
        snapshot_event: row.text_option()?,
        // Nothing of what nobody sent us: an endpoint's last webhook is found by it.
        mode: None,
    })
}

pub(super) fn body(row: &mut Row) -> Result<Vec<u8>, StoreError> {
    row.bytes_option()?.ok_or_else(|| StoreError::Data("what was listed has no body".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_share_ids_stand_side_by_side_and_a_try_has_whole_parts_or_a_piece_of_one() {
        let mut ties = Ties::new(vec![10, 20, 30, 40, 50, 60, 70]);
        // As the index has them. Of one row something is stored that is no row any more.
        for (key, row) in [
            ("a", 20),
            ("a", 60),
            ("b", 10),
            ("b", 15),
            ("b", 30),
            ("c", 30),
            ("c", 50),
            ("c", 70),
            ("d", 40),
            ("e", 60),
        ] {
            ties.note(key.to_owned(), row);
        }
        let parts = ties.parts();
        assert_eq!(parts, Parts { rows: vec![10, 30, 50, 70, 20, 60, 40], ends: vec![4, 6, 7] });
        let groups = |rows_max: usize| {
            let (mut groups, mut begin) = (Vec::new(), 0);
            while begin < parts.len() {
                groups.push(parts.group(begin, rows_max));
                begin = parts.group(begin, rows_max).end;
            }
            groups
        };
        assert_eq!(groups(100), vec![parts.group(0, 7)]);
        assert_eq!(groups(6), [0..6, 6..7]);
        assert_eq!(groups(5), [0..4, 4..7]);
        assert_eq!(groups(3), [0..3, 3..6, 6..7]);
        assert_eq!(parts.each().map(|places| parts.part(places.start)).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((parts.place_of(20), parts.row(4), parts.row(7)), (Some(4), Some(20), None));
    }
}
