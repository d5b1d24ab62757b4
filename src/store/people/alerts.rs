//! What somebody is told of: what is so now is compared with what was told, and the messages that follow are written with
//! it. So a restart repeats nothing, and nothing is lost where a message has not arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::audit::{Entry, note};
use crate::clock::after;
use crate::domain::alert::{AlertItem, AlertKind, Notice, Phase, Watching, notices};
use crate::domain::audit::{By, Decision};
use crate::domain::delivery::{DeliveryState, Receipt};
use crate::domain::reason::{DeliveryReason, EventReason};
use crate::store::rows::{micros, reason, time, unknown};
use crate::store::sql::{Db, Row, Work, first, values};
use crate::store::{Store, StoreError};

/// Things that need a person, as far as they are told of one by one: of each kind.
pub const TASKS_MAX: usize = 5000;
/// Messages of one place that may wait; of more the oldest go.
const WAITING_MAX: u32 = 1000;

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Our id of it.
    pub id: String,
    /// Why, in a word and in a sentence.
    pub reason: (&'static str, &'static str),
    /// Until when a commission has to be reversed, as Refairn wrote it.
    pub hold_until: Option<String>,
}

/// What is so now.
#[derive(Debug, Clone)]
pub struct SoNow {
    /// All of it.
    pub items: Vec<AlertItem>,
    /// Of these kinds it could not be found out: what was told of them stays as it is.
    pub unknown: Vec<AlertKind>,
    /// Of what it was looked at all.
    pub watching: Watching,
}

/// What has begun since the last look, and what is over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// What has begun.
    pub begun: Vec<AlertItem>,
    /// What is over.
    pub over: Vec<(String, AlertKind)>,
}

/// A message that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number, by which a receiver knows a repetition.
    pub id: i64,
    /// Where it goes.
    pub channel: String,
    /// What it says.
    pub notice: Notice,
    /// When it was made.
    pub made_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
}

impl Store {
    /// Whether this process is the one that looks and sends, for so long from now: one of several replicas is.
    ///
    /// # Errors
    /// The store failed.
    pub async fn watches_alerts(&self, holder: String, span: Duration, now: Timestamp) -> Result<bool, StoreError> {
        self.write(Watch { holder, now, until: after(now, span) }).await
    }

    /// Everything that needs a person; nothing if there is more than is told of one by one.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn tasks(&self) -> Result<Option<Vec<Task>>, StoreError> {
        let most = TASKS_MAX + 1;
        let sql = format!("SELECT id, reason, state, receipt FROM deliveries WHERE attention = 1 LIMIT {most}");
        let calls = self.rows(sql, values![], task).await?;
        let sql = format!("SELECT id, reason FROM events WHERE attention = 1 LIMIT {most}");
        let events = self
            .rows(sql, values![], |row| {
                let (id, why): (i64, Option<EventReason>) = (row.int()?, reason(row.text_option()?)?);
                let reason = why.map_or(("", ""), |why| (why.code(), why.reason().sentence()));
                Ok(Task { id: format!("evt_{id}"), reason, hold_until: None })
            })
            .await?;
        let is_whole = calls.len() <= TASKS_MAX && events.len() <= TASKS_MAX;
        Ok(is_whole.then(|| calls.into_iter().chain(events).collect()))
    }

    /// Compares what is so now with what was told, and makes the messages that follow for each of the `channels`.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn tell(&self, so_now: SoNow, channels: Vec<&'static str>, now: Timestamp) -> Result<News, StoreError> {
        self.write(Tell { so_now, channels, now }).await
    }

    /// The oldest message of a channel, if it is due.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn next_message(&self, channel: &str, now: Timestamp) -> Result<Option<Message>, StoreError> {
        let sql = "SELECT id, channel, notice, made_at, tries, due_at FROM alert_messages WHERE channel = ?1 ORDER BY id LIMIT 1";
        let found = self.rows(sql.to_owned(), values![channel], message).await?.pop();
        Ok(found.filter(|(_, due_at)| *due_at <= now).map(|(message, _)| message))
    }

    /// Somebody tries out where alerts go.
    ///
    /// # Errors
    /// The store failed.
    pub async fn note_test_of_alerts(&self, by: By, now: Timestamp) -> Result<(), StoreError> {
        self.write(NoteTest { by, now }).await
    }

    /// A message has arrived, or is given up.
    ///
    /// # Errors
    /// The store failed.
    pub async fn end_message(&self, id: i64) -> Result<(), StoreError> {
        self.write(End(id)).await
    }

    /// A message did not arrive, and is tried again.
    ///
    /// # Errors
    /// The store failed.
    pub async fn try_message_again(&self, id: i64, due_at: Timestamp) -> Result<(), StoreError> {
        self.write(Again { id, due_at }).await
    }
}

fn task(row: &mut Row) -> Result<Task, StoreError> {
    let (id, why): (i64, Option<DeliveryReason>) = (row.int()?, reason(row.text_option()?)?);
    let state = row.text()?;
    let is_told = DeliveryState::parse(&state).ok_or_else(|| unknown("state", &state))?.is_acknowledged();
    let receipt: Option<Receipt> = row.text_option()?.map(|text| serde_json::from_str(&text)).transpose()?;
    let is_taken_back = matches!(why, Some(DeliveryReason::Reversed | DeliveryReason::ToldTwice));
    let hold_until = receipt.and_then(|receipt| receipt.hold_until).filter(|_| is_told && is_taken_back);
    let reason = why.map_or(("", ""), |why| (why.code(), why.sentence()));
    Ok(Task { id: format!("dlv_{id}"), reason, hold_until })
}

fn message(row: &mut Row) -> Result<(Message, Timestamp), StoreError> {
    let (id, channel, notice, made_at) = (row.int()?, row.text()?, row.text()?, time(row.int()?)?);
    let tries = u32::try_from(row.int()?).unwrap_or(u32::MAX);
    let message = Message { id, channel, notice: serde_json::from_str(&notice)?, made_at, tries };
    Ok((message, time(row.int()?)?))
}

struct Watch {
    holder: String,
    now: Timestamp,
    until: Timestamp,
}

impl Work for Watch {
    type Answer = bool;

    async fn run<D: Db>(&self, db: &D) -> Result<bool, StoreError> {
        // A time later than ours of now was told by a clock that was ahead.
        let sql = "INSERT INTO alert_watch (id, holder, until) VALUES (1, ?1, ?3) ON CONFLICT (id) DO UPDATE \
             SET holder = excluded.holder, until = excluded.until WHERE alert_watch.holder = excluded.holder \
             OR alert_watch.until <= ?2 OR alert_watch.until > excluded.until";
        Ok(db.execute(sql, values![&self.holder, micros(self.now), micros(self.until)]).await? > 0)
    }
}

struct Tell {
    so_now: SoNow,
    channels: Vec<&'static str>,
    now: Timestamp,
}

impl Work for Tell {
    type Answer = News;

    async fn run<D: Db>(&self, db: &D) -> Result<News, StoreError> {
        let mut told = BTreeMap::new();
        for mut row in db.query("SELECT item, kind FROM alerts", values![]).await? {
            let (item, kind) = (row.text()?, row.text()?);
            told.insert(item, AlertKind::parse(&kind).ok_or_else(|| unknown("kind of alert", &kind))?);
        }
        let SoNow { items, unknown, watching } = &self.so_now;
        let so_now: BTreeSet<&str> = items.iter().map(|item| item.item.as_str()).collect();
        let begun: Vec<AlertItem> = items.iter().filter(|item| !told.contains_key(&item.item)).cloned().collect();
        let is_over = |(item, kind): &(&String, &AlertKind)| !so_now.contains(item.as_str()) && !unknown.contains(kind);
        let over = told.iter().filter(is_over).map(|(item, kind)| (item.clone(), *kind));
        let (over, unwatched): (Vec<_>, Vec<_>) = over.partition(|(item, kind)| watching.covers(*kind, item));
        for item in &begun {
            let sql = "INSERT INTO alerts (item, kind, began_at) VALUES (?1, ?2, ?3) ON CONFLICT (item) DO NOTHING";
            db.execute(sql, values![&item.item, item.kind.code(), micros(self.now)]).await?;
        }
        for (item, _) in over.iter().chain(&unwatched) {
            db.execute("DELETE FROM alerts WHERE item = ?1", values![item]).await?;
        }
        for (item, _) in &unwatched {
            db.execute("DELETE FROM alert_messages WHERE item = ?1", values![item]).await?;
        }
        let kinds = AlertKind::ALL.iter().filter(|kind| kind.is_a_task());
        let kinds = kinds.map(|kind| format!("'{}'", kind.code())).collect::<Vec<_>>().join(", ");
        let left = first(db, &format!("SELECT 1 FROM alerts WHERE kind IN ({kinds}) LIMIT 1"), values![]).await?;
        let notices = notices(&begun, &over, left.is_none());
        for channel in &self.channels {
            self.write_for(db, channel, &notices).await?;
        }
        Ok(News { begun, over })
    }
}

impl Tell {
    async fn write_for<D: Db>(&self, db: &D, channel: &str, notices: &[Notice]) -> Result<(), StoreError> {
        for notice in notices {
            if notice.phase == Phase::Over {
                // Of what was over before anybody heard of it nobody has to hear.
                let sql = "DELETE FROM alert_messages WHERE channel = ?1 AND item = ?2";
                if db.execute(sql, values![channel, &notice.item]).await? > 0 {
                    continue;
                }
            }
            let sql = "INSERT INTO alert_messages (channel, item, notice, made_at, due_at) VALUES (?1, ?2, ?3, ?4, ?4)";
            let text = serde_json::to_string(notice)?;
            db.execute(sql, values![channel, &notice.item, text, micros(self.now)]).await?;
        }
        let sql = format!(
            "DELETE FROM alert_messages WHERE channel = ?1 AND id NOT IN \
             (SELECT id FROM alert_messages WHERE channel = ?1 ORDER BY id DESC LIMIT {WAITING_MAX})"
        );
        db.execute(&sql, values![channel]).await?;
        Ok(())
    }
}

struct NoteTest {
    by: By,
    now: Timestamp,
}

impl Work for NoteTest {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        note(db, &self.by, Entry::about(Decision::TestAlerts, "alerts".to_owned()), self.now).await
    }
}

struct End(i64);

impl Work for End {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        db.execute("DELETE FROM alert_messages WHERE id = ?1", values![self.0]).await?;
        Ok(())
    }
}

struct Again {
    id: i64,
    due_at: Timestamp,
}

impl Work for Again {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        let sql = "UPDATE alert_messages SET tries = tries + 1, due_at = ?2 WHERE id = ?1";
        db.execute(sql, values![self.id, micros(self.due_at)]).await?;
        Ok(())
    }
}
