//! `send`: signs webhook bodies as their provider would, and posts them.

mod example;
mod set;
mod tally;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;

use self::example::{Choices, Example, Turn};
use self::tally::Tally;
use super::Verdict;
use super::bar::Bar;
use super::bodies::{self, Body};
use super::configuration::{ConfigFile, local_url, webhook_path};
use super::http_client::{HttpClient, NoAnswer, Reply, Url, parse_url};
use super::output;
use super::process::block_on;
use crate::clock::Clock;
use crate::domain::provider::ProviderKind;
use crate::domain::secret::Secret;
use crate::providers::provider;

/// Most requests of one run.
const REQUESTS_MAX: u64 = 10_000_000;
/// Most requests under way at once.
const CONCURRENCY_MAX: u16 = 1024;

/// Sign webhook bodies as their provider would, and post them
///
/// Bodies are sent byte for byte, each signed when it is sent.
#[derive(clap::Args)]
#[command(long_about = long_about())]
pub(super) struct Args {
    /// Who signs
    provider: ProviderKind,
    /// Bodies: files, folders (their *.json files but expected.json, in the order of names), or - for standard input
    #[arg(required_unless_present = "example", value_name = "FILE")]
    files: Vec<String>,
    #[command(flatten)]
    example: Choices,
    /// Where to; /webhooks/PROVIDER is added to an address without a path [default: BRIDGE_URL, or where the configuration says
    /// that the bridge listens]
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    to: Option<Url>,
    #[command(flatten)]
    config: ConfigFile,
    /// Sign with this secret; others may see it in the list of processes
    #[arg(long)]
    secret: Option<String>,
    /// Send everything so many times
    #[arg(long, value_name = "N", default_value = "1")]
    repeat: NonZeroU32,
    /// Requests a second [default: as many as are answered]
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<NonZeroU32>,
    /// Requests under way at once; with 1 they arrive in order
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(CONCURRENCY_MAX)))]
    concurrency: u16,
    /// Longest wait for an answer, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3600))]
    timeout: u16,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

fn long_about() -> String {
    let variables: Vec<&str> = ProviderKind::ALL.iter().map(|kind| provider(*kind).descriptor().variables[0]).collect();
    format!(
        "Sign webhook bodies as their provider would, and post them\n\n\
         Bodies are sent byte for byte, each signed when it is sent. Prints how often\n\
         each status was answered, and how long the answers took. Exit code 1 when any\n\
         answer was not 2xx.\n\n\
         An example is a new sale at each turn: new ids, a new address, times of now.\n\
         Its events are test events, which go to test_product_id. With --live they are\n\
         real sales, and real commissions come of them where Refairn is the real one.\n\n\
         Without --secret it takes the endpoint's first secret, which is in\n\
         {}\n\
         (or in the file that the same name with _FILE at its end gives), or in the\n\
         configuration.",
        variables.join(" or "),
    )
}

/// Sends.
///
/// # Errors
/// A body or the secret is missing, or the client cannot be set up. Answers are no errors.
pub(super) fn run(args: Args) -> anyhow::Result<Verdict> {
    let kind = args.provider;
    let url = target(kind, args.to, &args.config)?;
    let secret = secret(kind, args.secret.as_deref(), &url, &args.config)?;
    let load = match args.example.find(kind, Clock::system().now())? {
        Some(example) => Load::Example(example),
        None => Load::Files(bodies::read(&args.files)?.into_iter().map(Arc::new).collect()),
    };
    let requests = u64::try_from(load.len())?.saturating_mul(u64::from(args.repeat.get()));
    if requests > REQUESTS_MAX {
        return Err(output::wrong_usage(
            format!("{requests} requests are more than the {REQUESTS_MAX} of one run"),
            "lower --repeat, or run it several times",
        ));
    }
    let client = HttpClient::new(&url, Duration::from_secs(u64::from(args.timeout)))?;
    let job = Job {
        kind,
        secret,
        load,
        repeat: args.repeat.get(),
        requests,
        url,
        rate: args.rate,
        concurrency: usize::from(args.concurrency),
        client,
    };
    let tally = block_on(async { Ok(job.run().await) })?;
    if args.json {
        output::json(&tally.report())?;
    } else {
        output::data(&tally.to_string())?;
    }
    Ok(if tally.all_fine() { Verdict::Fine } else { Verdict::NotFine })
}

/// Where to: where the caller says, else where a bridge is known to run.
fn target(kind: ProviderKind, given: Option<Url>, file: &ConfigFile) -> anyhow::Result<Url> {
    let sources = file.sources();
    let mut url = match (given, sources.bridge_url()) {
        (Some(url), _) => url,
        (None, Some(url)) => parse_url(url)
            .map_err(|why| output::wrong_usage(format!("BRIDGE_URL: {why}"), "set it to http://HOST:PORT"))?,
        (None, None) => match file.try_load() {
            Ok(config) => local_url(config.server.listen)?,
            Err(_) => {
                let hint = "give --to <URL>, or set BRIDGE_URL to the bridge's address";
                return Err(output::wrong_usage("nothing says where to send it", hint));
            }
        },
    };
    if url.path() == "/" {
        url.set_path(&format!("/webhooks/{kind}"));
    }
    Ok(url)
}

/// The secret that signs: the one given, else the environment's, else that of the endpoint to which `url` leads.
fn secret(kind: ProviderKind, given: Option<&str>, url: &Url, file: &ConfigFile) -> anyhow::Result<Secret> {
    let [variable, file_variable] = provider(kind).descriptor().variables;
    let hint = format!("give --secret, or set {variable} to the secret of the endpoint you send to");
    let parsed = |text: &str| {
        Secret::parse(text).map_err(|error| output::wrong_usage(format!("cannot sign: {error}"), hint.clone()))
    };
    if let Some(given) = given {
        return parsed(given);
    }
    let environment = file.sources().environment;
    let from_file = match environment.get(file_variable) {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
            output::wrong_usage(format!("cannot read the file that {file_variable} names: {error}"), hint.clone())
        })?),
        None => None,
    };
    let several = environment.get(variable).or(from_file.as_ref());
    let first = several.and_then(|text| text.split([',', '\n']).map(str::trim).find(|secret| !secret.is_empty()));
    if let Some(secret) = first {
        return parsed(secret);
    }
    let config = file.try_load().ok();
    let configured = config.as_ref().and_then(|config| {
        let named = config.endpoints.iter().find(|e| e.provider == kind && webhook_path(config, e) == url.path());
        named.or_else(|| config.sole_endpoint(kind))?.secrets.first().cloned()
    });
    configured.ok_or_else(|| output::wrong_usage("there is no secret to sign with", hint))
}

/// The bodies of a run.
enum Load {
    /// As they are, each turn the same.
    Files(Vec<Arc<Body>>),
    /// Made at each turn.
    Example(Example),
}

impl Load {
    /// How many a turn has.
    fn len(&self) -> usize {
        match self {
            Self::Files(bodies) => bodies.len(),
            Self::Example(example) => example.len(),
        }
    }

    /// One turn, which is told of if it is the `only` one.
    fn turn(&self, only: bool) -> Vec<Arc<Body>> {
        match self {
            Self::Files(bodies) => bodies.clone(),
            // It was made before: what is chosen has a place.
            Self::Example(example) => {
                let made = example.turn(Clock::system().now());
                let Turn { bodies, email } = made.unwrap_or_default();
                if only {
                    tell(example, email.as_deref());
                }
                bodies.into_iter().map(Arc::new).collect()
            }
        }
    }
}

/// Says what an example's turn is, and how to follow it.
fn tell(example: &Example, email: Option<&str>) {
    let whose = email.map_or_else(|| "a customer whom they do not name".to_owned(), output::line);
    let what = if example.is_live() { "real sales" } else { "test events (--live makes them real sales)" };
    output::talk(&format!("{what} of {whose}"));
}

/// What to send, and how.
struct Job {
    kind: ProviderKind,
    secret: Secret,
    load: Load,
    repeat: u32,
    requests: u64,
    url: Url,
    rate: Option<NonZeroU32>,
    concurrency: usize,
    client: HttpClient,
}

impl Job {
    /// Sends everything.
    async fn run(&self) -> Tally {
        let started = Instant::now();
        let mut tally = Tally::default();
        let mut bar = Bar::new();
        // A turn is made when it is its turn.
        let bodies = (0..self.repeat).flat_map(|_| self.load.turn(self.repeat == 1));
        let requests = (0..self.requests).zip(bodies).map(|(number, body)| self.send(started, number, body));
        let mut answers = stream::iter(requests).buffer_unordered(self.concurrency);
        while let Some((body, answer, took)) = answers.next().await {
            tally.add(&body.name, answer, took);
            bar.show("sent", tally.count(), self.requests);
        }
        bar.clear();
        tally.finish(started.elapsed());
        tally
    }

    /// Sends one body when its time has come.
    async fn send(
        &self,
        started: Instant,
        number: u64,
        body: Arc<Body>,
    ) -> (Arc<Body>, Result<Reply, NoAnswer>, Duration) {
        if let Some(rate) = self.rate {
            let due = u128::from(number) * Duration::from_secs(1).as_nanos() / u128::from(rate.get());
            let due = started + Duration::from_nanos(u64::try_from(due).unwrap_or(u64::MAX));
            tokio::time::sleep_until(due.into()).await;
        }
        let signer = provider(self.kind);
        let signature = signer.sign(self.secret.expose(), &body.bytes, Clock::system().now());
        let sent = Instant::now();
        let answer = self.client.post(&self.url, (signer.signature_header(), &signature), body.bytes.clone()).await;
        (body, answer, sent.elapsed())
    }
}
