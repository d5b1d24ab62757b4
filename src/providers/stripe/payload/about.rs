//! What every object says of whom it is about, and of what was sold.

use std::cmp::Reverse;

use crate::domain::email::Email;
use crate::domain::text;
use crate::providers::json::Json;

/// Whom an object is about, and what was sold.
#[derive(Default)]
pub(crate) struct About<'a> {
    /// The customer's id; of the newer kind (`customer_account`) when there is no other.
    pub(crate) customer: Option<String>,
    /// Ids that other events share.
    pub(crate) keys: Vec<String>,
    /// The first address that is one.
    pub(crate) email: Option<Email>,
    /// The first name that is not blank.
    pub(crate) name: Option<String>,
    /// The metadata of the object and of those inside of it, the nearest first.
    pub(crate) metadata: Vec<Json<'a>>,
    /// A session's `client_reference_id`.
    pub(crate) client_reference: Option<&'a str>,
    /// Ids of prices, products and plans, the weightiest first.
    pub(crate) sold: Vec<String>,
}

impl<'a> About<'a> {
    /// What an object's own `metadata` and its `customer` say, expanded or not.
    pub(crate) fn read(object: Json<'a>) -> Self {
        let customer = object.get("customer");
        let mut about = Self {
            customer: customer.id().or_else(|| object.get("customer_account").id()),
            metadata: vec![object.get("metadata"), customer.get("metadata")],
            ..Self::default()
        };
        about.add_key(about.customer.clone());
        about
    }

    /// A customer object.
    pub(crate) fn customer_itself(object: Json<'a>) -> Self {
        let mut about =
            Self { customer: object.get("id").id(), metadata: vec![object.get("metadata")], ..Self::default() };
        about.add_key(about.customer.clone());
        about.find_email([object.get("email")]);
        about.find_name(object);
        about
    }

    /// Adds an id that other events share.
    pub(crate) fn add_key(&mut self, key: Option<String>) {
        if let Some(key) = key.filter(|k| !self.keys.contains(k)) {
            self.keys.push(key);
        }
    }

    /// Takes the first of these that is an address, unless there is one already.
    pub(crate) fn find_email<const N: usize>(&mut self, places: [Json<'_>; N]) {
        self.email = self.email.take().or_else(|| places.iter().find_map(|p| Email::parse(p.text()?)));
    }

    /// Takes the name that stands in this object, unless there is one already.
    pub(crate) fn find_name(&mut self, holder: Json<'_>) {
        let found = ["name", "individual_name", "business_name"].iter().find_map(|key| name(holder.get(key)));
        self.name = self.name.take().or(found);
    }

    /// Takes the address and the name of an expanded customer, unless nearer ones are known.
    pub(crate) fn find_in_customer(&mut self, object: Json<'_>) {
        let customer = object.get("customer");
        self.find_email([customer.get("email")]);
        self.find_name(customer);
    }

    /// Notes what was sold, given each line with its weight: the heaviest first, equals as they stand.
    pub(crate) fn set_sold(&mut self, lines: impl Iterator<Item = (i64, Json<'a>)>) {
        let mut lines: Vec<(i64, Json<'a>)> = lines.collect();
        lines.sort_by_key(|(weight, _)| Reverse(*weight));
        for sold in lines.iter().flat_map(|(_, line)| sold_in(*line)) {
            if !self.sold.contains(&sold) {
                self.sold.push(sold);
            }
        }
    }
}

/// The ids of one line or item: price, product, plan.
fn sold_in(line: Json<'_>) -> impl Iterator<Item = String> {
    let (price, details, plan) = (line.get("price"), line.at("pricing.price_details"), line.get("plan"));
    [price, details.get("price"), price.get("product"), details.get("product"), plan.get("product"), plan]
        .into_iter()
        .filter_map(Json::id)
}

/// A name, in one line.
pub(crate) fn name(json: Json<'_>) -> Option<String> {
    text::name(json.text()?)
}
