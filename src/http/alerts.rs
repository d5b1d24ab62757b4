//! Trying out where alerts go.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use tokio::sync::{mpsc, oneshot};

use super::keys::Caller;
use super::parameters::Parameters;
use super::problem::Problem;
use super::{AppState, Shared};
use crate::api::{AlertPlace, AlertTest};
use crate::domain::audit::By;

/// How long the answers of all places are waited for.
const TEST_WAIT_MAX: Duration = Duration::from_secs(45);

/// Takes the name of each place, and why a message did not arrive there.
type Answer = oneshot::Sender<Vec<(&'static str, Option<String>)>>;

/// Where alerts go, and who sends a message there.
pub struct AlertPlaces {
    /// The names of the places.
    pub names: Vec<&'static str>,
    /// Sends a message to each of them, and gives why it did not arrive.
    pub test: mpsc::Sender<Answer>,
}

/// Sends a message to every place.
pub(super) async fn try_out(state: &Shared, by: By) -> Result<Vec<AlertPlace>, Problem> {
    if state.alerts.names.is_empty() {
        return Err(Problem::no_alerts());
    }
    state.store.note_test_of_alerts(by, state.clock.now()).await?;
    let (answer, answered) = oneshot::channel();
    let asked = async {
        state.alerts.test.send(answer).await.ok()?;
        answered.await.ok()
    };
    let tried = tokio::time::timeout(TEST_WAIT_MAX, asked).await.ok().flatten().ok_or_else(Problem::overloaded)?;
    Ok(tried.into_iter().map(|(name, failed)| AlertPlace { name: name.to_owned(), failed }).collect())
}

/// `POST /api/v1/alerts/test`
pub(super) async fn test(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let by = caller.by_api(&mut query)?;
    query.close()?;
    Ok(HttpResponse::Ok().json(AlertTest { places: try_out(&state, by).await? }))
}
