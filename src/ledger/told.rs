//! What Refairn was told of statuses so far: a payment that is heard late must not say an older one.

use foldhash::HashSet;

use jiff::Timestamp;

use super::sales::Sale;
use crate::domain::delivery::{Delivery, DeliveryKey, Seq};
use crate::domain::mode::Mode;
use crate::domain::status::Status;

/// One call that says a status, which Refairn was told, or may have been.
struct Word<'a> {
    mode: Mode,
    product: &'a str,
    /// When it became so, and which call it was.
    at: (Timestamp, Option<Seq>),
    status: Status,
    /// It tells a change, and no payment.
    is_change: bool,
}

/// What Refairn was told of statuses, but by payments that were taken back.
pub(super) struct Told<'a> {
    words: Vec<Word<'a>>,
    /// When the last change of any kind was. Most customers have none, and need no look at each word for each payment.
    changed_at: Option<Timestamp>,
}

impl<'a> Told<'a> {
    pub(super) fn of(deliveries: &'a [Delivery], sales: &[Sale<'_>]) -> Self {
        let back = sales.iter().filter(|s| s.taken_back.full);
        let back: HashSet<&DeliveryKey> = back.flat_map(|s| std::iter::once(&s.subject).chain(&s.aliases)).collect();
        let told = deliveries.iter().filter(|d| d.may_be_acknowledged() && !back.contains(&d.subject));
        let word = |d: &'a Delivery| {
            let is_change = matches!(d.subject, DeliveryKey::Status(_));
            let (product, at) = (d.call.product(), (d.at, d.taken_seq));
            Some(Word { mode: d.mode, product, at, status: d.call.status()?, is_change })
        };
        let words: Vec<Word<'a>> = told.filter_map(word).collect();
        let changed_at = words.iter().filter(|word| word.is_change).map(|word| word.at.0).max();
        Self { words, changed_at }
    }

    /// The last word that is later than a payment, where a change is among them: a payment since may have said another.
    pub(super) fn later(&self, sale: &Sale<'_>) -> Option<Status> {
        let same = |word: &Word<'_>| word.mode == sale.mode && Some(word.product) == sale.product();
        self.changed_at.filter(|at| *at > sale.paid_at())?;
        let later = || self.words.iter().filter(|word| same(word) && word.at.0 > sale.paid_at());
        later().find(|word| word.is_change)?;
        later().max_by_key(|word| word.at).map(|word| word.status)
    }
}
