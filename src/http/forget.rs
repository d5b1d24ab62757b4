//! A customer is forgotten, and a receipt says what that means.

use actix_web::{HttpResponse, ResponseError, web};

use super::body::refuse_unread;
use super::form;
use super::keys::Caller;
use super::parameters::Parameters;
use super::problem::Problem;
use super::{AppState, Shared};
use crate::api::{ForgetReceipt, ForgetRequest};
use crate::domain::audit::{By, Note, Via};
use crate::domain::email::Email;
use crate::store::{ForgetError, Forgotten};
use crate::telemetry::events;

/// What stays of everybody who is forgotten.
const STAYS: &[&str] = &[
    "Ids of the provider, amounts, days, referral codes, and what Refairn answered: so retries, refunds and renewals are told apart from new sales.",
    "The keyed hash that stands for the address. The key is in the same database, so the bridge can tell that an address which comes again is this one.",
];

/// Where else the address may be.
pub(super) const NOT_REACHED: &[&str] = &[
    "A later event that names the address, such as a renewal, brings it back: cancel the subscription and delete the customer at the provider first.",
    "Backups of the database, and the copies that an upgrade (NAME.schema-N) and migrate-store leave: delete them, or let them expire.",
    "Refairn, which was told the address: ask it to delete the customer.",
    "The payment provider, which sent it.",
];

/// What holds for a database server alone.
const SERVER: &str =
    "Pages and logs of the PostgreSQL server: run VACUUM FULL there, and mind its archived log and its replicas.";

/// `POST /api/v1/customers/forget`
pub(super) async fn forget(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    query: Parameters,
    mut payload: web::Payload,
) -> HttpResponse {
    let asked = match read(query, &mut payload).await {
        Ok(asked) => asked,
        Err(problem) => return refuse_unread(&problem, payload),
    };
    let answer = answer(&state, &caller, &asked).await;
    answer.map_or_else(|problem| problem.error_response(), |receipt| HttpResponse::Ok().json(receipt))
}

/// Who is forgotten, and how.
async fn read(query: Parameters, payload: &mut web::Payload) -> Result<ForgetRequest, Problem> {
    query.close()?;
    serde_json::from_slice(&form::bytes(payload).await?).map_err(|_| {
        Problem::bad_parameter(r#"the body is JSON such as {"email": "jane@example.com", "anyway": false}"#.to_owned())
    })
}

async fn answer(state: &Shared, caller: &Caller, asked: &ForgetRequest) -> Result<ForgetReceipt, Problem> {
    let bad = |wrong: &str| Problem::bad_parameter(wrong.to_owned());
    let email = address(&asked.email)?;
    let note = Note::parse(asked.note.as_deref().unwrap_or_default()).map_err(bad)?;
    if asked.preview {
        return Ok(state.store.weigh_forgetting(&email).await?.into());
    }
    Ok(done(state, &email, asked.anyway, caller.by(Via::Api, note)).await?.into())
}

/// The address of somebody who will be forgotten.
pub(super) fn address(text: &str) -> Result<Email, Problem> {
    Email::parse(text).ok_or_else(|| Problem::bad_parameter("email is no e-mail address".to_owned()))
}

/// Forgets a customer, and tells the log.
pub(super) async fn done(state: &Shared, email: &Email, anyway: bool, by: By) -> Result<Forgotten, Problem> {
    let forgotten = state.store.forget(email, anyway, by, state.clock.now()).await?;
    events::forgotten(forgotten.pseudonym.as_deref().unwrap_or_default());
    if let Some(Err(error)) = &forgotten.cleansed {
        events::store_failed("overwrite what was removed", error);
    }
    Ok(forgotten)
}

impl From<Forgotten> for ForgetReceipt {
    fn from(forgotten: Forgotten) -> Self {
        let Forgotten { pseudonym, in_the_way, businesses, events, bodies, calls, discarded, cleansed } = forgotten;
        let mut not_reached: Vec<String> = NOT_REACHED.iter().map(|text| (*text).to_owned()).collect();
        match &cleansed {
            None if pseudonym.is_some() => not_reached.push(SERVER.to_owned()),
            None | Some(Ok(())) => {}
            Some(Err(error)) => {
                let what = "Gaps in the database's own file or its log, which could not be overwritten";
                not_reached.push(format!("{what}: {error}"));
            }
        }
        Self {
            pseudonym,
            in_the_way,
            businesses,
            events,
            bodies_removed: bodies,
            calls,
            discarded,
            file_is_clean: cleansed.map(|cleansed| cleansed.is_ok()),
            stays: STAYS.iter().map(|text| (*text).to_owned()).collect(),
            not_reached,
        }
    }
}

impl From<ForgetError> for Problem {
    fn from(error: ForgetError) -> Self {
        match error {
            ForgetError::Unknown => Self::unknown_item(error.to_string()),
            ForgetError::Open(refusal) => refusal.into(),
            ForgetError::Store(error) => error.into(),
        }
    }
}
