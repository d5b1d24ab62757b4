//! Set-up: what to paste where, what has arrived, what was refused, and what deserves a look.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::frame::{Asked, Frame, answer};
use super::view::{ActionForm, Lens, Verb};
use super::words::Moment;
use crate::domain::endpoint::Endpoint;
use crate::domain::mode::Mode;
use crate::http::form::is_secure;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::rights::{self, REVOKE};
use crate::http::script;
use crate::http::{AppState, Shared};
use crate::providers::provider;
use crate::store::access::Access;

/// A way in, or the way out to Refairn.
pub(super) struct Pipe {
    pub(super) name: String,
    pub(super) last: Option<Moment>,
    /// `good`, `waits` or `quiet`.
    pub(super) tone: &'static str,
    pub(super) words: String,
}

/// Where webhooks come in, and where calls go out.
pub(super) async fn pipes(state: &Shared, asked: &Asked) -> Result<Vec<Pipe>, Problem> {
    let lens = Lens::of(state);
    let stats = &asked.now.stats;
    let refused = |name: &str| {
        let of_endpoint = stats.refused_requests.iter().filter(|refused| refused.endpoint.as_deref() == Some(name));
        of_endpoint.map(|refused| refused.times).sum::<u64>()
    };
    let mut pipes: Vec<Pipe> = stats
        .last_webhooks
        .iter()
        .map(|last| Pipe {
            name: format!("{} {}", last.endpoint, last.mode),
            last: last.at.map(|at| lens.ago(at)),
            tone: if last.at.is_some() { "good" } else { "quiet" },
            words: match (last.at, refused(&last.endpoint)) {
                // A refused request does not say in which mode it was sent.
                (_, n) if n > 0 && last.mode == Mode::Live.code() => format!("{n} refused since the start"),
                (None, _) => "no webhook yet".to_owned(),
                (Some(_), _) => String::new(),
            },
        })
        .collect();
    pipes.extend(stats.routes.iter().map(|route| Pipe {
        name: format!("Refairn {}", route.product),
        last: None,
        tone: if route.state == "open" { "good" } else { "waits" },
        words: route.detail.clone().unwrap_or_else(|| route.state.clone()),
    }));
    Ok(pipes)
}

/// A configured endpoint, and what its provider has to be told.
struct Setting {
    name: String,
    title: &'static str,
    url: String,
    page: &'static str,
    note: &'static str,
    secret: &'static str,
    events: Vec<&'static str>,
    manual_capture: &'static str,
    live: Option<Moment>,
    test: Option<Moment>,
    has_test_product: bool,
    looks_up: bool,
}

/// Requests that were refused.
struct Refused {
    at: Moment,
    place: String,
    reason: String,
    source: String,
    times: u64,
}

#[derive(Template)]
#[template(path = "set_up.html")]
struct Page<'a> {
    frame: Frame,
    settings: Vec<Setting>,
    script_line: String,
    code_came: bool,
    pipes: Vec<Pipe>,
    refused: Vec<Refused>,
    warnings: &'a [String],
    unnamed_proxy: String,
    zone: String,
    store: String,
    refairn: &'a str,
    is_local: bool,
    people: Vec<Person>,
    may_give_access: bool,
    places: &'a [&'static str],
}

impl Page<'_> {
    fn send_a_test(&self) -> ActionForm<'_> {
        let verb = Verb { action: "test", words: "Send a test".to_owned(), asks_why: false };
        let (csrf, back) = (&self.frame.csrf, &self.frame.here);
        let (path, about) = ("/alerts".to_owned(), "alerts");
        ActionForm { path, verbs: vec![verb], asks_why: false, csrf, back, about }
    }

    fn take_back<'a>(&'a self, person: &'a Person) -> ActionForm<'a> {
        let verb = Verb { action: "revoke", words: "Take back".to_owned(), asks_why: false };
        let (csrf, back) = (&self.frame.csrf, &self.frame.here);
        let path = format!("/access/{}", person.name);
        ActionForm { path, verbs: vec![verb], asks_why: false, csrf, back, about: &person.name }
    }
}

/// Somebody with access.
struct Person {
    name: String,
    role: String,
    business: String,
    since: Moment,
    ends: Moment,
    by: String,
}

/// Those whose tokens hold.
async fn people(state: &Shared, lens: &Lens<'_>) -> Result<Vec<Person>, Problem> {
    let in_force = state.store.access_in_force(lens.now).await?;
    let person = |access: Access| Person {
        name: access.who.name,
        role: access.who.role.to_string(),
        business: access.who.business.unwrap_or_default(),
        since: lens.moment(access.created_at),
        ends: lens.moment(access.ends_at),
        by: access.created_by,
    };
    Ok(in_force.into_iter().map(person).collect())
}

/// `GET /set-up`
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::of(&state, &request, &mut query).await?;
    query.close()?;
    let lens = Lens::of(&state);
    let base = base(&request);
    let settings = state.endpoints.iter().map(|endpoint| setting(&state, &asked, endpoint, &base)).collect();
    let refused = asked.now.stats.refused_requests.iter().map(|refused| Refused {
        at: lens.moment(refused.at),
        place: refused.endpoint.clone().or_else(|| refused.path.clone()).unwrap_or_default(),
        reason: refused.reason.clone(),
        source: refused.source.map(|source| source.to_string()).unwrap_or_default(),
        times: refused.times,
    });
    let proxy = asked.now.stats.unnamed_proxy.map(|address| address.to_string());
    answer(&Page {
        frame: asked.frame(&state, "set-up", "Set-up"),
        settings,
        script_line: format!("<script src=\"{base}{}\" async></script>", script::PATH),
        code_came: asked.now.stats.code_came,
        pipes: pipes(&state, &asked).await?,
        refused: refused.collect(),
        warnings: &state.warnings,
        unnamed_proxy: proxy.unwrap_or_default(),
        zone: state.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        store: state.store.home().place.clone(),
        refairn: &state.refairn_url,
        places: &state.alerts.names,
        people: people(&state, &lens).await?,
        may_give_access: rights::may_post(REVOKE, &asked.caller().who),
        is_local: base.contains("://127.0.0.1") || base.contains("://localhost"),
    })
}

/// Where the browser found us; providers may have to come another way.
fn base(request: &HttpRequest) -> String {
    let info = request.connection_info();
    let scheme = if is_secure(request) { "https" } else { info.scheme() };
    format!("{scheme}://{}", info.host())
}

fn setting(state: &Shared, asked: &Asked, endpoint: &Endpoint, base: &str) -> Setting {
    let lens = Lens::of(state);
    let of_provider = provider(endpoint.provider);
    let descriptor = of_provider.descriptor();
    let wanted = of_provider.wanted_events(&endpoint.rules);
    let is_sole = state.endpoints.iter().filter(|other| other.provider == endpoint.provider).count() == 1;
    let path = if is_sole && endpoint.name == endpoint.provider.code() {
        format!("/webhooks/{}", endpoint.provider)
    } else {
        format!("/webhooks/{}/{}", endpoint.provider, endpoint.name)
    };
    let last = |mode: &str| {
        let mut of_endpoint = asked.now.stats.last_webhooks.iter().filter(|last| last.endpoint == endpoint.name);
        of_endpoint.find(|last| last.mode == mode).and_then(|last| last.at).map(|at| lens.ago(at))
    };
    Setting {
        name: endpoint.name.clone(),
        title: descriptor.title,
        url: format!("{base}{path}"),
        page: descriptor.dashboard.page,
        note: descriptor.dashboard.url_note.unwrap_or_default(),
        secret: descriptor.dashboard.secret,
        events: wanted.tick,
        manual_capture: wanted.for_manual_capture.unwrap_or_default(),
        live: last("live"),
        test: last("test"),
        has_test_product: endpoint.rules.test_product_id.is_some(),
        looks_up: endpoint.api_key.is_some(),
    }
}
