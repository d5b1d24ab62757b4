//! What was removed is overwritten. SQLite leaves it in the gaps of its pages, and in pages that are free; `secure_delete`
//! does not reach what was moved before it was removed. To write the whole file anew would reach all, and hold webhooks up
//! for as long as that takes. So pages are looked at beside the writer, and overwritten a few at a time between its writes.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use crate::store::StoreError;

/// Pages that are looked at in one read.
const PAGES_READ_MAX: u32 = 512;
/// Pages that are overwritten in one write: others wait for it.
pub(super) const PAGES_WRITTEN_MAX: usize = 64;
/// From this page on the first byte of a page that continues a long value may look like that of a table's.
const PAGES_KNOWN_MAX: u32 = 1 << 25;

/// Where the file's own head ends, in its first page.
const FILE_HEAD: usize = 100;

/// Pages that hold what was removed.
pub(super) struct Found {
    pub(super) pages: Vec<u32>,
    /// Where to go on; nothing after the last page.
    pub(super) next: Option<u32>,
}

/// Looks at some pages from this one on, as they are at one moment.
pub(super) fn find(db: &Connection, first: u32) -> Result<Found, StoreError> {
    let moment = db.unchecked_transaction()?;
    let count: u32 = moment.query_row("PRAGMA page_count", [], |row| row.get(0))?;
    let free = Free::of(&moment)?;
    let end = count.min(first.saturating_add(PAGES_READ_MAX - 1));
    let mut pages = Vec::new();
    for number in first..=end {
        if free.overwritten(number, &read(&moment, number)?).is_some() {
            pages.push(number);
        }
    }
    Ok(Found { pages, next: (end < count).then_some(end + 1) })
}

/// Overwrites what was removed in these pages, as they are by now. Runs inside a write.
pub(super) fn overwrite(db: &Connection, pages: &[u32]) -> Result<(), StoreError> {
    let free = Free::of(db)?;
    let mut write = db.prepare_cached("UPDATE sqlite_dbpage SET data = ?2 WHERE pgno = ?1")?;
    for number in pages {
        if let Some(page) = free.overwritten(*number, &read(db, *number)?) {
            write.execute(params![number, page])?;
        }
    }
    Ok(())
}

/// A page; nothing of one that is no more.
fn read(db: &Connection, number: u32) -> Result<Vec<u8>, StoreError> {
    let mut read = db.prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?1")?;
    Ok(read.query_row([number], |row| row.get(0)).optional()?.unwrap_or_default())
}

/// Pages that nothing is in.
struct Free {
    whole: BTreeSet<u32>,
    /// Those that list others, and where their list ends.
    lists: BTreeMap<u32, usize>,
}

impl Free {
    fn of(db: &Connection) -> Result<Self, StoreError> {
        let first = read(db, 1)?;
        let (reserved, moves_pages) = (first.get(20).copied(), long(&first, 52));
        let count: u32 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        if reserved != Some(0) || moves_pages != Some(0) || count >= PAGES_KNOWN_MAX {
            return Err(StoreError::Data("pages of this database cannot be told apart".to_owned()));
        }
        let (mut whole, mut lists) = (BTreeSet::new(), BTreeMap::new());
        let mut list = long(&first, 32).unwrap_or(0);
        // Each list stands once: a circle is damage.
        while list != 0 && !lists.contains_key(&list) {
            let page = read(db, list)?;
            let listed = long(&page, 4).and_then(|n| usize::try_from(n).ok()).unwrap_or(0).min(page.len() / 4);
            whole.extend((0..listed).filter_map(|n| long(&page, 8 + 4 * n)));
            lists.insert(list, 8 + 4 * listed);
            list = long(&page, 0).unwrap_or(0);
        }
        Ok(Self { whole, lists })
    }

    /// The page without what was removed, if it holds anything of that.
    fn overwritten(&self, number: u32, page: &[u8]) -> Option<Vec<u8>> {
        let mut clean = page.to_vec();
        if self.whole.contains(&number) {
            clean.fill(0);
        } else if let Some(end) = self.lists.get(&number) {
            clean.get_mut(*end..)?.fill(0);
        } else {
            fill_gaps(if number == 1 { FILE_HEAD } else { 0 }, &mut clean)?;
        }
        (clean != page).then_some(clean)
    }
}

/// Overwrites what no cell of a table's or an index's page has. Nothing of a page that is of another kind, or damaged.
fn fill_gaps(head: usize, page: &mut [u8]) -> Option<()> {
    let cells = match page.get(head)? {
        2 | 5 => head + 12,
        10 | 13 => head + 8,
        _ => return None,
    };
    let (count, begin) = (short(page, head + 3)?, short(page, head + 5)?);
    let begin = if begin == 0 { 1 << 16 } else { begin };
    // All gaps are known before one is overwritten.
    let mut gaps: Vec<_> = std::iter::once(cells + 2 * count..begin).collect();
    let (mut gap, mut last) = (short(page, head + 1)?, begin.saturating_sub(1));
    while gap != 0 {
        let size = short(page, gap + 2)?;
        if gap <= last || size < 4 {
            return None;
        }
        gaps.push(gap + 4..gap + size);
        (last, gap) = (gap, short(page, gap)?);
    }
    if gaps.iter().any(|gap| page.get(gap.clone()).is_none()) {
        return None;
    }
    for gap in gaps {
        page.get_mut(gap)?.fill(0);
    }
    Some(())
}

fn short(page: &[u8], at: usize) -> Option<usize> {
    page.get(at..)?.first_chunk().map(|bytes| usize::from(u16::from_be_bytes(*bytes)))
}

fn long(page: &[u8], at: usize) -> Option<u32> {
    page.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pages are looked at, and overwritten; gives how many that were.
    fn clean(db: &Connection) -> usize {
        let (mut next, mut pages) = (Some(1), 0);
        while let Some(first) = next {
            let found = find(db, first).unwrap();
            pages += found.pages.len();
            for some in found.pages.chunks(PAGES_WRITTEN_MAX) {
                let write = db.unchecked_transaction().unwrap();
                overwrite(&write, some).unwrap();
                write.commit().unwrap();
            }
            next = found.next;
        }
        pages
    }

    fn rows(db: &Connection) -> Vec<(i64, String, Vec<u8>)> {
        let mut read = db.prepare("SELECT id, name, body FROM t ORDER BY name").unwrap();
        let rows = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn what_was_removed_is_in_no_page_and_what_was_not_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, body BLOB); \
             CREATE UNIQUE INDEX names ON t (name); CREATE TABLE w (name TEXT PRIMARY KEY) WITHOUT ROWID; BEGIN",
        )
        .unwrap();
        // In no order, so that pages are split, and what is on them is moved.
        let name = |n: u64| format!("{:08x}-name{n}.", (n * 2_654_435_761) % (1 << 32));
        for n in 0..4000_u64 {
            let body = name(n).repeat(1 + usize::try_from(n % 7).unwrap() * 60);
            db.execute("INSERT INTO t (name, body) VALUES (?1, ?2)", params![name(n), body.as_bytes()]).unwrap();
            db.execute("INSERT INTO w VALUES (?1)", [name(n)]).unwrap();
        }
        db.execute_batch("COMMIT; BEGIN").unwrap();
        let is_removed = |n: u64| n.is_multiple_of(3) || (1000..2000).contains(&n);
        for n in (0..4000).filter(|n| is_removed(*n)) {
            db.execute("DELETE FROM t WHERE name = ?1", [name(n)]).unwrap();
            db.execute("DELETE FROM w WHERE name = ?1", [name(n)]).unwrap();
        }
        db.execute_batch("COMMIT").unwrap();
        let before = rows(&db);
        let stored = || {
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
            String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
        };
        let there = |text: &str| {
            let numbers = text.split("-name").skip(1).filter_map(|rest| rest.split_once('.')?.0.parse::<u64>().ok());
            numbers.filter(|n| is_removed(*n)).count()
        };
        assert!(there(&stored()) > 1000, "the test sees what is left");

        assert!(clean(&db) > 100);
        assert_eq!(there(&stored()), 0);
        assert_eq!(rows(&db), before);
        let whole: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
        assert_eq!(clean(&db), 0, "it is done once");
        // What is free is used again.
        for n in (0..4000).filter(|n| is_removed(*n)) {
            db.execute("INSERT INTO t (name, body) VALUES (?1, ?2)", params![name(n), name(n).repeat(500)]).unwrap();
        }
        let whole: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
    }

    #[test]
    fn a_page_that_is_damaged_or_of_another_kind_is_left_alone() {
        let check = |begin: &[u8]| {
            let mut page = vec![7; 64];
            page[..begin.len()].copy_from_slice(begin);
            let before = page.clone();
            assert!(fill_gaps(0, &mut page).is_none_or(|()| page == before), "{begin:?}");
            assert_eq!(page, before, "{begin:?}");
        };
        check(&[0, 0, 0, 3]);
        // The cells begin behind the page's end; before the list of cells ends; a free block that is too short; in a circle.
        check(&[13, 0, 0, 0, 1, 1, 0, 0]);
        check(&[13, 0, 0, 0, 20, 0, 30, 0]);
        check(&[13, 0, 40, 0, 1, 0, 20, 0]);
        check(&[]);
    }
}
