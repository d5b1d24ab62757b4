//! Counters and gauges for scrapers. Labels are codes of closed lists, and endpoint names of the configuration.

use std::sync::LazyLock;

use jiff::Timestamp;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::domain::mode::Mode;
use crate::domain::reason::Reason;
use crate::store::stats::Stats;

/// The process's metrics.
pub(super) struct Metrics {
    registry: Registry,
    pub(super) door: Door,
    pub(super) mapped: IntCounterVec,
    pub(super) calls: IntCounterVec,
    pub(super) call_seconds: Histogram,
    pub(super) lookups: IntCounterVec,
    pub(super) reconciliations: IntCounterVec,
    pub(super) store_failures: IntCounterVec,
    pub(super) crowds: IntCounter,
    pub(super) log_lines_dropped: IntCounter,
    pub(super) panics: IntCounter,
    pub(super) clock_skew: Gauge,
    stored: Stored,
}

/// Who comes, and what they are answered.
pub(super) struct Door {
    pub(super) webhooks: IntCounterVec,
    pub(super) webhook_seconds: Histogram,
    pub(super) disconnected: IntCounterVec,
    pub(super) admin_refused: IntCounterVec,
}

/// What the store holds, set each time someone asks.
struct Stored {
    events: IntGaugeVec,
    deliveries: IntGaugeVec,
    payments: IntGaugeVec,
    attention: IntGaugeVec,
    compared: IntGaugeVec,
    routes_paused: IntGaugeVec,
    oldest_unread: Gauge,
    oldest_due: Gauge,
}

/// Made once; names and labels are constants, so making them cannot fail.
pub(super) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let metrics = Metrics::new();
    // A counter that appears with its first count does not grow, to those who look: these are alerted on.
    for reason in ["missing", "wrong", "too_many_wrong"] {
        metrics.door.admin_refused.with_label_values(&[reason]);
    }
    metrics.store_failures.with_label_values(&["record"]);
    metrics
});

#[expect(clippy::expect_used, reason = "names and labels are constants, which the first test run would catch")]
fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let metric = IntCounterVec::new(Opts::new(name, help), labels).expect("a valid metric");
    registry.register(Box::new(metric.clone())).expect("a metric registered once");
    metric
}

#[expect(clippy::expect_used, reason = "names and labels are constants, which the first test run would catch")]
fn plain_counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    let metric = IntCounter::new(name, help).expect("a valid metric");
    registry.register(Box::new(metric.clone())).expect("a metric registered once");
    metric
}

#[expect(clippy::expect_used, reason = "names and labels are constants, which the first test run would catch")]
fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let metric = IntGaugeVec::new(Opts::new(name, help), labels).expect("a valid metric");
    registry.register(Box::new(metric.clone())).expect("a metric registered once");
    metric
}

#[expect(clippy::expect_used, reason = "names and labels are constants, which the first test run would catch")]
fn seconds(registry: &Registry, name: &str, help: &str) -> Gauge {
    let metric = Gauge::new(name, help).expect("a valid metric");
    registry.register(Box::new(metric.clone())).expect("a metric registered once");
    metric
}

#[expect(clippy::expect_used, reason = "names and labels are constants, which the first test run would catch")]
fn histogram(registry: &Registry, name: &str, help: &str) -> Histogram {
    let metric = Histogram::with_opts(HistogramOpts::new(name, help)).expect("a valid metric");
    registry.register(Box::new(metric.clone())).expect("a metric registered once");
    metric
}

fn reconciliations(registry: &Registry) -> IntCounterVec {
    counter(
        registry,
        "refairn_bridge_reconciliations_total",
        "Comparisons with the providers' lists by endpoint and outcome: alike, different, failed.",
        &["endpoint", "outcome"],
    )
}

impl Metrics {
    fn new() -> Self {
        let registry = Registry::new();
        Self {
            door: Door::new(&registry),
            mapped: counter(
                &registry,
                "refairn_bridge_events_mapped_total",
                "Events read, by endpoint and what they were read as.",
                &["endpoint", "reading"],
            ),
            calls: counter(
                &registry,
                "refairn_bridge_calls_total",
                "Calls to Refairn by kind and outcome.",
                &["kind", "outcome"],
            ),
            call_seconds: histogram(&registry, "refairn_bridge_call_seconds", "How long calls to Refairn took."),
            lookups: counter(
                &registry,
                "refairn_bridge_lookups_total",
                "Look-ups at the providers by endpoint and outcome: recorded, answered, failed, refused, not_asked.",
                &["endpoint", "outcome"],
            ),
            reconciliations: reconciliations(&registry),
            store_failures: counter(
                &registry,
                "refairn_bridge_store_failures_total",
                "Reads and writes of the store that failed, by what was being done.",
                &["operation"],
            ),
            crowds: plain_counter(
                &registry,
                "refairn_bridge_crowded_customers_total",
                "Customers met by this process who have more events than one customer should.",
            ),
            log_lines_dropped: plain_counter(
                &registry,
                "refairn_bridge_log_lines_dropped_total",
                "Lines of the log that could not be written, or found no room to wait for it.",
            ),
            panics: plain_counter(
                &registry,
                "refairn_bridge_panics_total",
                "Panics: defects of the bridge, each of them logged with its place in the code.",
            ),
            clock_skew: seconds(
                &registry,
                "refairn_bridge_clock_skew_seconds",
                "How far this machine's clock is ahead of the database's; behind it when negative.",
            ),
            stored: Stored::new(&registry),
            registry,
        }
    }
}

impl Door {
    fn new(registry: &Registry) -> Self {
        Self {
            webhooks: counter(
                registry,
                "refairn_bridge_webhooks_total",
                "Webhook requests by endpoint (empty when they met none) and outcome: recorded, duplicate, or the code of \
                 the refusal.",
                &["endpoint", "outcome"],
            ),
            webhook_seconds: histogram(
                registry,
                "refairn_bridge_webhook_seconds",
                "How long answers to webhooks took.",
            ),
            disconnected: counter(
                registry,
                "refairn_bridge_disconnected_total",
                "Connections ended by the bridge, by reason: too_many_connections, slow_head, malformed_request, unread_answer.",
                &["reason"],
            ),
            admin_refused: counter(
                registry,
                "refairn_bridge_admin_refused_total",
                "Requests to the API and the metrics without the admin token, by reason: missing, wrong, too_many_wrong.",
                &["reason"],
            ),
        }
    }
}

impl Stored {
    fn new(registry: &Registry) -> Self {
        Self {
            events: gauge(registry, "refairn_bridge_events", "Events by state.", &["state"]),
            deliveries: gauge(registry, "refairn_bridge_deliveries", "Deliveries by state.", &["state"]),
            payments: gauge(
                registry,
                "refairn_bridge_payments",
                "Payments that Refairn has, by what became of them (credited, credited_nobody, credit_unknown) and mode: live, \
                 test.",
                &["fate", "mode"],
            ),
            attention: gauge(
                registry,
                "refairn_bridge_attention",
                "Deliveries that need attention, and events that could not be read or have waited too long, by reason.",
                &["reason"],
            ),
            compared: gauge(
                registry,
                "refairn_bridge_reconciliation_differences",
                "Payments that the last comparison with the provider's list found a person has to look at, without those that are \
                 held, by endpoint.",
                &["endpoint"],
            ),
            routes_paused: gauge(registry, "refairn_bridge_routes_paused", "Routes that are paused.", &[]),
            oldest_unread: seconds(
                registry,
                "refairn_bridge_oldest_unread_seconds",
                "Since when the event that is to be read next is here; 0 when all are read.",
            ),
            oldest_due: seconds(
                registry,
                "refairn_bridge_oldest_due_seconds",
                "Since when the call that is due longest has been due; 0 when none is.",
            ),
        }
    }
}

/// All metrics in the text format, with gauges set from `stats`, which are of `now`.
#[must_use]
pub fn render(stats: &Stats, now: Timestamp) -> String {
    let Metrics { registry, stored, .. } = &*METRICS;
    for (state, n) in &stats.events {
        stored.events.with_label_values(&[state]).set(*n);
    }
    for (state, n) in &stats.deliveries {
        stored.deliveries.with_label_values(&[state]).set(*n);
    }
    for (mode, fates) in [(Mode::Live, &stats.fates), (Mode::Test, &stats.test_fates)] {
        for (fate, n) in fates {
            stored.payments.with_label_values(&[fate.code(), mode.code()]).set(*n);
        }
    }
    let attention = stats.attention();
    // A reason that is gone says so: what is alerted on must not vanish.
    for reason in Reason::ALL.iter().filter(|reason| reason.is_to_be_seen() || attention.contains_key(reason)) {
        stored.attention.with_label_values(&[reason.code()]).set(attention.get(reason).copied().unwrap_or(0));
    }
    // An endpoint whose results are gone has none.
    stored.compared.reset();
    for last in &stats.compared {
        stored.compared.with_label_values(&[&last.endpoint]).set(last.differences);
    }
    let none: [&str; 0] = [];
    let paused = stats.routes.iter().filter(|r| r.paused_since.is_some()).count();
    stored.routes_paused.with_label_values(&none).set(i64::try_from(paused).unwrap_or(i64::MAX));
    let since = |at: Option<Timestamp>| at.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
    stored.oldest_unread.set(since(stats.oldest_unread));
    stored.oldest_due.set(since(stats.oldest_due));
    let mut text = Vec::new();
    match TextEncoder::new().encode(&registry.gather(), &mut text) {
        Ok(()) => String::from_utf8(text).unwrap_or_default(),
        Err(_) => String::new(),
    }
}
