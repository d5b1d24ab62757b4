//! What the API is, for programs: an OpenAPI document, made from the types that it answers with.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required, Response,
    ResponseBuilder, Schema,
};

use super::parameters::Parameters;
use super::problem::Problem;
use crate::api;
use crate::domain::access::{ACCESS_DAYS_MAX, NAME_CHARS_MAX, Role};
use crate::domain::audit::{Decision, NOTE_CHARS_MAX};
use crate::domain::delivery::{DeliveryState, Fate, Kind};
use crate::domain::event::{EventState, Origin};
use crate::domain::mode::Mode;
use crate::domain::provider::ProviderKind;
use crate::domain::reconciliation::Comparison;
use crate::store::queries::PAGE_ITEMS_MAX;
use crate::store::search::SOUGHT_CHARS_MIN;

/// Where the API begins.
const PREFIX: &str = "/api/v1";
/// What names the token among the ways to be let in.
const TOKEN: &str = "admin_token";

/// What may be done at a path.
struct Operation {
    verb: HttpMethod,
    /// From `/api/v1` on; what stands in braces is a text of the caller's.
    path: &'static str,
    about: &'static str,
    takes: &'static [(&'static str, Takes)],
    /// What is sent in the body, as JSON.
    body: Option<fn() -> Shape>,
    answer: Answer,
}

/// What a parameter of the query takes.
#[derive(Clone, Copy)]
enum Takes {
    /// Any text.
    Text,
    /// A text of so many characters and more. What is empty around it does not count.
    Sought(usize),
    /// A line of so many characters at most. What is empty around it does not count.
    Line(usize),
    /// Somebody's name, as a token has it.
    Name,
    /// One of a list of codes.
    Code(fn() -> Vec<&'static str>),
    /// A day, as `2026-10-01`.
    Day,
    /// A month, as `2026-10`.
    Month,
    /// `true` or `false`, or `yes` or `no`.
    Flag,
    /// How many items a page has.
    PageItems,
    /// A number from 1 to this.
    Number(u32),
    /// An id of ours, with this prefix.
    Id(&'static str),
    /// What `next` says of the page before.
    Next,
}

/// What a path answers.
#[derive(Clone, Copy)]
enum Answer {
    /// JSON of a type.
    Json(fn() -> Shape),
    /// Server-sent events.
    Events,
    /// JSON that is described elsewhere.
    Any,
}

/// A type of an answer: its name, and all types that it names, itself among them.
struct Shape {
    name: String,
    schemas: Vec<(String, RefOr<Schema>)>,
}

fn shape<T: ToSchema>() -> Shape {
    let name = T::name().into_owned();
    let mut schemas = vec![(name.clone(), T::schema())];
    T::schemas(&mut schemas);
    Shape { name, schemas }
}

const EVENT_FILTER: &[(&str, Takes)] = &[
    ("limit", Takes::PageItems),
    ("state", Takes::Code(|| codes(EventState::ALL, EventState::code))),
    ("type", Takes::Text),
    ("endpoint", Takes::Text),
    ("attention", Takes::Flag),
    ("origin", Takes::Code(|| codes(Origin::ALL, Origin::code))),
    ("after", Takes::Id("evt_")),
];
const DELIVERY_FILTER: &[(&str, Takes)] = &[
    ("limit", Takes::PageItems),
    ("state", Takes::Code(|| codes(DeliveryState::ALL, DeliveryState::code))),
    ("attention", Takes::Flag),
    ("email", Takes::Text),
    ("kind", Takes::Code(|| codes(Kind::ALL, Kind::code))),
    ("fate", Takes::Code(|| codes(Fate::ALL, Fate::code))),
    ("after", Takes::Id("dlv_")),
];
const PAYMENT_FILTER: &[(&str, Takes)] = &[
    ("limit", Takes::PageItems),
    ("from", Takes::Day),
    ("to", Takes::Day),
    ("agent", Takes::Text),
    ("code", Takes::Text),
    ("mode", Takes::Code(|| codes(&[Mode::Live, Mode::Test], Mode::code))),
    ("fate", Takes::Code(|| codes(Fate::ALL, Fate::code))),
    ("after", Takes::Id("dlv_")),
    ("totals", Takes::Code(|| vec!["true", "false", "yes", "no"])),
];
const BACKFILL: &[(&str, Takes)] = &[
    ("provider", Takes::Code(|| codes(ProviderKind::ALL, ProviderKind::code))),
    ("endpoint", Takes::Text),
    ("since", Takes::Day),
    ("until", Takes::Day),
    NOTE,
];

const RECONCILIATION: &[(&str, Takes)] = &[
    ("provider", Takes::Code(|| codes(ProviderKind::ALL, ProviderKind::code))),
    ("endpoint", Takes::Text),
    ("month", Takes::Month),
    ("from", Takes::Day),
    ("to", Takes::Day),
];
const COMPARED_FILTER: &[(&str, Takes)] = &[
    ("comparison", Takes::Code(|| codes(Comparison::ALL, Comparison::code))),
    ("limit", Takes::PageItems),
    ("after", Takes::Next),
];

const NOTE: (&str, Takes) = ("note", Takes::Line(NOTE_CHARS_MAX));
const AUDIT_FILTER: &[(&str, Takes)] = &[
    ("limit", Takes::PageItems),
    ("who", Takes::Text),
    ("decision", Takes::Code(|| codes(Decision::ALL, Decision::code))),
    ("item", Takes::Text),
    ("after", Takes::Id("aud_")),
];
const ACCESS: &[(&str, Takes)] = &[
    ("name", Takes::Name),
    ("role", Takes::Code(|| codes(Role::ALL, Role::code))),
    ("days", Takes::Number(ACCESS_DAYS_MAX)),
    ("business", Takes::Text),
    NOTE,
];

/// Every path of the API. A test holds them and what they take beside what the routes do.
#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    get("/events", "What came in, the newest first.", EVENT_FILTER, Answer::Json(shape::<api::EventPage>)),
    get("/events/changed", "What today's reading would read otherwise. Nothing of it is told.", &[("after", Takes::Id("evt_"))], Answer::Json(shape::<api::ChangedPage>)),
    get("/events/{id}", "An event with its body and its calls, by our id or the provider's.", &[], Answer::Json(shape::<api::EventDetail>)),
    post("/events/{id}/remap", "Reads an event again.", &[NOTE], Answer::Json(shape::<api::EventDetail>)),
    get("/deliveries", "The calls to Refairn, the newest first.", DELIVERY_FILTER, Answer::Json(shape::<api::DeliveryPage>)),
    get("/deliveries/{id}", "A call with its attempts.", &[], Answer::Json(shape::<api::Delivery>)),
    post("/deliveries/{id}/retry", "Sends a call again.", &[NOTE], Answer::Json(shape::<api::Delivery>)),
    post("/deliveries/{id}/release", "Sends a call that is held.", &[NOTE], Answer::Json(shape::<api::Delivery>)),
    post("/deliveries/{id}/discard", "Says that a call is seen to, or never to be sent.", &[NOTE], Answer::Json(shape::<api::Delivery>)),
    get("/search", "Where something is: a part of an address, a code, any id.", &[("q", Takes::Sought(SOUGHT_CHARS_MIN))], Answer::Json(shape::<api::SearchPage>)),
    get("/why", "Why a payment credited whom it did.", &[("q", Takes::Sought(1)), ("business", Takes::Text)], Answer::Json(shape::<api::Why>)),
    get("/customers/{email}", "A customer's story.", &[("business", Takes::Text), ("payment", Takes::Id("dlv_")), ("everything", Takes::Flag)], Answer::Json(shape::<api::CustomerStory>)),
    told("/customers/forget", "Forgets a customer, with a receipt.", shape::<api::ForgetRequest>, Answer::Json(shape::<api::ForgetReceipt>)),
    get("/payments", "Payments by the day on which they were paid.", PAYMENT_FILTER, Answer::Json(shape::<api::PaymentPage>)),
    get("/backfills", "Backfills, the newest first.", &[], Answer::Json(shape::<api::BackfillPage>)),
    post("/backfills", "Lists at a provider what was missed. Nothing is recorded before somebody says so.", BACKFILL, Answer::Json(shape::<api::Backfill>)),
    get("/backfills/{id}", "A backfill.", &[], Answer::Json(shape::<api::Backfill>)),
    post("/backfills/{id}/record", "Records what a backfill listed.", &[NOTE], Answer::Json(shape::<api::Backfill>)),
    post("/backfills/{id}/discard", "Leaves what a backfill listed.", &[NOTE], Answer::Json(shape::<api::Backfill>)),
    get("/reconciliations", "Comparisons with a provider's list, the newest first.", &[], Answer::Json(shape::<api::ReconciliationPage>)),
    post("/reconciliations", "Compares days with a provider's list: a month, or from and to.", RECONCILIATION, Answer::Json(shape::<api::Reconciliation>)),
    get("/reconciliations/{id}", "A comparison.", &[], Answer::Json(shape::<api::Reconciliation>)),
    get("/reconciliations/{id}/payments", "Payments on both sides.", COMPARED_FILTER, Answer::Json(shape::<api::ComparedPage>)),
    get("/stats", "The state of everything in a few numbers.", &[], Answer::Json(shape::<api::Stats>)),
    get("/stream", "Tells when there is something new to see.", &[], Answer::Events),
    get("/audit", "Who decided what, the newest decision first.", AUDIT_FILTER, Answer::Json(shape::<api::AuditPage>)),
    get("/access", "Tokens that were given.", &[], Answer::Json(shape::<api::AccessPage>)),
    post("/access", "Gives a token. Only this answer has it.", ACCESS, Answer::Json(shape::<api::NewAccess>)),
    post("/access/{name}/revoke", "Takes a token back.", &[NOTE], Answer::Json(shape::<api::AccessPage>)),
    post("/alerts/test", "Sends a message to every place where alerts go.", &[NOTE], Answer::Json(shape::<api::AlertTest>)),
    get("/openapi.json", "This document.", &[], Answer::Any),
];

const fn get(
    path: &'static str,
    about: &'static str,
    takes: &'static [(&'static str, Takes)],
    answer: Answer,
) -> Operation {
    Operation { verb: HttpMethod::Get, path, about, takes, body: None, answer }
}

const fn post(
    path: &'static str,
    about: &'static str,
    takes: &'static [(&'static str, Takes)],
    answer: Answer,
) -> Operation {
    Operation { verb: HttpMethod::Post, path, about, takes, body: None, answer }
}

/// A POST that says what it is about in its body: an address does not belong into a path, which servers log.
const fn told(path: &'static str, about: &'static str, body: fn() -> Shape, answer: Answer) -> Operation {
    Operation { verb: HttpMethod::Post, path, about, takes: &[], body: Some(body), answer }
}

/// It is the same as long as the process runs.
static DOCUMENT: LazyLock<Result<String, serde_json::Error>> = LazyLock::new(|| document().to_json());

/// `GET /api/v1/openapi.json`
pub(super) async fn openapi(query: Parameters) -> Result<HttpResponse, Problem> {
    query.close()?;
    match &*DOCUMENT {
        Ok(json) => Ok(HttpResponse::Ok().content_type("application/json").body(json.as_str())),
        // Nothing of it comes from outside.
        Err(_) => Err(Problem::internal()),
    }
}

/// What the document says first.
const ABOUT: &str = "What the bridge has recorded and told, and what an operator may do about it. Codes may be added, and so may \
                     fields: a reader ignores those that it does not know.";

fn document() -> OpenApi {
    let mut components = ComponentsBuilder::new()
        .security_scheme(TOKEN, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .schemas_from_iter(shape::<api::Problem>().schemas);
    let mut paths = Paths::new();
    for operation in OPERATIONS {
        if let Answer::Json(shape) = operation.answer {
            components = components.schemas_from_iter(shape().schemas);
        }
        if let Some(body) = operation.body {
            components = components.schemas_from_iter(body().schemas);
        }
        paths.add_path_operation(
            format!("{PREFIX}{}", operation.path),
            vec![operation.verb.clone()],
            described(operation),
        );
    }
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("refairn-bridge").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT)))
        .paths(paths)
        .components(Some(components.build()))
        .security(Some([SecurityRequirement::new(TOKEN, Vec::<String>::new())]))
        .build()
}

fn described(operation: &Operation) -> OperationBuilder {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| parameter(name, ParameterIn::Path, Takes::Text));
    let in_query = operation.takes.iter().map(|(name, takes)| parameter(name, ParameterIn::Query, *takes));
    let parameters: Vec<Parameter> = in_path.chain(in_query).collect();
    OperationBuilder::new()
        .summary(Some(operation.about))
        .parameters(Some(parameters))
        .request_body(operation.body.map(|body| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(body().name))).build();
            RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True)).build()
        }))
        .response("200", answered(operation.answer))
        .response("default", problem())
}

fn answered(answer: Answer) -> Response {
    let json = |schema: RefOr<Schema>| ("application/json", ContentBuilder::new().schema(Some(schema)).build());
    let (kind, content) = match answer {
        Answer::Json(shape) => json(Ref::from_schema_name(shape().name).into()),
        Answer::Any => json(Object::new().into()),
        Answer::Events => ("text/event-stream", ContentBuilder::new().build()),
    };
    ResponseBuilder::new().description("It is so.").content(kind, content).build()
}

/// Any other answer.
fn problem() -> Response {
    let schema = Ref::from_schema_name(api::Problem::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description("What is wrong, and what to do.")
        .content("application/problem+json", content)
        .build()
}

/// The parameters that a path cannot do without.
const REQUIRED: &[&str] = &["q", "provider", "since", "name", "role", "days"];

fn parameter(name: &str, place: ParameterIn, takes: Takes) -> Parameter {
    let is_required = place == ParameterIn::Path || REQUIRED.contains(&name);
    let (required, schema) = if is_required {
        (Required::True, Schema::Object(value(takes)))
    } else {
        // As browsers send a field that nobody filled.
        let empty = ObjectBuilder::new().schema_type(Type::String).max_length(Some(0)).build();
        (Required::False, AnyOfBuilder::new().item(value(takes)).item(empty).build().into())
    };
    ParameterBuilder::new().name(name).parameter_in(place).required(required).schema(Some(schema)).build()
}

fn value(takes: Takes) -> Object {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let number =
        |most: u32| ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(f64::from(most)));
    match takes {
        Takes::Text => text(),
        Takes::Sought(..=1) => text().pattern(Some(r"\S")),
        Takes::Sought(chars) => text().pattern(Some(format!(r"\S[\s\S]{{{},}}\S", chars.saturating_sub(2)))),
        Takes::Line(chars) => {
            let (blank, plain) = (r"[\t\n\x0b\x0c\r ]*", r"[^\x00-\x1f\x7f-\x9f]");
            text().pattern(Some(format!("^{blank}{plain}{{0,{chars}}}{blank}$")))
        }
        Takes::Name => text().pattern(Some(format!("^[A-Za-z0-9._-]{{1,{NAME_CHARS_MAX}}}$"))),
        Takes::Code(codes) => text().enum_values(Some(codes())),
        Takes::Day => text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))),
        Takes::Month => text().pattern(Some("^[0-9]{4}-(0[1-9]|1[0-2])$")),
        Takes::Flag => {
            ObjectBuilder::new().schema_type(Type::Boolean).description(Some("`yes` and `no` say the same."))
        }
        Takes::PageItems => number(PAGE_ITEMS_MAX),
        Takes::Number(most) => number(most),
        Takes::Next => text().pattern(Some("^-?[0-9]{1,17} .*$")),
        Takes::Id(prefix) => text().pattern(Some(format!("^({prefix})?[1-9][0-9]{{0,17}}$"))),
    }
    .build()
}

fn codes<T: Copy>(all: &[T], code: impl Fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|item| code(*item)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `/deliveries/{id}/{action}` is one route, and each of its actions is described.
    fn route(path: &str) -> String {
        let is_action = path.contains("{id}/") && ["/deliveries/", "/backfills/"].iter().any(|of| path.starts_with(of));
        if is_action {
            format!("{}/{{action}}", path.rsplit_once('/').map_or("", |(of, _)| of))
        } else {
            path.to_owned()
        }
    }

    #[test]
    fn every_route_is_described_and_no_other() {
        let (_, of_api) = include_str!("mod.rs").split_once("web::scope(API)").unwrap();
        let (of_api, _) = of_api.split_once("default_service(web::to(no_such_call))").unwrap();
        let routes: BTreeSet<_> =
            of_api.split('"').filter_map(|text| text.strip_prefix(PREFIX)).map(str::to_owned).collect();
        let described: BTreeSet<_> = OPERATIONS.iter().map(|operation| route(operation.path)).collect();
        assert_eq!(described, routes);
    }
}
