//! What a comparison found missing is fetched on the page Payments, as `reconcile --apply` does it: how far it is, what would be
//! told, and the form that asks whether it is.

use jiff::Timestamp;

use super::view::{ActionForm, Verb};
use super::words::{count, counted, money};
use crate::domain::backfill::{BackfillCall, BackfillId, BackfillState, BackfillSummary};
use crate::store::Backfill;

/// How far it is with what was missing of a month.
#[derive(Default)]
pub(super) struct Fetch {
    /// Where it stands; empty where nobody has asked for it.
    pub(super) sentence: String,
    /// What would be told, once that is known.
    pub(super) would: Vec<Would>,
    /// Whether old payments would be told.
    pub(super) is_of_old_days: bool,
    /// Where its buttons are sent.
    path: String,
    verbs: Vec<Verb>,
    /// How far the backfill is; nothing where there is none.
    state: Option<BackfillState>,
}

/// Calls that are alike.
pub(super) struct Would {
    pub(super) fate: &'static str,
    pub(super) what: String,
    pub(super) sum: String,
    pub(super) why: &'static str,
}

impl Fetch {
    /// By the last backfill of the same days that is not older than the result `compared`.
    pub(super) fn of(all: &[Backfill], endpoint: &str, days: [Timestamp; 2], compared: Option<BackfillId>) -> Self {
        let is_of_these = |b: &&Backfill| b.endpoint == endpoint && [b.since, b.until] == days;
        let is_news = |b: &&Backfill| !b.state.is_over() || compared.is_none_or(|compared| b.id > compared);
        all.iter().filter(is_of_these).find(is_news).map(Self::of_backfill).unwrap_or_default()
    }

    fn of_backfill(backfill: &Backfill) -> Self {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let verb = |action, words: &str, asks_why| Verb { action, words: words.to_owned(), asks_why };
        let path = format!("/backfills/{}", backfill.id);
        let note = backfill.note.as_deref().unwrap_or_default();
        let found = counted(number(backfill.found), "row");
        let (sentence, verbs) = match backfill.state {
            BackfillState::Listing | BackfillState::Weighing => {
                let waiting = if note.is_empty() { String::new() } else { format!(" It waits: {note}.") };
                let sentence = format!("The provider is being asked: {found} so far. Nothing is told yet.{waiting}");
                (sentence, vec![verb("discard", "Leave it", false)])
            }
            BackfillState::Ready if backfill.summary.as_ref().is_some_and(BackfillSummary::changes_something) => {
                let sentence = "Nothing is told yet. This is what would be:".to_owned();
                (sentence, vec![verb("record", "Tell Refairn", true), verb("discard", "Leave it", false)])
            }
            BackfillState::Ready => {
                (format!("{found} were listed. There is nothing to tell."), vec![verb("discard", "Leave it", false)])
            }
            BackfillState::Recording => {
                let all = backfill.found.saturating_sub(backfill.known + backfill.ignored);
                (
                    format!("It is being recorded: {} of {}.", count(number(backfill.recorded)), count(number(all))),
                    vec![],
                )
            }
            BackfillState::Done => {
                let recorded = counted(number(backfill.recorded), "event");
                (
                    format!("Fetched: {recorded} recorded, and told from then on. Compare now to see what is left."),
                    vec![],
                )
            }
            BackfillState::Failed => {
                (format!("What is missing could not be fetched: {note}. Nothing was told."), vec![])
            }
            BackfillState::Discarded => (String::new(), vec![]),
        };
        let summary = backfill.summary.as_ref().filter(|_| backfill.state == BackfillState::Ready);
        Self {
            sentence,
            would: summary.into_iter().flat_map(|summary| &summary.calls).map(Would::from).collect(),
            is_of_old_days: summary.is_some_and(BackfillSummary::tells_payments),
            path,
            verbs,
            state: Some(backfill.state),
        }
    }

    /// Whether it can be asked for: nobody has, or nothing came of it.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, None | Some(BackfillState::Failed | BackfillState::Discarded))
    }

    /// Whether it is not over yet.
    pub(super) fn is_under_way(&self) -> bool {
        self.state.is_some_and(|state| !state.is_over())
    }

    /// Whether somebody is asked now.
    pub(super) fn asks(&self) -> bool {
        self.state == Some(BackfillState::Ready)
    }

    /// The form with which somebody answers; nothing where nobody is asked.
    pub(super) fn form<'a>(&'a self, csrf: &'a str, back: &'a str, about: &'a str) -> Option<ActionForm<'a>> {
        let asks_why = self.verbs.iter().any(|verb| verb.asks_why);
        let (path, verbs) = (self.path.clone(), self.verbs.clone());
        (!verbs.is_empty()).then_some(ActionForm { path, verbs, asks_why, csrf, back, about })
    }
}

impl From<&BackfillCall> for Would {
    fn from(call: &BackfillCall) -> Self {
        let sum = call.amount.zip(call.currency).map(|(amount, currency)| money(amount, currency));
        Self {
            fate: call.fate.words(),
            what: call.kind.counted(call.count),
            sum: sum.unwrap_or_default(),
            why: call.why().unwrap_or_default(),
        }
    }
}
