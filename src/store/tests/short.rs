//! What is not kept twice is there all the same.

use super::*;
use crate::store::sql::values;

in_both! {
    an_answer_that_says_no_more_than_its_receipt_is_kept_once
}

async fn an_answer_that_says_no_more_than_its_receipt_is_kept_once(place: Place) {
    let store = place.open().await;
    let receipt = Receipt { lead_id: Some("lead_1".into()), agent_id: Some("ada".into()), ..Receipt::default() };
    let same = r#"{"success":true,"leadId":"lead_1","agentId":"ada"}"#;
    let more = r#"{"success":true,"leadId":"lead_1","agentId":"ada","attribution":"first_touch"}"#;
    for (n, (answer, kept)) in [(same, None), (more, Some(more))].into_iter().enumerate() {
        let id = store.record(event(answer)).await.unwrap().id;
        post(&store, id, payment(&format!("in_{n}"), Some(&format!("{n}@example.com")), "2026-01-10")).await;
        let settled = loop {
            let leased = store.lease(now(), LEASE, 1).await.unwrap().pop();
            let Some(leased) = leased else { break deliveries(&store).await.pop().unwrap().id.unwrap() };
            let attempt = AttemptRecord { response: Some(answer.into()), ..attempt() };
            store.settle(&leased, attempt, Settlement::Delivered(receipt.clone()), now()).await.unwrap();
        };
        let (_, attempts) = store.delivery(settled).await.unwrap().unwrap();
        assert_eq!(attempts[0].response.as_deref(), Some(answer));
        let sql = "SELECT response FROM attempts WHERE delivery_id = ?1".to_owned();
        let mut row = store.query(sql, values![settled.0]).await.unwrap().pop().unwrap();
        assert_eq!(row.text_option().unwrap().as_deref(), kept);
    }
}
