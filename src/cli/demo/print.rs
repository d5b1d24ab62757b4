//! The summary in words, within 80 columns.

use std::fmt::Write;
use std::path::Path;

use rust_decimal::Decimal;

use super::environment::Environment;
use super::summary::{Earned, Item, Summary};
use crate::domain::delivery::DeliveryState;
use crate::domain::money::digits;
use crate::providers::provider;

/// Columns of a line, one less than a terminal has.
const COLUMNS: usize = 79;

/// The whole summary.
pub(super) fn summary(summary: &Summary) -> String {
    let mut page = Page::default();
    received(&mut page, summary);
    events(&mut page, summary);
    calls(&mut page, summary);
    commissions(&mut page, summary);
    items(&mut page, "Not sent, and rightly so", &summary.not_sent, false);
    items(&mut page, "To be sent once its day is over", &summary.for_later, false);
    items(&mut page, "Needs attention: a person has to decide", &summary.needs_attention, true);
    proof(&mut page, summary);
    page.0
}

/// What to try while both servers run. `path` is where the program is, if a shell may not find it by its name.
pub(super) fn hints(environment: &Environment, summary: &Summary, path: Option<&Path>) -> String {
    let mut page = Page::default();
    let (bridge, sandbox, secrets) = (environment.bridge_url(), environment.sandbox_url(), &environment.secrets);
    page.heading("Both servers run until you press Ctrl-C");
    page.line(&format!("  dashboard    {bridge}/"));
    page.line(&format!("  bridge       {bridge}"));
    page.line(&format!("  sandbox      {sandbox}"));
    page.line(&format!("  admin token  {}", secrets.admin_token.expose()));
    page.heading("Things to try");
    if let Some(folder) = path.and_then(Path::parent) {
        page.line(&format!("  export PATH=\"{}:$PATH\"", folder.display()));
    }
    page.line(&format!("  export BRIDGE_URL={bridge}"));
    page.line(&format!("  export BRIDGE_ADMIN_TOKEN={}", secrets.admin_token.expose()));
    for (about, command) in [
        ("does it flow, and is anybody needed", "status"),
        ("why was nobody credited", "why paul@example.org"),
        ("all of one customer", "customer ines@example.com"),
        ("whose payment is it", "find BAYO15"),
        ("who got what", "payments list --fate credited"),
        ("what needed no call, and why", "events list --state ignored"),
        ("what a person has to decide", "deliveries list --attention"),
    ] {
        page.line(&format!("  # {about}"));
        page.line(&format!("  refairn-bridge {command}"));
    }
    if let Some(held) = summary.needs_attention.iter().find(|item| item.state == DeliveryState::Held.code()) {
        page.line("  # let the held payment go, dated on the next free day");
        page.line(&format!("  refairn-bridge deliveries release {}", held.id));
    }
    page.line("  # what Refairn holds");
    page.line(&format!("  curl -s {sandbox}/_sandbox/state"));
    page.line("  # to sign webhooks of your own");
    for (kind, secret) in &secrets.signing {
        page.line(&format!("  export {}={}", provider(*kind).descriptor().variables[0], secret.expose()));
    }
    if let Some(kind) = secrets.signing.keys().next() {
        page.line(&format!("  # a new sale, as {kind} would report it; then look at the dashboard"));
        page.line(&format!("  refairn-bridge send {kind} --example first-sale --live"));
        page.line("  # what a file holds");
        page.line(&format!("  refairn-bridge send {kind} FILE"));
    }
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{}", text.trim_end());
    }

    fn heading(&mut self, text: &str) {
        self.line("");
        self.line(text);
    }

    /// `start`, then `text` in as many lines as it needs, all of them beginning in the same column.
    fn hanging(&mut self, start: &str, text: &str) {
        let indent = start.chars().count();
        let mut line = start.to_owned();
        let mut columns = indent;
        for word in text.split_whitespace() {
            let more = word.chars().count();
            if columns > indent && columns + 1 + more > COLUMNS {
                self.line(&line);
                line = " ".repeat(indent);
                columns = indent;
            }
            if columns > indent {
                line.push(' ');
                columns += 1;
            }
            line.push_str(word);
            columns += more;
        }
        self.line(&line);
    }
}

fn received(page: &mut Page, summary: &Summary) {
    let webhooks = &summary.webhooks;
    page.heading(&format!("The providers sent {} webhooks", webhooks.sent));
    page.hanging(&format!("{:>6}  recorded  ", webhooks.recorded), "new, and answered 200 once on disk");
    page.hanging(
        &format!("{:>6}  repeated  ", webhooks.repeated),
        "known already: answered 200, and nothing done twice",
    );
    let refused: Vec<String> =
        webhooks.refused.iter().map(|r| format!("{}: {} {}", r.provider, r.status, r.code)).collect();
    let text = format!("not signed by the provider ({})", refused.join("; "));
    page.hanging(&format!("{:>6}  refused   ", webhooks.refused.len()), &text);
}

fn events(page: &mut Page, summary: &Summary) {
    page.heading(&format!("What became of the {} events", summary.webhooks.recorded));
    for group in &summary.events {
        let label = group.reason.unwrap_or(group.state);
        page.hanging(&format!("{:>6}  {label:<20}  ", group.count), group.why);
    }
}

fn calls(page: &mut Page, summary: &Summary) {
    let calls = &summary.calls;
    page.heading(&format!("The bridge called Refairn {} times", calls.attempts));
    for (status, count) in &calls.answers {
        let meaning = match status {
            200 => "taken",
            409 => "had it already: the first answer had been lost",
            503 => "down: called again until it was back",
            _ => "",
        };
        page.hanging(&format!("{count:>6}  {status}        "), meaning);
    }
    if calls.unanswered > 0 {
        page.hanging(&format!("{:>6}  no answer  ", calls.unanswered), "taken, but the bridge could not know");
    }
    let text = format!(
        "so Refairn holds {} customers, {} payments and {} status changes; {} calls were tried more than once",
        calls.customers, calls.payments, calls.status_changes, calls.tried_again
    );
    page.hanging("        ", &text);
}

fn commissions(page: &mut Page, summary: &Summary) {
    page.heading("Commissions, as the sandbox holds them");
    page.line("        agent   currency  sales         paid   commission");
    let (tests, real): (Vec<&Earned>, Vec<&Earned>) = summary.commissions.iter().partition(|row| row.test);
    earned(page, &real);
    if real.iter().any(|row| row.agent.is_none()) {
        page.line("        (nobody: no referral code was given)");
    }
    if !tests.is_empty() {
        page.line("        in test mode, for a product whose rates are all zero:");
        earned(page, &tests);
    }
}

fn earned(page: &mut Page, rows: &[&Earned]) {
    for row in rows {
        let (paid, commission) = (amount(row.paid, &row.currency), amount(row.commission, &row.currency));
        let (agent, currency, sales) = (row.agent.unwrap_or("nobody"), &row.currency, row.sales);
        page.line(&format!("        {agent:<6}  {currency:<8}  {sales:>5}  {paid:>11}  {commission:>11}"));
    }
}

/// With all the decimals of its currency; none is cut off.
fn amount(amount: Decimal, currency: &str) -> String {
    currency.parse().map_or_else(|_| amount.normalize().to_string(), |currency| digits(amount, currency))
}

fn items(page: &mut Page, heading: &str, items: &[Item], with_cure: bool) {
    if items.is_empty() {
        return;
    }
    page.heading(&format!("{heading} ({})", items.len()));
    for item in items {
        page.hanging(&format!("{:>8}  ", item.id), &item.what);
        let detail = item.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
        page.hanging("          ", &format!("{}{detail}", item.why));
        if with_cure {
            page.hanging("        → ", item.cure);
        }
    }
}

fn proof(page: &mut Page, summary: &Summary) {
    let proof = &summary.proof;
    page.heading("The proof: the story's own list of sales beside what the sandbox holds");
    let reported = proof.sales_reported;
    page.line(&format!("        sales reported by providers: {reported}"));
    page.line(&format!("        paid once: {}; lost: {}; doubled: {}", proof.paid_once, proof.lost, proof.doubled));
    page.line(&format!("        held for a person: {}; taken back in time: {}", proof.held, proof.taken_back));
    if proof.differences.is_empty() {
        page.line("        every commission went to the agent it belongs to, to the last digit");
    } else {
        page.heading("What differs");
        for difference in &proof.differences {
            page.hanging("      ✗ ", difference);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, Page, amount};

    #[test]
    fn amounts_have_the_decimals_of_their_currency_and_lose_none() {
        let check = |text: &str, currency: &str, expected: &str| {
            assert_eq!(amount(text.parse().unwrap(), currency), expected);
        };
        check("40000.5", "NGN", "40000.50");
        check("15600", "JPY", "15600");
        check("15.25", "KWD", "15.250");
        check("0.00001", "USD", "0.00001");
    }

    #[test]
    fn long_texts_hang_within_the_columns() {
        let mut page = Page::default();
        page.hanging("    12  already_reported  ", &"word ".repeat(40));
        page.hanging("  x  ", &"y".repeat(200));
        page.hanging("  z  ", "");
        let lines: Vec<&str> = page.0.lines().collect();
        assert!(lines.len() > 4, "{lines:?}");
        let words = &lines[..lines.len() - 2];
        assert!(words.iter().all(|line| line.chars().count() <= COLUMNS), "{lines:?}");
        assert!(words[1..].iter().all(|line| line.starts_with(&" ".repeat(26)) && !line.ends_with(' ')), "{lines:?}");
        assert_eq!(page.0.matches("word").count(), 40);
        assert_eq!(lines[lines.len() - 1], "  z");
    }
}
