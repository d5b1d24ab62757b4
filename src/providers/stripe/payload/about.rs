//! What every object says of its customer, and of what was sold.

use jiff::Timestamp;

use crate::domain::email::Email;
use crate::domain::sold::{Hidden, Line, Sold};
use crate::domain::text;
use crate::providers::json::Json;

/// Metadata, and since when its content has been there, where its object says so.
#[derive(Clone, Copy)]
pub(crate) struct Metadata<'a> {
    /// The metadata.
    pub(crate) data: Json<'a>,
    /// When the object was made.
    pub(crate) since: Option<Timestamp>,
    /// It belongs to the event's own object, whose changes the event reports.
    pub(crate) own: bool,
}

/// The customer an object is about, and what was sold.
#[derive(Default)]
pub(crate) struct About<'a> {
    /// The customer's id. One of the newer kind (`customer_account`) when there is no other.
    pub(crate) customer: Option<String>,
    /// Ids that other events share.
    pub(crate) keys: Vec<String>,
    /// The first address that is one.
    pub(crate) email: Option<Email>,
    /// The first name that is not blank.
    pub(crate) name: Option<String>,
    /// The metadata of the object and of those inside of it, the nearest first.
    pub(crate) metadata: Vec<Metadata<'a>>,
    /// A session's `client_reference_id`, and when the session was made.
    pub(crate) client_reference: Option<(&'a str, Option<Timestamp>)>,
    /// What was sold.
    pub(crate) sold: Sold,
}

impl<'a> About<'a> {
    /// What an object's own `metadata` and its `customer` say, expanded or not. A customer lives long: since when its
    /// metadata holds something is not told by when it was made.
    pub(crate) fn read(object: Json<'a>) -> Self {
        let customer = object.get("customer");
        let own = Metadata { data: object.get("metadata"), since: object.get("created").unix_time(), own: true };
        let of_customer = Metadata { data: customer.get("metadata"), since: None, own: false };
        let mut about = Self {
            customer: customer.id().or_else(|| object.get("customer_account").id()),
            metadata: vec![own, of_customer],
            ..Self::default()
        };
        about.add_key(about.customer.clone());
        about
    }

    /// A customer object. One that was just made has had its metadata since then.
    pub(crate) fn customer_itself(object: Json<'a>, is_new: bool) -> Self {
        let since = object.get("created").unix_time().filter(|_| is_new);
        let own = Metadata { data: object.get("metadata"), since, own: true };
        let mut about = Self { customer: object.get("id").id(), metadata: vec![own], ..Self::default() };
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

    /// Adds the metadata of an object inside of this one, which have been there since `since`.
    pub(crate) fn add_metadata(&mut self, data: Json<'a>, since: Option<Timestamp>) {
        self.metadata.push(Metadata { data, since, own: false });
    }

    /// Notes what was sold: the lines of a list, and what the list says of lines that it leaves out. `whole` is the most
    /// that all lines weigh together.
    pub(crate) fn set_sold(&mut self, list: Json<'a>, whole: Option<i64>, line: impl Fn(Json<'a>) -> Line) {
        let lines: Vec<Line> = list.get("data").items().map(line).collect();
        let seen = lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(line.weight?));
        let hidden = || Hidden {
            total: list.get("total_count").integer().and_then(|count| u32::try_from(count).ok()),
            weight: whole.zip(seen).and_then(|(whole, seen)| whole.checked_sub(seen)),
        };
        let hidden = (list.get("has_more").flag() == Some(true)).then(hidden);
        self.sold = Sold { lines, hidden };
    }
}

/// The ids of one line or item: price, product, plan.
pub(crate) fn sold_in(line: Json<'_>) -> Vec<String> {
    let (price, details, plan) = (line.get("price"), line.at("pricing.price_details"), line.get("plan"));
    [price, details.get("price"), price.get("product"), details.get("product"), plan.get("product"), plan]
        .into_iter()
        .filter_map(Json::id)
        .collect()
}

/// A name, in one line.
pub(crate) fn name(json: Json<'_>) -> Option<String> {
    text::name(json.text()?)
}
