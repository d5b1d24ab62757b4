//! What was sold on an invoice: which product decides, and how much of what was paid counts.

use super::invoice::new;
use super::*;

fn line(amount: i64, price: &str, changes: Value) -> Value {
    let details = json!({"price": price, "product": "prod_X"});
    with(
        json!({"amount": amount, "discount_amounts": [], "taxes": [], "pricing": {"price_details": details}}),
        &changes,
    )
}

fn two_products() -> Rules {
    let products = [("price_a", "prod_a"), ("price_b", "prod_b")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    Rules { products: products.into(), ..rules() }
}

#[test]
fn the_largest_line_is_so_after_discounts() {
    let check = |lines: Value, expected: &str| {
        let invoice = event("invoice.paid", &with(new(), &json!({"lines": {"data": lines}})));
        assert_eq!(fact(&two_products(), &invoice).product, Product::Id(expected.to_owned()), "{lines}");
    };
    let off = |amount: i64| json!({"discount_amounts": [{"amount": amount, "discount": "di_1"}]});
    check(json!([line(90_000, "price_a", off(90_000)), line(2000, "price_b", json!({}))]), "prod_b");
    check(json!([line(90_000, "price_a", off(88_001)), line(2000, "price_b", json!({}))]), "prod_b");
    check(json!([line(90_000, "price_a", off(80_000)), line(2000, "price_b", json!({}))]), "prod_a");
    let credit = json!({"pretax_credit_amounts": [{"amount": 89_000, "type": "credit_balance_transaction"}]});
    check(json!([line(90_000, "price_a", credit), line(2000, "price_b", json!({}))]), "prod_b");
    // What brought nothing does not decide beside what is in no map.
    check(json!([line(90_000, "price_a", off(90_000)), line(2000, "price_x", json!({}))]), "prod_1");
    check(json!([line(0, "price_a", json!({})), line(0, "price_x", json!({}))]), "prod_a");
}

#[test]
fn only_what_was_paid_for_mapped_lines_counts_where_others_are_ignored() {
    let rules = |commission_base| Rules { unmapped: Unmapped::Ignore, commission_base, ..two_products() };
    let check_with = |base: CommissionBase, lines: Value, changes: Value, expected: &str| {
        let whole = with(json!({"lines": {"data": lines}}), &changes);
        let told = told(&read_with(&rules(base), &event("invoice.paid", &with(new(), &whole))));
        assert_eq!(told, expected, "{whole}");
    };
    let check = |lines: Value, paid: i64, total: i64, expected: &str| {
        let sums = json!({"amount_paid": paid, "total": total, "subtotal": total, "total_excluding_tax": total});
        check_with(CommissionBase::PAID, lines, sums, expected);
    };
    let plain = |amount: i64, price: &str| line(amount, price, json!({}));
    let paid = |amount: &str, charged: &str| {
        format!("payment in_1: {amount} on {charged} USD on 2026-06-14 of sub_1 for prod_a")
    };
    let setup = json!([plain(2900, "price_a"), plain(50_000, "price_x")]);
    check(setup.clone(), 52_900, 52_900, &paid("29", "529"));
    // Part of it was paid by credit; shipping is in no line; lines without their discounts.
    check(setup.clone(), 26_450, 52_900, &paid("14.5", "264.5"));
    check(setup.clone(), 53_900, 53_900, &paid("29", "539"));
    check(setup.clone(), 26_450, 26_450, &paid("14.5", "264.5"));
    // Never more than was paid; the sign of each line counts.
    check(json!([plain(10_000, "price_a"), plain(-3000, "price_x")]), 7000, 7000, &paid("70", "70"));
    check(
        json!([plain(10_000, "price_a"), plain(-3000, "price_b"), plain(500, "price_x")]),
        7500,
        7500,
        &paid("70", "75"),
    );
    let back = json!([plain(-3000, "price_a"), plain(10_000, "price_x")]);
    check(back, 7000, 7000, "customer nothing_in_products Unmapped");
    check(json!([plain(2900, "price_a"), plain(100, "price_b")]), 3000, 3000, &paid("30", "30"));
    // Tax goes with its line.
    let taxed = |on_top: i64, inside: i64| json!({"taxes": [{"amount": on_top, "tax_behavior": "exclusive"}, {"amount": inside, "tax_behavior": "inclusive"}]});
    let lines = json!([line(10_000, "price_a", taxed(2000, 500)), plain(10_000, "price_x")]);
    let sums = json!({"amount_paid": 22_000, "total": 22_000, "subtotal": 20_000, "total_excluding_tax": 19_500});
    check_with(CommissionBase::PAID, lines.clone(), sums.clone(), &paid("120", "220"));
    check_with(EXCLUDING_TAX, lines, sums, &paid("95", "220"));
    let old = json!({"taxes": null, "tax_amounts": [{"amount": 2000, "inclusive": false}]});
    let lines = json!([line(10_000, "price_a", old), plain(10_000, "price_x")]);
    let sums = json!({"amount_paid": 22_000, "total": 22_000, "subtotal": 20_000, "total_excluding_tax": 20_000});
    check_with(EXCLUDING_TAX, lines, sums, &paid("100", "220"));
    // A line whose amount cannot be read leaves the amount open.
    check(json!([line(1, "price_a", json!({"amount": "?"})), plain(10_000, "price_x")]), 7000, 7000, &paid("?", "70"));
}

#[test]
fn lines_that_were_cut_off_are_never_taken_for_the_whole() {
    let of = |rules: &Rules, lines: Value, total: Value, subtotal: i64| {
        let list = json!({"data": lines, "has_more": true, "total_count": total});
        let invoice = with(new(), &json!({"lines": list, "subtotal": subtotal}));
        let fact = fact(rules, &event("invoice.paid", &invoice));
        let FactKind::Payment(payment) = fact.matter else { panic!() };
        (fact.product, payment.amount.map(|amount| amount.to_string()))
    };
    let plain = |amount: i64, price: &str| line(amount, price, json!({}));
    let whole = || Some("29.99".to_owned());
    let product = |id: &str| (Product::Id(id.to_owned()), whole());
    let undecided = |otherwise: &str, seen: u32, total: Option<u32>| {
        (Product::Undecided { otherwise: Some(otherwise.to_owned()), seen, total }, whole())
    };
    let map = two_products();
    let (x, a) = (json!([plain(100, "price_x")]), json!([plain(100, "price_a")]));
    assert_eq!(of(&map, x.clone(), json!(12), 2999), undecided("prod_1", 1, Some(12)));
    assert_eq!(of(&map, a.clone(), json!(null), 2999), undecided("prod_a", 1, None));
    // One line is left out and is no heavier; of two one may be, for the other may give back.
    assert_eq!(of(&map, a.clone(), json!(2), 200), product("prod_a"));
    assert_eq!(of(&map, a.clone(), json!(2), 201), undecided("prod_a", 1, Some(2)));
    assert_eq!(of(&map, a.clone(), json!(3), 150), undecided("prod_a", 1, Some(3)));
    // Nothing else can come of it.
    assert_eq!(of(&rules(), json!([plain(1, "price_team")]), json!(9), 2999), product("prod_team"));
    assert_eq!(of(&Rules { products: [].into(), ..rules() }, x.clone(), json!(9), 2999), product("prod_1"));
    let strict = Rules { unmapped: Unmapped::Ignore, ..two_products() };
    for lines in [x, a] {
        let nothing = (Product::Undecided { otherwise: None, seen: 1, total: Some(2) }, None);
        assert_eq!(of(&strict, lines, json!(2), 200), nothing);
    }
}
