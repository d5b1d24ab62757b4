//! Pages of payments, whatever is asked for: all of them together have each payment once, in their order, while others come.

use std::collections::BTreeSet;
use std::ops::Range;

use super::together::Chance;
use super::*;
use crate::domain::delivery::Fate;
use crate::store::payments::PaymentFilter;

in_both! {
    all_pages_have_each_payment_once_whatever_is_asked_for
    all_pages_have_each_payment_once_before_1970_too
}

const BUSINESSES: [&str; 3] = ["biz_1", "biz_2", "a business of 4 words"];
const AGENTS: [&str; 2] = ["agent_1", "agent_2"];
const QUARTER: i64 = 900_000_000;
/// More than a walk passes.
const PAYMENTS: u64 = 2000;
/// Rows of one statement.
const ADDED: usize = 500;

/// A payment as a list may ask for it.
struct Paid {
    at: i64,
    id: i64,
    mode: String,
    business: String,
    fate: Option<String>,
    agent: Option<String>,
}

impl Paid {
    fn is_asked_for(&self, filter: &PaymentFilter) -> bool {
        filter.from.is_none_or(|from| from.as_microsecond() <= self.at)
            && filter.to.is_none_or(|to| self.at < to.as_microsecond())
            && filter.mode.is_none_or(|mode| mode.code() == self.mode)
            && filter.business.as_ref().is_none_or(|business| *business == self.business)
            && filter.agent.as_ref().is_none_or(|agent| Some(agent) == self.agent.as_ref())
            && (filter.fates.is_empty() || filter.fates.iter().any(|fate| Some(fate.code()) == self.fate.as_deref()))
    }
}

/// A life of payments: some quarters of an hour have many, and many are where one begins.
struct Life {
    place: Place,
    chance: Chance,
    first_quarter: i64,
    paid: u64,
}

impl Life {
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.chance.below(all.len() as u64)).unwrap()]
    }

    fn time(&mut self) -> i64 {
        let quarter = self.first_quarter + (self.chance.below(60) * self.chance.below(40)).cast_signed();
        let anywhere = self.chance.below(900_000_000).cast_signed();
        quarter * QUARTER + self.one_of(&[0, 0, 0, 1, -1, QUARTER / 2, QUARTER - 1, anywhere])
    }

    /// A row of the statement that [`Self::add`] makes.
    fn row(&mut self, n: u64) -> String {
        let (at, mode) = (self.time(), if self.chance.below(20) == 0 { Mode::Test } else { Mode::Live });
        let business = BUSINESSES[usize::try_from(self.chance.below(10)).unwrap().saturating_sub(7)];
        let agent = AGENTS[usize::from(self.chance.below(5) == 0)];
        let (state, receipt) = match self.chance.below(40) {
            0 => ("duplicate", "NULL".to_owned()),
            1..=3 => ("queued", "NULL".to_owned()),
            4..=8 => ("delivered", format!("'{{\"agentId\":\"{agent}\"}}'")),
            _ => ("delivered", "'{}'".to_owned()),
        };
        format!("({n}, {at}, '{}', '{business}', '{state}', {receipt})", mode.code())
    }

    /// So many more payments.
    fn add(&mut self, payments: u64) {
        let names: Range<u64> = self.paid..self.paid + payments;
        self.paid = names.end;
        let rows: Vec<String> = names.map(|n| self.row(n)).collect();
        for rows in rows.chunks(ADDED) {
            self.place.run(&format!(
                "WITH p (n, at, mode, business, state, receipt) AS (VALUES {}) \
                 INSERT INTO deliveries (business, email_key, event_id, subject_key, subject, kind, mode, at, call, state, \
                 attention, released, acknowledged, due_at, attempts, outcome_unknown, created_at, receipt) \
                 SELECT p.business, email_key, event_id, subject_key || p.n, subject, kind, p.mode, p.at, call, p.state, 0, \
                 released, acknowledged, due_at, attempts, outcome_unknown, created_at, p.receipt \
                 FROM p, deliveries d WHERE d.id = 1",
                rows.join(", ")
            ));
        }
        self.place.run(match self.place {
            Place::File(_) => "DELETE FROM counts; INSERT INTO counts SELECT * FROM counted",
            Place::Server(_) => {
                "DELETE FROM count_changes; DELETE FROM count_sums; INSERT INTO count_sums SELECT * FROM counted"
            }
        });
    }

    fn filter(&mut self) -> PaymentFilter {
        let mut ends = [None; 2];
        for end in &mut ends {
            *end = (self.chance.below(2) == 0).then(|| Timestamp::from_microsecond(self.time()).unwrap());
        }
        let [from, to] = ends;
        let all: [&[Fate]; 4] =
            [&[], &[Fate::Credited], &[Fate::CreditUnknown], &[Fate::CreditUnknown, Fate::CreditedNobody]];
        let fates = self.one_of(&all).to_vec();
        let business = self.one_of(&[None, Some(BUSINESSES[0]), Some(BUSINESSES[1]), Some(BUSINESSES[2])]);
        let mode = self.one_of(&[None, None, Some(Mode::Live), Some(Mode::Test)]);
        let agent = self.one_of(&[None, None, None, None, Some(AGENTS[0]), Some(AGENTS[1])]);
        let [business, agent] = [business, agent].map(|text| text.map(str::to_owned));
        let limit = self.one_of(&[1, 2, 7, 50, 500]);
        PaymentFilter { from, to, fates, mode, business, agent, limit, ..PaymentFilter::default() }
    }
}

/// The payments that are asked for, each with its time and its number.
async fn asked_for(store: &Store, filter: &PaymentFilter) -> BTreeSet<(i64, i64)> {
    let agent = store.dialect().field("receipt", "agentId");
    let sql = format!(
        "SELECT at, id, mode, business, fate, {agent} FROM deliveries WHERE substr(subject_key, 1, 8) = 'payment '"
    );
    let read = |row: &mut Row| {
        let (at, id, mode, business) = (row.int()?, row.int()?, row.text()?, row.text()?);
        Ok(Paid { at, id, mode, business, fate: row.text_option()?, agent: row.text_option()? })
    };
    let all = store.rows(sql, values![], read).await.unwrap();
    all.into_iter().filter(|paid| paid.is_asked_for(filter)).map(|paid| (paid.at, paid.id)).collect()
}

async fn page(store: &Store, filter: &PaymentFilter) -> Vec<(i64, i64)> {
    let views = store.payment_lines(filter).await.unwrap();
    views.iter().map(|view| (view.delivery.at.as_microsecond(), view.delivery.id.unwrap().0)).collect()
}

/// Some lists of them, page by page. Gives how many were looked for by their times.
async fn look(life: &mut Life, store: &Store, lists: usize) -> usize {
    let mut by_times = 0;
    for _ in 0..lists {
        let mut filter = life.filter();
        by_times += usize::from(store.times_of(&filter, filter.limit).await.unwrap().is_some());
        let (before, mut listed) = (asked_for(store, &filter).await, Vec::new());
        let is_whole = loop {
            let more = page(store, &filter).await;
            filter.after = more.last().map(|(_, id)| *id);
            let is_last = more.len() < filter.limit as usize;
            listed.extend(more);
            if is_last || listed.len() >= 40 * filter.limit as usize {
                break is_last;
            }
            if listed.len() == filter.limit as usize && life.chance.below(8) == 0 {
                life.add(20);
            }
        };
        assert!(listed.is_sorted_by(|a, b| a > b), "the newest first, and none twice: {filter:?}");
        let end = listed.last().filter(|_| !is_whole).copied().unwrap_or((i64::MIN, 0));
        let missed = before.range(end..).find(|paid| !listed.contains(paid));
        assert_eq!(missed, None, "of {} payments: {filter:?}", before.len());
        let now_there = asked_for(store, &filter).await;
        assert!(listed.iter().all(|paid| now_there.contains(paid)), "{filter:?}");
        // A page that goes on after a payment which was paid later than all that is asked for.
        let (Some(later), Some((middle, _))) = (listed.first().copied(), before.iter().nth(before.len() / 2)) else {
            continue;
        };
        let to = Timestamp::from_microsecond(*middle).unwrap();
        let filter = PaymentFilter { after: Some(later.1), to: Some(to), ..filter };
        let expected = asked_for(store, &filter).await;
        let expected: Vec<_> = expected.range(..later).rev().take(filter.limit as usize).copied().collect();
        assert_eq!(page(store, &filter).await, expected, "{filter:?}");
    }
    by_times
}

async fn check(place: Place, seed: u64, first: Timestamp) {
    let store = place.open().await;
    let id = store.record(event("evt_1")).await.unwrap().id;
    let sale = Fact { at: first, ..payment("in_1", Some("jane@example.com"), "2026-01-10") };
    post(&store, id, sale).await;
    let first_quarter = first.as_microsecond() / QUARTER;
    let mut life = Life { place, chance: Chance(seed), first_quarter, paid: 0 };
    life.add(PAYMENTS);
    let by_times = look(&mut life, &store, 60).await;
    assert!(by_times > 5, "{by_times}");
    // What is counted is compared with what there is.
    store.close().await;
}

async fn all_pages_have_each_payment_once_whatever_is_asked_for(place: Place) {
    check(place, 3, now()).await;
}

async fn all_pages_have_each_payment_once_before_1970_too(place: Place) {
    check(place, 5, "1969-12-30T00:00:00Z".parse().unwrap()).await;
}
