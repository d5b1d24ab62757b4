//! What has to be reversed before its hold date: of many calls that need a person these are the most urgent, however old they
//! are.

use crate::domain::delivery::DeliveryState;
use crate::domain::mode::Mode;
use crate::store::read::conditions::Conditions;
use crate::store::read::queries::{DeliveryView, PAGE_ITEMS_MAX, delivery_view_columns};
use crate::store::{Store, StoreError};

impl Store {
    /// Calls that Refairn has, that need a person, and whose commission is on hold, the soonest hold date first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn deadlines(
        &self,
        business: Option<String>,
        mode: Option<Mode>,
        limit: u32,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let states = DeliveryState::ALL.iter().filter(|state| state.is_acknowledged());
        let states = states.map(|state| format!("'{}'", state.code())).collect::<Vec<_>>().join(", ");
        let hold = self.dialect().field("receipt", "holdUntil");
        // Those that need a person have an index. A column in an expression leads nowhere else.
        let conditions = Conditions::default()
            .and_always("attention = 1")
            .and_always(&format!("state || '' IN ({states})"))
            .and_always(&format!("{hold} IS NOT NULL"))
            .and("business || '' =", business)
            .and("mode || '' =", mode.map(Mode::code));
        let (clause, limit) = (conditions.clause(), limit.clamp(1, PAGE_ITEMS_MAX));
        let columns = delivery_view_columns();
        let sql = format!("SELECT {columns} FROM deliveries {clause} ORDER BY {hold}, id LIMIT {limit}");
        self.deliveries_seen(sql, conditions.values).await
    }
}
