//! Who has access, and who decided what.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;

use super::api::{after, limit, page_is_full};
use super::keys::{Caller, new_token};
use super::parameters::Parameters;
use super::problem::Problem;
use super::{AppState, Shared};
use crate::api::{Access, AccessPage, AuditEntry, AuditPage, NewAccess};
use crate::domain::access::{ACCESS_DAYS_MAX, Grant, Role};
use crate::domain::audit::{By, Decision};
use crate::store::audit::{AuditFilter, AuditView};
use crate::store::{ActionError, access};

impl From<AuditView> for AuditEntry {
    fn from(view: AuditView) -> Self {
        let AuditView { id, at, who, via, decision, item, business, note, was, became, day_was, day_became } = view;
        Self {
            id: format!("aud_{id}"),
            at,
            who,
            via: via.code().to_owned(),
            decision: decision.code().to_owned(),
            item,
            business,
            note,
            before: was,
            after: became,
            day_before: day_was,
            day_after: day_became,
        }
    }
}

/// The token as people see it.
fn shown(access: access::Access, now: Timestamp) -> Access {
    let state = match access.revoked_at {
        Some(_) => "revoked",
        None if access.is_in_force(now) => "holds",
        None => "ended",
    };
    let access::Access { id, who, created_at, created_by, ends_at, revoked_at, hash: _ } = access;
    Access {
        id: id.to_string(),
        name: who.name,
        role: who.role.code().to_owned(),
        business: who.business,
        state: state.to_owned(),
        created_at,
        created_by,
        ends_at,
        revoked_at,
    }
}

/// Everybody who was given a token.
pub(super) async fn all_access(state: &Shared) -> Result<Vec<Access>, Problem> {
    let now = state.clock.now();
    Ok(state.store.access().await?.into_iter().map(|access| shown(access, now)).collect())
}

/// `GET /api/v1/audit`
pub(super) async fn audit(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let limit = limit(&mut query)?;
    let filter = AuditFilter {
        who: query.text("who"),
        decision: query.one_of("decision", Decision::ALL, Decision::code)?,
        item: query.text("item"),
        business: caller.business(),
        limit,
        after: after(&mut query, "aud_")?,
    };
    query.close()?;
    let found = state.store.audit(filter).await?;
    let next = found.last().map(|entry| format!("aud_{}", entry.id)).filter(|_| page_is_full(found.len(), limit));
    Ok(HttpResponse::Ok().json(AuditPage { audit: found.into_iter().map(AuditEntry::from).collect(), next }))
}

/// `GET /api/v1/access`
pub(super) async fn list(state: web::Data<AppState>, query: Parameters) -> Result<HttpResponse, Problem> {
    query.close()?;
    Ok(HttpResponse::Ok().json(AccessPage { access: all_access(&state).await? }))
}

/// `POST /api/v1/access`
pub(super) async fn create(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let bad = |wrong: &str| Problem::bad_parameter(wrong.to_owned());
    let name = query.text("name").unwrap_or_default();
    let role = query.one_of("role", Role::ALL, Role::code)?.ok_or_else(|| bad("role takes read, operate, admin"))?;
    let days = query.parsed("days", &format!("a number from 1 to {ACCESS_DAYS_MAX}"), |text| text.parse().ok())?;
    let days = days.ok_or_else(|| bad("days is missing: after how many days it ends"))?;
    let (business, by) = (query.text("business"), caller.by_api(&mut query)?);
    query.close()?;
    if let Some(business) = &business
        && !state.endpoints.iter().any(|endpoint| endpoint.business == *business)
    {
        return Err(bad("business takes the id of a business that has an endpoint here"));
    }
    let now = state.clock.now();
    let grant = Grant::new(&name, role, business, days, now).map_err(bad)?;
    let (token, hash) = new_token();
    let id = state.store.give_access(grant, hash, by, now).await?;
    state.keys.forget().await;
    let given = state.store.access().await?.into_iter().find(|access| access.id == id);
    let access = shown(given.ok_or_else(Problem::internal)?, now);
    // What stands behind the # is sent to no server, and kept in no log on the way.
    let link = format!("{}/sign-in#token={token}", state.public_url.as_deref().unwrap_or_default());
    Ok(HttpResponse::Ok().json(NewAccess { access, token, link }))
}

/// `POST /api/v1/access/{name}/revoke`
pub(super) async fn revoke(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    path: web::Path<String>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let by = caller.by_api(&mut query)?;
    query.close()?;
    take_back(&state, path.into_inner(), by).await?;
    Ok(HttpResponse::Ok().json(AccessPage { access: all_access(&state).await? }))
}

/// Takes access back, at once in this process.
pub(super) async fn take_back(state: &Shared, name: String, by: By) -> Result<(), Problem> {
    state.store.revoke_access(name, by, state.clock.now()).await.map_err(|error| match error {
        ActionError::NotFound => Problem::unknown_item("nobody has access by this name".to_owned()),
        error @ (ActionError::NotNow(_) | ActionError::Store(_)) => error.into(),
    })?;
    state.keys.forget().await;
    Ok(())
}
