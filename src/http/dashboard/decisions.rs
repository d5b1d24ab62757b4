//! What people decided, in words: who, what, when, and the note.

use jiff::civil::Date;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::view::Lens;
use super::words::Moment;
use crate::domain::audit::{Decision, Via};
use crate::http::problem::Problem;
use crate::http::seen;
use crate::store::audit::AuditView;

/// A decision in a list.
pub(super) struct Decided {
    pub(super) at: Moment,
    pub(super) who: String,
    pub(super) did: String,
    /// What it is about.
    pub(super) item: String,
    /// The path of that; empty where it has no page.
    pub(super) path: String,
    pub(super) note: String,
    pub(super) via: &'static str,
}

/// What was decided about these items, with the times, the oldest first.
pub(super) async fn about(lens: &Lens<'_>, items: &[String]) -> Result<Vec<(AuditView, Decided)>, Problem> {
    let found = lens.state.store.decisions_about(items).await?;
    Ok(found.into_iter().map(|view| (view.clone(), decided(lens, view))).collect())
}

fn decided(lens: &Lens<'_>, view: AuditView) -> Decided {
    let path = match view.item.split_once('_') {
        Some(("dlv", _)) => format!("/deliveries/{}", view.item),
        Some(("evt", _)) => format!("/events/{}", view.item),
        Some(_) | None if view.decision == Decision::Forget => {
            format!("/customers/{}", utf8_percent_encode(&view.item, NON_ALPHANUMERIC))
        }
        Some(_) | None => String::new(),
    };
    Decided {
        at: lens.moment(view.at),
        did: did(lens, &view),
        who: view.who,
        item: view.item,
        path,
        note: view.note.unwrap_or_default(),
        via: match view.via {
            Via::Api => "by a command or the API",
            Via::Dashboard => "",
        },
    }
}

/// What somebody did.
fn did(lens: &Lens<'_>, view: &AuditView) -> String {
    match view.decision {
        Decision::Release => format!("sent it{}", dated(lens, view)),
        Decision::Retry => "had it tried again".to_owned(),
        Decision::Discard => seen::did(view).unwrap_or("decided not to send it").to_owned(),
        Decision::Remap => "had it read again".to_owned(),
        Decision::StartBackfill => "asked the provider for what was missed".to_owned(),
        Decision::RecordBackfill => "had what was missed told".to_owned(),
        Decision::DiscardBackfill => "left what was missed alone".to_owned(),
        Decision::GiveAccess => "gave access".to_owned(),
        Decision::RevokeAccess => "took access back".to_owned(),
        Decision::TestAlerts => "tried out the alerts".to_owned(),
        Decision::Forget => "had the customer forgotten".to_owned(),
    }
}

/// On which day it is dated then, and on which it was.
fn dated(lens: &Lens<'_>, view: &AuditView) -> String {
    let day = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Date>().ok());
    match (day(&view.day_was), day(&view.day_became)) {
        (Some(was), Some(became)) if was != became => {
            format!(", dated {} instead of {}", lens.day(became), lens.day(was))
        }
        (_, Some(became)) => format!(", dated {}", lens.day(became)),
        (_, None) => String::new(),
    }
}
