//! `forget`: a customer is forgotten, and a receipt says what that means.

use std::time::Duration;

use super::{Api, Bridge};
use crate::api::{ForgetReceipt, ForgetRequest};
use crate::cli::process::block_on;
use crate::cli::{Verdict, output};

/// Longest wait: all bodies are looked through, and all pages of the database.
const FORGET_WAIT_MAX: Duration = Duration::from_secs(3600);

/// Forget a customer: remove the address and the name from all that is stored
///
/// Ids and a keyed hash stay, so that retries, refunds and renewals are not taken
/// for new sales. The receipt says what stays, and where else the address may be:
/// a renewal, for one, brings it back. Refuses while something was not sent yet.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    bridge: Bridge,
    /// The customer's address
    email: String,
    /// Also if something was not sent yet: it never will be
    #[arg(long)]
    anyway: bool,
    /// Show what it would come to, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// A word about it, for those who look at audit list
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// The bridge does not answer, or refuses.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<Verdict> {
    block_on(async {
        let api = Api::patient(&args.bridge, FORGET_WAIT_MAX)?;
        let Args { bridge, email, anyway, dry_run: preview, note } = args;
        let asked = ForgetRequest { email, anyway, preview, note };
        let receipt: ForgetReceipt = api.tell(&["customers", "forget"], &asked).await?;
        if bridge.json {
            output::json(&receipt)?;
        } else {
            output::data(&output::columns(rows(&receipt), 0))?;
        }
        Ok(if receipt.file_is_clean == Some(false) { Verdict::NotFine } else { Verdict::Fine })
    })
}

/// The receipt, a line for each thing that there is to say.
fn rows(receipt: &ForgetReceipt) -> Vec<[String; 2]> {
    let row = |label: &str, text: String| [label.to_owned(), text];
    let first = match &receipt.pseudonym {
        Some(pseudonym) => row("forgotten", format!("{pseudonym} stands for the address from now on")),
        None => row("preview", "nothing was changed; this is what it would come to".to_owned()),
    };
    let mut rows = vec![
        first,
        row("businesses", receipt.businesses.join(", ")),
        row("events", format!("{}, without address and name", receipt.events)),
        row("bodies", format!("{} removed; what they told cannot be read again", receipt.bodies_removed)),
        row("calls", format!("{}, without address and name", receipt.calls)),
    ];
    if receipt.discarded > 0 {
        rows.push(row("unsent", format!("{} that never will be sent", output::counted(receipt.discarded, "call"))));
    }
    if let Some(open) = &receipt.in_the_way {
        rows.push(row("in the way", open.clone()));
    }
    if receipt.file_is_clean == Some(true) {
        rows.push(row("file", "overwritten: neither it nor its log holds a trace".to_owned()));
    }
    rows.extend(receipt.stays.iter().map(|text| row("stays", text.clone())));
    rows.extend(receipt.not_reached.iter().map(|text| row("not reached", text.clone())));
    rows
}
