//! `access`: who may look and decide beside the holder of the admin token.

use super::bulk::note;
use super::{Api, Bridge, when};
use crate::api::{Access, AccessPage, NewAccess};
use crate::cli::process::block_on;
use crate::cli::{Verdict, output};

/// Where the API has it.
const PATH: &str = "access";

/// Give people access to the dashboard and the API, and take it back
///
/// Asks the bridge's API; BRIDGE_ADMIN_TOKEN must be the running bridge's, or a
/// token with the role admin.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make a token for somebody; it is shown once, with a link to the dashboard
    Create(Create),
    /// List who was given access, the newest first
    List(List),
    /// Take access back; its holder is signed out at once
    Revoke(Revoke),
}

#[derive(clap::Args)]
struct Create {
    #[command(flatten)]
    bridge: Bridge,
    /// Whose it is: letters, digits, dots, hyphens and underscores
    #[arg(long)]
    name: String,
    /// read: look; operate: decide, too; admin: give access, too
    #[arg(long)]
    role: String,
    /// After how many days it ends
    #[arg(long, value_name = "N")]
    days: String,
    /// The only Refairn business that it sees
    #[arg(long, value_name = "ID")]
    business: Option<String>,
    /// Why, in a few words
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    bridge: Bridge,
}

#[derive(clap::Args)]
struct Revoke {
    #[command(flatten)]
    bridge: Bridge,
    /// Whose
    name: String,
    /// Why, in a few words
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// The bridge does not answer, or refuses.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<Verdict> {
    block_on(async {
        match args.command {
            Command::Create(args) => create(args).await,
            Command::List(args) => list(args).await,
            Command::Revoke(args) => revoke(args).await,
        }
    })
}

async fn create(args: Create) -> anyhow::Result<Verdict> {
    let api = Api::new(&args.bridge)?;
    let mut query = vec![("name", args.name.as_str()), ("role", &args.role), ("days", &args.days)];
    query.extend(args.business.as_deref().map(|business| ("business", business)));
    query.extend(note(&args.note));
    let mut given: NewAccess = api.ask(true, &[PATH], &query).await?;
    if given.link.starts_with('/') {
        given.link = format!("{}{}", api.base.as_str().trim_end_matches('/'), given.link);
    }
    if args.bridge.json {
        output::json(&given)?;
        return Ok(Verdict::Fine);
    }
    let Access { name, role, ends_at, .. } = &given.access;
    output::talk(&format!("{name} has access with the role {role} until {}. This is shown once:", when(*ends_at)));
    let rows = [["link", given.link.as_str()], ["token", &given.token]];
    output::data(&output::columns(rows.map(|row| row.map(str::to_owned)), 0))?;
    output::talk("the link opens the dashboard, the token the API and the commands; take it back with:");
    output::talk(&format!("refairn-bridge access revoke {name}"));
    Ok(Verdict::Fine)
}

async fn list(args: List) -> anyhow::Result<Verdict> {
    let api = Api::new(&args.bridge)?;
    if args.bridge.json {
        api.print_json(&[PATH], &[]).await?;
        return Ok(Verdict::Fine);
    }
    let page: AccessPage = api.ask(false, &[PATH], &[]).await?;
    let rows = page.access.iter().map(|access| {
        let Access { name, role, business, state, ends_at, created_by, .. } = access;
        let sees = business.clone().unwrap_or_else(|| "everything".to_owned());
        let until = format!("until {}, by {created_by}", ends_at.strftime("%Y-%m-%d %H:%MZ"));
        [name.clone(), role.clone(), sees, state.clone(), until]
    });
    output::list(rows, "nobody was given access yet; access create gives it")?;
    Ok(Verdict::Fine)
}

async fn revoke(args: Revoke) -> anyhow::Result<Verdict> {
    let api = Api::new(&args.bridge)?;
    let page: AccessPage = api.ask(true, &[PATH, &args.name, "revoke"], &note(&args.note)).await?;
    if args.bridge.json {
        output::json(&page)?;
    }
    output::talk(&format!("{} has no access any more, and is signed out", output::line(&args.name)));
    Ok(Verdict::Fine)
}
