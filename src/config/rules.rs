//! The keys of an endpoint that say how its events become facts.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::businesses::Draft;
use super::mistake::Mistake;
use super::raw::{Item, Node, Reader, Reported};
use super::table::Table;
use crate::domain::endpoint::{CodeRule, CommissionBase, Rules, Unmapped};
use crate::domain::money::Currency;
use crate::domain::provider::ProviderKind;
use crate::domain::setting::Settings;
use crate::providers::{self, Descriptor};

/// Reads the rules of an endpoint of `provider` whose sales belong to `business`.
pub(super) fn rules(
    table: &mut Table,
    provider: Result<ProviderKind, Reported>,
    business: Option<&Draft>,
    of_variable: bool,
    time_zone: &TimeZone,
    reader: &mut Reader,
) -> Result<Rules, Reported> {
    let own = table.optional("product_id", reader, Item::id);
    let own_test = table.optional("test_product_id", reader, Item::id);
    let products = table.take("products").map_or_else(|| Ok(BTreeMap::new()), |item| products(item, reader));
    let unmapped_key = table.key("unmapped");
    let unmapped = table.optional("unmapped", reader, |item| item.choice());
    let commission_base = table.optional("commission_base", reader, |item| commission_base(provider, item));
    let minimum_amount =
        table.take("minimum_amount").map_or_else(|| Ok(BTreeMap::new()), |item| minimum_amount(item, reader));
    let settings = settings(table, provider, reader);
    let hint = "write metadata.KEY, custom_fields.NAME or client_reference_id:PREFIX";
    let referral_code_from = table.each("referral_code_from", reader, |item| {
        item.parsed(CodeRule::parse, hint)
            .map_err(|mistake| Mistake { cause: "it is no place for a code".to_owned(), ..mistake })
    });
    let (own, own_test, products, unmapped) = (own?, own_test?, products?, unmapped?.unwrap_or_default());
    match unmapped {
        Unmapped::Ignore if products.is_empty() => {
            let cause = "every sale would be ignored: products is empty";
            reader.note(Mistake::new(unmapped_key, cause, "fill products, or take unmapped away"));
        }
        Unmapped::Ignore => {}
        Unmapped::Default => match (&own, business) {
            (None, Some(business)) if of_variable => product_of_business(business, reader)?,
            (None, Some(Draft { product_id: Ok(None), path, .. })) => {
                let hint = format!("write product_id here or into {path}, or unmapped = \"ignore\" beside products");
                reader.note(Mistake::new(table.key("product_id"), "it is missing", hint));
            }
            (None | Some(_), _) => {}
        },
    }
    let business = business.ok_or(Reported)?;
    Ok(Rules {
        // Told once all endpoints are there.
        rank: 0,
        product_id: own.map_or_else(|| business.product_id.clone(), |id| Ok(Some(id)))?,
        test_product_id: own_test.map_or_else(|| business.test_product_id.clone(), |id| Ok(Some(id)))?,
        products,
        unmapped,
        commission_base: commission_base?.unwrap_or_default(),
        minimum_amount: minimum_amount?,
        settings: settings?,
        referral_code_from: referral_code_from?.unwrap_or_else(CodeRule::defaults),
        time_zone: time_zone.clone(),
    })
}

/// Notes it when a business has no product, and nothing else could name one.
pub(super) fn product_of_business(business: &Draft, reader: &mut Reader) -> Result<(), Reported> {
    match business {
        Draft { product_id: Ok(None), path, .. } if path == "refairn" => {
            let hint = "set REFAIRN_PRODUCT_ID, or product_id in [refairn], as Refairn's dashboard shows it under \
                        Settings → Integrations";
            Err(reader.note(Mistake::new("refairn.product_id", "it is missing", hint)))
        }
        Draft { product_id: Ok(None), path, .. } => Err(reader.note(Mistake::new(
            format!("{path}.product_id"),
            "it is missing",
            "write it into this [[businesses]]",
        ))),
        Draft { product_id: Ok(Some(_)) | Err(Reported), .. } => Ok(()),
    }
}

/// Reads the settings that only endpoints of some provider have.
fn settings(
    table: &mut Table,
    provider: Result<ProviderKind, Reported>,
    reader: &mut Reader,
) -> Result<Settings, Reported> {
    let of = |kind: &ProviderKind| providers::provider(*kind).descriptor().settings;
    let mut settings = Ok(Settings::default());
    // Its own come first: another provider's may have the same key.
    for setting in provider.iter().chain(ProviderKind::ALL).flat_map(of) {
        let has = |descriptor: &Descriptor| descriptor.settings.contains(setting);
        let word = table.optional(setting.key, reader, |item| {
            meant_for(provider, item, has)?;
            item.word(setting.words)
        });
        settings = match (settings, word) {
            (Ok(settings), Ok(Some(word))) => Ok(settings.with(setting, word)),
            (settings, Ok(None)) => settings,
            (Err(Reported), _) | (_, Err(Reported)) => Err(Reported),
        };
    }
    settings
}

/// Refuses a key that means nothing to the provider: the person who wrote it expects something of it.
pub(super) fn meant_for(
    provider: Result<ProviderKind, Reported>,
    item: &Item,
    has: impl Fn(&Descriptor) -> bool,
) -> Result<(), Mistake> {
    match provider {
        Ok(kind) if !has(providers::provider(kind).descriptor()) => {
            Err(item.mistake(format!("it means nothing to {kind}"), "take it away"))
        }
        Ok(_) | Err(Reported) => Ok(()),
    }
}

fn commission_base(provider: Result<ProviderKind, Reported>, item: &Item) -> Result<CommissionBase, Mistake> {
    let of = |kind: ProviderKind| providers::provider(kind).descriptor().commission_bases;
    let mut all: Vec<CommissionBase> = Vec::new();
    for base in ProviderKind::ALL.iter().flat_map(|kind| of(*kind)) {
        if !all.contains(base) {
            all.push(*base);
        }
    }
    let codes: Vec<&str> = all.iter().map(|base| base.code).collect();
    let code = item.word(&codes)?;
    let told = provider.map_or(all.as_slice(), of);
    told.iter().find(|base| base.code == code).copied().ok_or_else(|| {
        let those = providers::alternatives(told.iter().map(|base| base.code));
        let kind = provider.map_or("a provider", ProviderKind::code);
        item.mistake(format!("{kind}'s events do not tell it"), format!("write {those}"))
    })
}

fn products(item: Item, reader: &mut Reader) -> Result<BTreeMap<String, String>, Reported> {
    let items = reader.keep(item.map())?;
    let entry = |(sold, item): (String, Item)| reader.keep(item.id()).map(|product| (sold, product));
    let entries: Vec<_> = items.into_iter().map(entry).collect();
    entries.into_iter().collect()
}

fn minimum_amount(item: Item, reader: &mut Reader) -> Result<BTreeMap<Currency, Decimal>, Reported> {
    let mut amounts = BTreeMap::new();
    let mut outcome = Ok(());
    for (code, item) in reader.keep(item.map())? {
        let currency = code.parse::<Currency>();
        let entry = currency.map_err(|error| item.mistake(error.to_string(), "write an ISO 4217 code such as NGN"));
        let noted = reader.keep(entry.and_then(|currency| {
            let amount = amount(&item)?;
            if amounts.insert(currency, amount).is_some() {
                return Err(item.mistake(format!("{currency} is there twice"), "keep one of the two"));
            }
            Ok(())
        }));
        outcome = outcome.and(noted);
    }
    outcome.map(|()| amounts)
}

/// An amount in the standard unit, exactly as typed: text, a whole number, or the shortest text of a fraction.
fn amount(item: &Item) -> Result<Decimal, Mistake> {
    let text = match &item.node {
        Node::Text(text) => text.trim().to_owned(),
        Node::Integer(number) => number.to_string(),
        Node::Float(number) => number.to_string(),
        Node::Boolean(_) | Node::List(_) | Node::Table(_) | Node::Nothing => String::new(),
    };
    let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let amount = Decimal::from_str_exact(&text).ok().filter(|_| plain);
    amount.ok_or_else(|| {
        item.mistake("it is not an amount", "write it in the standard unit, such as \"100\" or \"29.99\"")
    })
}
