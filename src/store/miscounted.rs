//! Whether what is counted is what there is. Tests ask when a store is closed.

use crate::store::StoreError;
use crate::store::sql::Row;

/// Events of a store that is counted anew at its end.
pub(in crate::store) const SMALL_STORE_EVENTS: i64 = 10_000;

/// What is counted and is not what the tables have, of a store of no more than `?1` events.
pub(in crate::store) const MISCOUNTED: &str = "SELECT what || ' ' || state || ' ' || n FROM (\
     SELECT * FROM (SELECT what, state, n FROM counts WHERE n <> 0 EXCEPT SELECT what, state, n FROM counted) a \
     UNION ALL SELECT * FROM (SELECT what, state, n FROM counted EXCEPT SELECT what, state, n FROM counts) b) c \
     WHERE (SELECT MAX(id) FROM events) <= ?1 LIMIT 20";

/// Ends the program over rows of [`MISCOUNTED`].
pub(in crate::store) fn distrust(miscounted: Vec<Row>) -> Result<(), StoreError> {
    let wrong: Vec<String> = miscounted.into_iter().map(|mut row| row.text()).collect::<Result<_, _>>()?;
    if !wrong.is_empty() {
        crate::crash::impossible(&format!("what is counted is not what there is: {}", wrong.join(", ")));
    }
    Ok(())
}
