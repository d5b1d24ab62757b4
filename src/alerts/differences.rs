//! Payments that stand otherwise at their provider, by the comparisons with its lists.

use std::collections::BTreeMap;

use super::Watched;
use crate::domain::alert::{AlertItem, AlertKind};
use crate::domain::reconciliation::{Compared, Comparison};
use crate::domain::redact::without_addresses;
use crate::store::{Standing, Store, StoreError};

/// What is told of them. `None` when there are more than are told one by one.
pub(super) async fn look(store: &Store, watched: &Watched) -> Result<Option<Vec<AlertItem>>, StoreError> {
    let is_ours = |endpoint: &String| watched.compared.contains(endpoint);
    let Some(standing) = store.standing_differences().await? else { return Ok(None) };
    let standing = standing.iter().filter(|one| is_ours(&one.endpoint)).map(of);
    let unreadable = store.standing_unreadable().await?;
    let unreadable = unreadable.into_iter().filter(|kept| is_ours(&kept.endpoint)).map(|kept| {
        let (endpoint, count) = (kept.endpoint, kept.summary.unreadable);
        let text = format!("Endpoint {endpoint}: {count} rows of its provider's list could not be read.");
        item(format!("difference {endpoint} unreadable"), text, "/payments".to_owned())
    });
    // Comparisons of overlapping periods find the same.
    let all: BTreeMap<String, AlertItem> = standing.chain(unreadable).map(|one| (one.item.clone(), one)).collect();
    Ok(Some(all.into_values().collect()))
}

fn item(item: String, text: String, path: String) -> AlertItem {
    AlertItem { item, kind: AlertKind::Difference, text, path }
}

fn of(standing: &Standing) -> AlertItem {
    let Standing { endpoint, compared: Compared { id, comparison, paid_at, .. } } = standing;
    // A merchant may write an address into a reference.
    let id = without_addresses(id);
    let what = match comparison {
        Comparison::Missing => "The provider lists it, and the bridge does not have it",
        Comparison::Doubled => "Refairn was told of it twice, or may have been",
        Comparison::RefundMissing => "The provider gave back more of it than the bridge heard of",
        Comparison::Different => "The provider and the bridge do not have it alike",
        Comparison::OursOnly => "The bridge has it, and the provider does not list it",
        Comparison::Held | Comparison::TakenBack | Comparison::Ignored | Comparison::Same => comparison.words(),
    };
    let text = format!("Payment {id} of endpoint {endpoint} needs a person: {}. {what}.", comparison.code());
    item(format!("difference {endpoint} {id}"), text, format!("/payments?month={}", paid_at.strftime("%Y-%m")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_that_differs_is_told_by_its_id_and_the_page_of_its_month() {
        let compared = Compared {
            id: "order of jane@example.com".to_owned(),
            paid_at: "2026-10-31T23:00:00Z".parse().unwrap(),
            comparison: Comparison::Different,
            reason: None,
            differs: Vec::new(),
            provider: None,
            ours: None,
            told: Vec::new(),
        };
        let AlertItem { item, text, path, .. } = of(&Standing { endpoint: "shop".to_owned(), compared });
        assert_eq!(path, "/payments?month=2026-10");
        assert!(text.contains("of endpoint shop needs a person: different. The provider and"), "{text}");
        assert!(item.starts_with("difference shop order of ") && !item.contains("jane"), "{item}");
        assert!(!text.contains("jane"), "{text}");
    }
}
