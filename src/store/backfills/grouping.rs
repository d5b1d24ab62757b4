//! Which rows are tried out together: those of a customer share ids. Many customers are tried out at once, and each with all
//! of its rows, unless they are too many for one try.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::domain::backfill::BackfillId;
use crate::domain::event::Identity;
use crate::store::sql::{Row, values};
use crate::store::{Store, StoreError};

/// Rows of one try where the one writer is kept from its work meanwhile. A customer with more is tried out in parts.
pub(super) const TRIED_MAX: usize = 100;
/// Rows with which the search for others begins; those that belong to them come beside.
const SEEDS: usize = 25;
/// Most of them.
const SEEDS_MAX: usize = 400;
/// Shares of ids that are looked at for one step, for each row that there may be.
const SHARES_OF_ROW: usize = 20;
/// How often others are looked for that share an id: a refund with its payment, and that with its customer's others.
const STEPS_MAX: usize = 8;

/// A row that was not tried out yet.
#[derive(Debug, Clone)]
pub struct ToWeigh {
    /// The number that it got when it was listed.
    pub id: i64,
    /// Rows with the same number belong together.
    pub part: usize,
    /// What tells it from every other event of its endpoint.
    pub identity: Identity,
    /// The body of its event, zstd-compressed.
    pub body_zstd: Vec<u8>,
}

impl Store {
    /// Rows that belong together and were not tried out yet, with those of other customers. Empty when all were.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn to_weigh(&self, id: BackfillId) -> Result<Vec<ToWeigh>, StoreError> {
        Grouping::new(self.clone(), id, TRIED_MAX).next().await
    }
}

/// Goes through the rows that were not tried out yet.
pub(super) struct Grouping {
    store: Store,
    id: BackfillId,
    rows_max: usize,
    seeds: usize,
    /// Every earlier row was tried out, or given.
    after: i64,
    /// What was given.
    given: HashSet<i64>,
}

impl Grouping {
    /// From the first row on. Of what is given nothing is given again, whether it was tried out meanwhile or not.
    pub(super) fn new(store: Store, id: BackfillId, rows_max: usize) -> Self {
        Self { store, id, rows_max, seeds: SEEDS, after: 0, given: HashSet::new() }
    }

    /// Rows that belong together, in the order in which they would be recorded. Empty when none is left.
    pub(super) async fn next(&mut self) -> Result<Vec<ToWeigh>, StoreError> {
        let Some(mut seeds) = self.next_seeds().await? else { return Ok(Vec::new()) };
        let related = loop {
            let (related, is_whole) = self.related(&seeds).await?;
            if is_whole || seeds.len() == 1 {
                break related;
            }
            seeds.truncate(seeds.len() / 2);
            self.seeds = seeds.len();
        };
        if related.rows.len() < self.rows_max / 4 {
            self.seeds = (self.seeds * 2).min(SEEDS_MAX);
        }
        self.after = seeds.last().copied().unwrap_or(self.after);
        let parts: BTreeMap<i64, usize> = related.parts().into_iter().take(self.rows_max).collect();
        self.given.extend(parts.keys());
        self.read(&parts).await
    }

    /// The first rows that were not given.
    async fn next_seeds(&mut self) -> Result<Option<Vec<i64>>, StoreError> {
        let sql =
            "SELECT id FROM listed WHERE backfill = ?1 AND outcome IS NULL AND id > ?2 ORDER BY id LIMIT ?3".to_owned();
        loop {
            let of = values![self.id.0, self.after, u32::try_from(self.seeds).unwrap_or(u32::MAX)];
            let rows = self.store.query(sql.clone(), of).await?;
            let rows = rows.into_iter().map(|mut row| row.int()).collect::<Result<Vec<_>, _>>()?;
            let Some(last) = rows.last().copied() else { return Ok(None) };
            let free: Vec<i64> = rows.into_iter().filter(|id| !self.given.contains(id)).collect();
            if !free.is_empty() {
                return Ok(Some(free));
            }
            self.after = last;
        }
    }

    /// These rows and all that belong to them; whether that is all.
    async fn related(&self, seeds: &[i64]) -> Result<(Related, bool), StoreError> {
        let mut related = Related::default();
        for seed in seeds {
            related.node_of_row(*seed);
        }
        let mut newest = seeds.to_vec();
        for _ in 0..STEPS_MAX {
            let mut keys = Vec::new();
            for (key, row) in self.keys_of(&newest).await? {
                if related.tie(row, &key) {
                    keys.push(key);
                }
            }
            if keys.is_empty() {
                break;
            }
            let (shares, is_whole) = self.sharing(&keys, seeds).await?;
            let others = shares.iter().map(|(_, row)| *row);
            let others = others.filter(|row| !related.rows.contains_key(row) && !self.given.contains(row));
            let others = self.not_tried_out(others.collect()).await?;
            for (key, row) in shares.iter().filter(|(_, row)| others.contains(row)) {
                related.tie(*row, key);
            }
            if !is_whole || related.rows.len() > self.rows_max {
                return Ok((related, false));
            }
            newest = others.into_iter().collect();
        }
        Ok((related, true))
    }

    /// The ids of these rows.
    async fn keys_of(&self, rows: &[i64]) -> Result<Vec<(String, i64)>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let numbers = self.store.dialect().numbers("?1");
        let sql = format!("SELECT key, listed FROM listed_ids WHERE listed IN ({numbers})");
        let rows = self.store.query(sql, values![serde_json::to_string(rows)?]).await?;
        rows.into_iter().map(|mut row| Ok((row.text()?, row.int()?))).collect()
    }

    /// Rows from the first of these on that have one of these ids; whether that is all.
    ///
    /// One question after the other: asked for by one statement, a database may look through all that was listed.
    async fn sharing(&self, keys: &[String], seeds: &[i64]) -> Result<(Vec<(String, i64)>, bool), StoreError> {
        let shares_max = self.rows_max * SHARES_OF_ROW;
        let sql = format!(
            "SELECT key, listed FROM listed_ids WHERE backfill = ?1 AND {} AND listed >= ?3 LIMIT {shares_max}",
            self.store.dialect().is_one_of("key", "?2")
        );
        let of = values![self.id.0, serde_json::to_string(keys)?, seeds.first().copied().unwrap_or(0)];
        let rows = self.store.query(sql, of).await?;
        let is_whole = rows.len() < shares_max;
        let shares = rows.into_iter().map(|mut row| Ok((row.text()?, row.int()?)));
        Ok((shares.collect::<Result<_, StoreError>>()?, is_whole))
    }

    async fn not_tried_out(&self, rows: BTreeSet<i64>) -> Result<BTreeSet<i64>, StoreError> {
        if rows.is_empty() {
            return Ok(rows);
        }
        let numbers = self.store.dialect().numbers("?1");
        let sql = format!("SELECT id FROM listed WHERE id IN ({numbers}) AND outcome IS NULL");
        let rows = self.store.query(sql, values![serde_json::to_string(&rows)?]).await?;
        rows.into_iter().map(|mut row| row.int()).collect()
    }

    async fn read(&self, parts: &BTreeMap<i64, usize>) -> Result<Vec<ToWeigh>, StoreError> {
        // Their numbers are enough. With the backfill's, too, a database would look through all that was listed.
        let sql = format!(
            "SELECT id, dedup_key, provider_event_id, type, snapshot_event, body FROM listed WHERE id IN ({}) \
             ORDER BY stage, at, id",
            self.store.dialect().numbers("?1")
        );
        let ids: Vec<i64> = parts.keys().copied().collect();
        let rows = self.store.query(sql, values![serde_json::to_string(&ids)?]).await?;
        let row = |mut row: Row| {
            let id = row.int()?;
            let part = parts.get(&id).copied().unwrap_or_default();
            Ok(ToWeigh { id, part, identity: identity(&mut row)?, body_zstd: body(&mut row)? })
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

/// Rows and their ids: what is tied belongs together.
#[derive(Default)]
struct Related {
    rows: BTreeMap<i64, usize>,
    keys: HashMap<String, usize>,
    /// Of each row and id another one that it belongs to, or itself.
    parents: Vec<usize>,
}

impl Related {
    fn node(&mut self) -> usize {
        self.parents.push(self.parents.len());
        self.parents.len() - 1
    }

    fn node_of_row(&mut self, row: i64) -> usize {
        if let Some(node) = self.rows.get(&row) {
            return *node;
        }
        let node = self.node();
        self.rows.insert(row, node);
        node
    }

    /// Notes that a row has an id; whether that was seen for the first time.
    fn tie(&mut self, row: i64, key: &str) -> bool {
        let row = self.node_of_row(row);
        let known = self.keys.get(key).copied();
        let node = known.unwrap_or_else(|| self.node());
        if known.is_none() {
            self.keys.insert(key.to_owned(), node);
        }
        let (row, node) = (self.root(row), self.root(node));
        if let Some(parent) = self.parents.get_mut(node) {
            *parent = row;
        }
        known.is_none()
    }

    fn root(&self, mut node: usize) -> usize {
        while let Some(parent) = self.parents.get(node).copied().filter(|parent| *parent != node) {
            node = parent;
        }
        node
    }

    /// The rows, and which of them belong together.
    fn parts(&self) -> BTreeMap<i64, usize> {
        self.rows.iter().map(|(row, node)| (*row, self.root(*node))).collect()
    }
}
