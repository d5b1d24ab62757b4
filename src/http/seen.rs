//! What a person has done about a warning: it takes the place of what there is to do.

use jiff::Timestamp;

use crate::domain::audit::Decision;
use crate::domain::reason::DeliveryReason;
use crate::store::audit::AuditView;

/// Where nobody knows any more who it was.
pub(super) const BY_SOMEBODY: &str = "Nothing to do: a person has seen to it.";

/// What somebody did who has seen to a call that was sent; nothing of other decisions.
pub(super) fn did(view: &AuditView) -> Option<&'static str> {
    let is_seen = view.became.as_deref().is_some_and(|became| became.ends_with(", seen"));
    let was_taken_back = view.was.as_deref().is_some_and(|was| was.contains(DeliveryReason::Reversed.code()));
    match (view.decision, is_seen, was_taken_back) {
        (Decision::Discard, true, true) => Some("has reversed it"),
        (Decision::Discard, true, false) => Some("has seen it"),
        (_, _, _) => None,
    }
}

/// Who has seen to a call that needs nobody any more, when, and what they wrote. `decided` is what was decided about it, the
/// last decision last.
pub(super) fn words(decided: &[AuditView], when: impl Fn(Timestamp) -> String) -> String {
    let last = decided.iter().rev().find_map(|view| Some((view, did(view)?)));
    let Some((view, did)) = last else { return BY_SOMEBODY.to_owned() };
    let note = view.note.as_ref().map_or_else(String::new, |note| format!(": “{note}”"));
    format!("Nothing to do: {} {did}, {}{note}.", view.who, when(view.at))
}

/// The time to the minute, in UTC.
pub(super) fn in_utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
