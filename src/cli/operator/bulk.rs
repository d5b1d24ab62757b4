//! Deciding about several things at once: what would be taken is counted and shown, a person is asked, and each refusal is
//! told.

use std::io::{self, BufRead, IsTerminal};

use super::{Api, Page};
use crate::cli::{Verdict, output};

/// Items that one bulk action takes at most; it says when there are more.
pub(super) const BULK_ITEMS_MAX: usize = 10_000;
/// Items of one page while a bulk action looks for them.
const BULK_PAGE: &str = "200";
/// Items that are shown before a person is asked.
const SHOWN: usize = 10;

/// How a decision is taken.
#[derive(clap::Args)]
pub(super) struct Bulk {
    /// Show what would be taken, and change nothing
    #[arg(long, conflicts_with = "yes")]
    pub(super) dry_run: bool,
    /// Do not ask before what a filter finds is taken
    #[arg(long)]
    pub(super) yes: bool,
    /// Why, in a few words; it is kept with who decided, and when
    #[arg(long, value_name = "TEXT")]
    pub(super) note: Option<String>,
}

impl Bulk {
    /// The note, as the API takes it.
    pub(super) fn query(&self) -> Vec<(&str, &str)> {
        note(&self.note)
    }

    /// Takes an action on ids, or on everything that a filter finds once a person has seen how much that is.
    pub(super) async fn decide<P: Page>(
        &self,
        api: &Api,
        ids: Vec<String>,
        filter: &[(&str, &str)],
        action: &str,
    ) -> anyhow::Result<Verdict> {
        let ids = match (ids.is_empty(), filter.is_empty()) {
            (false, true) => {
                if self.dry_run {
                    output::data(&ids.join("\n"))?;
                }
                ids
            }
            (true, false) => {
                let (ids, lines) = found::<P>(api, filter).await?;
                let more = ids.len().saturating_sub(lines.len());
                output::data(&output::columns(lines, 0))?;
                if more > 0 {
                    output::talk(&format!("and {more} more"));
                }
                ids
            }
            (true, true) => {
                return Err(output::wrong_usage("nothing is named", "give ids, or a filter such as --state held"));
            }
            (false, false) => return Err(output::wrong_usage("both ids and a filter are given", "give one of them")),
        };
        let what = format!("{action} {} {}", ids.len(), P::PATH);
        if ids.is_empty() {
            output::talk(&format!("no {} fit: there is nothing to {action}", P::PATH));
            return Ok(Verdict::Fine);
        }
        if self.dry_run {
            output::talk(&format!("it would {what}; nothing was changed (--dry-run)"));
            return Ok(Verdict::Fine);
        }
        if !filter.is_empty() && !self.yes {
            if !io::stdin().is_terminal() {
                let hint = "give --yes, or --dry-run to see what would be taken";
                return Err(output::wrong_usage(format!("nobody can be asked here whether to {what}"), hint));
            }
            if !is_wanted(&what)? {
                output::talk("nothing was changed");
                return Ok(Verdict::Fine);
            }
        }
        self.act_on_all::<P>(api, &ids, action).await
    }

    /// Takes an action on each item. Each refusal is told, none ends the rest.
    pub(super) async fn act_on_all<P: Page>(&self, api: &Api, ids: &[String], action: &str) -> anyhow::Result<Verdict> {
        let mut refused = 0;
        for id in ids {
            match api.ask::<P::Item>(true, &[P::PATH, id, action], &self.query()).await {
                Ok(item) => output::talk(&format!("{id}: {}", output::line(&P::standing(&item)))),
                Err(error) => {
                    refused += 1;
                    output::talk(&format!("{id}: {}", output::error_line(&error)));
                }
            }
        }
        output::talk(&format!("{action}: {} done, {refused} refused", ids.len() - refused));
        Ok(if refused == 0 { Verdict::Fine } else { Verdict::NotFine })
    }
}

/// A note as the API takes it.
pub(super) fn note(note: &Option<String>) -> Vec<(&'static str, &str)> {
    note.as_deref().map(|note| ("note", note)).into_iter().collect()
}

/// Asks a person at the terminal.
pub(super) fn is_wanted(what: &str) -> anyhow::Result<bool> {
    output::talk(&format!("{what}? [y/N]"));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// The ids of everything that a filter finds, at most [`BULK_ITEMS_MAX`], and the first of them in a line each.
async fn found<P: Page>(api: &Api, filter: &[(&str, &str)]) -> anyhow::Result<(Vec<String>, Vec<[String; 3]>)> {
    let (mut ids, mut lines) = (Vec::new(), Vec::new());
    let mut after: Option<String> = None;
    while ids.len() < BULK_ITEMS_MAX {
        let mut query = filter.to_vec();
        query.push(("limit", BULK_PAGE));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: P = api.ask(false, &[P::PATH], &query).await?;
        ids.extend(page.ids().map(output::line));
        lines.extend(page.lines().take(SHOWN.saturating_sub(lines.len())));
        after = page.next().map(str::to_owned);
        if after.is_none() {
            return Ok((ids, lines));
        }
    }
    ids.truncate(BULK_ITEMS_MAX);
    output::talk(&format!("only the newest {BULK_ITEMS_MAX} are taken; run it again for the rest"));
    Ok((ids, lines))
}
