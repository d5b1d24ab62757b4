//! Customers: the newest, each with what was told of them last.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::frame::{Asked, Frame, answer};
use super::view::{Lens, Row, customer_path};
use crate::domain::customer::CustomerKey;
use crate::http::api::page_is_full;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::{AppState, Shared};
use crate::store::queries::DeliveryView;

/// Customers of a page.
const PAGE_ITEMS: u32 = 50;

/// A customer in a list.
pub(super) struct CustomerRow {
    pub(super) path: String,
    pub(super) email: String,
    pub(super) business: String,
    pub(super) payments: usize,
    pub(super) last: Option<Row>,
}

/// Customers with their last payments, in the order given.
pub(super) async fn rows(state: &Shared, customers: &[CustomerKey]) -> Result<Vec<CustomerRow>, Problem> {
    let lens = Lens::of(state);
    let mut payments: HashMap<CustomerKey, Vec<DeliveryView>> = HashMap::new();
    for view in state.store.payments_of_customers(customers).await? {
        let key = CustomerKey { business: view.business.clone(), email_key: view.delivery.call.email().key() };
        payments.entry(key).or_default().push(view);
    }
    let row = |key: &CustomerKey| {
        let of_customer = payments.get(key).map(Vec::as_slice).unwrap_or_default();
        let last = of_customer.iter().max_by_key(|view| (view.delivery.at, view.delivery.id));
        CustomerRow {
            path: customer_path(key),
            email: last.map_or_else(|| key.email_key.clone(), |view| view.delivery.call.email().as_given().to_owned()),
            business: key.business.clone(),
            payments: of_customer.len(),
            last: last.map(|view| lens.row(view)),
        }
    };
    Ok(customers.iter().map(row).collect())
}

#[derive(Template)]
#[template(path = "customers.html")]
struct Page {
    frame: Frame,
    rows: Vec<CustomerRow>,
    next: String,
    is_first: bool,
}

/// `GET /customers`
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::of(&state, &request, &mut query).await?;
    let number = |text: &str| text.parse::<i64>().ok().filter(|n| *n > 0);
    let after = query.parsed("after", "the number of a customer", number)?;
    query.close()?;
    let found = state.store.customers(asked.caller().business(), after, PAGE_ITEMS).await?;
    let next = found.last().map(|(id, _)| id.to_string()).filter(|_| page_is_full(found.len(), PAGE_ITEMS));
    let keys: Vec<CustomerKey> = found.into_iter().map(|(_, key)| key).collect();
    let frame = asked.frame(&state, "customers", "Customers");
    answer(&Page { frame, rows: rows(&state, &keys).await?, next: next.unwrap_or_default(), is_first: after.is_none() })
}
