//! Forgetting a customer on a page: what that would come to, and the button that does it.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::actions::Sent;
use super::frame::{Asked, Frame, answer};
use crate::http::AppState;
use crate::http::forget::{NOT_REACHED, address, done};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::rights::FORGET;
use crate::store::Forgotten;

#[derive(Template)]
#[template(path = "forget.html")]
struct Page {
    frame: Frame,
    email: String,
    would: Forgotten,
    in_the_way: String,
    path: &'static str,
    back: String,
    not_reached: &'static [&'static str],
}

/// The path of the page on which a customer can be forgotten.
pub(super) fn forget_path(email: &str) -> String {
    format!("{}/forget", customer_path(email))
}

/// A customer's page, whichever business knows them.
fn customer_path(email: &str) -> String {
    format!("/customers/{}", utf8_percent_encode(email, NON_ALPHANUMERIC))
}

/// `GET /customers/{email}/forget`
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<String>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::of(&state, &request, &mut query).await?;
    query.close()?;
    let email = address(&path)?;
    let would = state.store.weigh_forgetting(&email).await?;
    answer(&Page {
        frame: asked.frame(&state, "customers", "Forget a customer"),
        in_the_way: would.in_the_way.clone().unwrap_or_default(),
        would,
        path: FORGET,
        back: customer_path(&email.key()),
        email: email.key(),
        not_reached: NOT_REACHED,
    })
}

/// `POST /customers/forget`
pub(super) async fn send(sent: Sent) -> HttpResponse {
    sent.by_form(async |state, by, _, form| {
        let forgotten = done(state, &address(form.field("email"))?, form.field("anyway") == "yes", by).await?;
        let word = if matches!(forgotten.cleansed, Some(Err(_))) { "forget_some" } else { "forget" };
        Ok((customer_path(&forgotten.pseudonym.unwrap_or_default()), word.to_owned()))
    })
    .await
}
