//! The pure part of the path, over the corpus: verifying, identifying, reading, planning. Each stage is measured in the
//! same run, so that they can be compared with each other.

#![allow(missing_docs, clippy::expect_used, reason = "a benchmark may end when its corpus is broken")]

#[path = "../tests/kit/mod.rs"]
mod kit;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use refairn_bridge::domain::customer::{CustomerHistory, CustomerKey, KnownFact};
use refairn_bridge::domain::event::EventId;
use refairn_bridge::domain::fact::Reading;
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::ledger::plan;
use refairn_bridge::providers::{Signature, provider, verify};
use refairn_bridge::store::body;

use kit::rules::{SECRET, default_rules, endpoint, fixtures};

/// Every readable body of a provider's corpus.
fn corpus(provider: ProviderKind) -> Vec<Vec<u8>> {
    let root = fixtures().join(provider.code());
    let mut folders = vec![root];
    let mut bodies = vec![];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("_malformed") {
                folders.push(path);
            } else if path.ends_with("body.json") {
                bodies.push(std::fs::read(path).expect("a body"));
            }
        }
    }
    bodies
}

/// A customer with a payment a month, each reported twice.
fn customer(months: i64) -> CustomerHistory {
    let body = include_str!("../tests/fixtures/stripe/invoice.paid/renewal-2022-11-15/body.json");
    let rules = default_rules();
    let now = Timestamp::UNIX_EPOCH;
    let Reading::Fact(fact) = provider(ProviderKind::Stripe).read(body.as_bytes(), &rules, now) else {
        return CustomerHistory {
            key: CustomerKey { business: String::new(), email_key: String::new() },
            facts: vec![],
            deliveries: vec![],
        };
    };
    let facts = (0..months * 2).map(|n| {
        let mut fact = (*fact).clone();
        if let refairn_bridge::domain::fact::FactKind::Payment(payment) = &mut fact.matter {
            payment.identity = format!("in_{}", n / 2);
        }
        KnownFact {
            event: EventId(n + 1),
            scope: "stripe//live".into(),
            received_at: now,
            is_related: false,
            has_stayed: false,
            fact,
        }
    });
    let email_key = fact.email.as_ref().map(refairn_bridge::domain::email::Email::key).unwrap_or_default();
    CustomerHistory {
        key: CustomerKey { business: "biz_1".into(), email_key },
        facts: facts.collect(),
        deliveries: vec![],
    }
}

fn path(c: &mut Criterion) {
    for kind in ProviderKind::ALL {
        let (endpoint, bodies) = (endpoint(*kind, default_rules()), corpus(*kind));
        assert!(bodies.len() > 50, "the corpus was not found");
        let now = Timestamp::UNIX_EPOCH;
        let signer = provider(*kind);
        let signed: Vec<(String, &Vec<u8>)> = bodies.iter().map(|b| (signer.sign(SECRET, b, now), b)).collect();
        let mut group = c.benchmark_group(kind.code());
        group.throughput(Throughput::Elements(bodies.len() as u64));
        group.bench_function("verify", |b| {
            let header = signer.signature_header();
            let fits = |value: &str, body: &[u8]| {
                verify(&endpoint, &[Signature { header, value: value.as_bytes() }], body, now).is_ok()
            };
            b.iter(|| signed.iter().filter(|(value, body)| fits(value, body)).count());
        });
        group.bench_function("identify", |b| {
            b.iter(|| bodies.iter().map(|b| signer.identify(b).dedup_key.len()).sum::<usize>())
        });
        group.bench_function("compress", |b| {
            b.iter(|| bodies.iter().map(|b| body::compress(b).map_or(0, |z| z.len())).sum::<usize>())
        });
        group.bench_function("read", |b| {
            b.iter(|| {
                bodies.iter().for_each(|body| {
                    black_box(signer.read(body, &endpoint.rules, now));
                })
            });
        });
        group.finish();
    }
    let mut group = c.benchmark_group("plan");
    for months in [1, 12, 120] {
        let person = customer(months);
        assert_eq!(person.facts.len() as i64, months * 2);
        let policy = Policy::default();
        group.bench_function(format!("{months}_months"), |b| b.iter(|| plan(&person, &policy, Timestamp::UNIX_EPOCH)));
    }
    group.finish();
}

criterion_group!(benches, path);
criterion_main!(benches);
