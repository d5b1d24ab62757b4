//! `connect` and `disconnect`: the webhook endpoint at a provider, made and removed by its API.

mod account;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(super) use account::{Account, looked_at};

use super::configuration::{ConfigFile, webhook_path};
use super::dashboard::{Dashboard, public_url};
use super::http_client::Url;
use super::process::block_on;
use super::{Verdict, output};
use crate::config::Config;
use crate::domain::endpoint::Endpoint;
use crate::domain::provider::ProviderKind;
use crate::private;
use crate::providers::connect::{Connect, Plan, Registered, Registry, Wanted, plan};
use crate::providers::{Descriptor, provider};

/// Make the webhook endpoint at a provider, by its API where it has one
///
/// Stripe: makes the endpoint with exactly the events that the bridge reads, and
/// writes its signing secret into the file that secrets_file names, for you alone.
/// An endpoint that was made before is found and brought up to date.
/// Paystack has no such API: its key is tried, and what to paste is printed.
///
/// Needs the endpoint's api_key with the right to write webhook endpoints.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    #[command(flatten)]
    of: Of,
    /// Where the provider reaches the bridge: an https address
    #[arg(long, value_name = "URL", value_parser = public_url)]
    public_url: Url,
}

/// Remove the webhook endpoint that connect has made, and the file with its secret
#[derive(clap::Args)]
pub(super) struct DisconnectArgs {
    #[command(flatten)]
    of: Of,
}

#[derive(clap::Args)]
struct Of {
    #[command(flatten)]
    config: ConfigFile,
    /// The provider
    provider: ProviderKind,
    /// The endpoint's name, where the provider has several
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Of {
    /// The endpoint that is meant.
    fn endpoint<'a>(&self, config: &'a Config) -> anyhow::Result<&'a Endpoint> {
        let fits = |endpoint: &&Endpoint| {
            endpoint.provider == self.provider && self.endpoint.as_ref().is_none_or(|name| endpoint.name == *name)
        };
        let fitting: Vec<&Endpoint> = config.endpoints.iter().filter(fits).collect();
        match fitting.as_slice() {
            [one] => Ok(one),
            [] => {
                let what = format!("the configuration has no such endpoint of {}", self.provider);
                Err(output::failed(what, "write it into [[endpoints]], with its api_key and its secrets_file"))
            }
            [..] => Err(output::wrong_usage("the provider has several endpoints", "name one with --endpoint")),
        }
    }
}

/// Connects.
///
/// # Errors
/// The provider refuses it, or the secret cannot be written.
pub(super) fn run(args: Args) -> anyhow::Result<Verdict> {
    let config = args.of.config.load_to_connect()?;
    let endpoint = args.of.endpoint(&config)?;
    let account = Account::of(endpoint)?;
    let base = args.public_url.as_str().trim_end_matches('/');
    let url = format!("{base}{}", webhook_path(&config, endpoint));
    if !url.starts_with("https://") {
        output::warn("--public-url is not https, and providers send live events to https addresses only");
    }
    block_on(async {
        match provider(endpoint.provider).connect() {
            Connect::ByHand { probe } => by_hand(&account, &config, endpoint, probe, &args.public_url).await,
            Connect::ByApi(registry) => {
                let file = secret_file(&config, endpoint)?;
                let wanted = registry.wanted(&endpoint.name, &url, &endpoint.rules);
                let found = account.registered(registry).await?;
                warn_of_harm(registry, &found, &wanted);
                let plan = plan(found, &wanted, !endpoint.secrets.is_empty());
                say(&plan, &wanted, file)?;
                if args.of.dry_run {
                    output::talk("nothing was done (--dry-run)");
                    return Ok(Verdict::Fine);
                }
                carry_out(&account, registry, plan, &wanted, file).await
            }
        }
    })
}

async fn by_hand(
    account: &Account<'_>,
    config: &Config,
    endpoint: &Endpoint,
    probe: &str,
    public_url: &Url,
) -> anyhow::Result<Verdict> {
    account.try_key(probe).await?;
    let Descriptor { title, .. } = provider(endpoint.provider).descriptor();
    output::talk(&format!("{title} takes the key; it has no API for webhook endpoints:"));
    output::data(Dashboard::of(config, endpoint, Some(public_url)).to_string().trim_end())?;
    Ok(Verdict::Fine)
}

/// The file that the configuration names for the endpoint's secret.
fn secret_file<'a>(config: &'a Config, endpoint: &Endpoint) -> anyhow::Result<&'a Path> {
    let named = config.secret_files.get(&endpoint.name).map(PathBuf::as_path);
    named.ok_or_else(|| {
        let what = format!("endpoint {} names no file for the secret that is made", endpoint.name);
        output::failed(what, "write secrets_file = \"/path/to/a/file\" into its [[endpoints]], and no secrets")
    })
}

fn warn_of_harm(registry: &dyn Registry, found: &[Registered], wanted: &Wanted) {
    for one in found.iter().filter(|one| one.enabled && one.is_of(wanted)) {
        for (kind, how) in one.harms(registry) {
            output::warn(format!("{} sends {kind}: {how}", one.id));
        }
    }
}

/// What will be done.
fn say(plan: &Plan, wanted: &Wanted, file: &Path) -> anyhow::Result<()> {
    let Wanted { url, events, api_version, .. } = wanted;
    let what = match plan {
        Plan::Nothing(one) => format!("{} is as it should be: {} events to {url}", one.id, events.len()),
        Plan::Change(one) => format!("{} is changed: {} events to {url}", one.id, events.len()),
        Plan::Create { .. } => {
            format!(
                "an endpoint is made: {} events to {url}\nin version {api_version}; its secret goes to {}",
                events.len(),
                file.display()
            )
        }
    };
    output::data(&what)?;
    if let Plan::Create { disable } = plan {
        for one in disable {
            output::data(&format!("{} is disabled: nobody has its secret any more", one.id))?;
        }
    }
    Ok(())
}

async fn carry_out(
    account: &Account<'_>,
    registry: &dyn Registry,
    plan: Plan,
    wanted: &Wanted,
    file: &Path,
) -> anyhow::Result<Verdict> {
    match plan {
        Plan::Nothing(_) => {}
        Plan::Change(one) => {
            account.ask(&registry.change(&one.id, wanted), registry.right()).await?;
            output::talk(&format!("{} is up to date", one.id));
        }
        Plan::Create { disable } => {
            create(account, registry, wanted, file).await?;
            for one in disable {
                account.ask(&registry.disable(&one.id), registry.right()).await?;
                output::talk(&format!("{} is disabled", one.id));
            }
            output::talk("start the bridge, or start it anew: it reads the secret at its start");
        }
    }
    Ok(Verdict::Fine)
}

/// Makes the endpoint. Its secret is shown once: so the file is made before, and an endpoint whose secret cannot be kept is
/// removed again.
async fn create(account: &Account<'_>, registry: &dyn Registry, wanted: &Wanted, file: &Path) -> anyhow::Result<()> {
    let cannot = |error: std::io::Error| {
        output::failed(
            format!("cannot write {}: {error}", file.display()),
            "let secrets_file name one that you may write",
        )
    };
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private::make_folders(folder).map_err(cannot)?;
    }
    let mut kept = private::options().write(true).create_new(true).open(file).map_err(cannot)?;
    let made = account.ask(&registry.create(wanted), registry.right()).await;
    let made = made.and_then(|body| {
        registry.created(&body).map_err(|what| output::failed(what, "look into the provider's dashboard"))
    });
    let (one, secret) = match made {
        Ok(made) => made,
        Err(error) => {
            // What is left of a file that holds nothing would be taken for an endpoint's secrets.
            let _ = fs::remove_file(file);
            return Err(error);
        }
    };
    let written = kept.write_all(format!("{secret}\n").as_bytes()).and_then(|()| kept.sync_all());
    if let Err(error) = written {
        let _ = fs::remove_file(file);
        account.ask(&registry.remove(&one.id), registry.right()).await?;
        return Err(cannot(error));
    }
    output::talk(&format!("{} is made, and its secret is in {}", one.id, file.display()));
    Ok(())
}

/// Disconnects.
///
/// # Errors
/// The provider refuses it.
pub(super) fn disconnect(args: DisconnectArgs) -> anyhow::Result<Verdict> {
    let config = args.of.config.load_to_connect()?;
    let endpoint = args.of.endpoint(&config)?;
    let Connect::ByApi(registry) = provider(endpoint.provider).connect() else {
        let title = provider(endpoint.provider).descriptor().title;
        return Err(output::failed(
            format!("{title} has no API for webhook endpoints"),
            "remove the webhook URL in its dashboard",
        ));
    };
    let account = Account::of(endpoint)?;
    block_on(async {
        let found = account.registered(registry).await?;
        let ours = found.iter().filter(|one| one.name.as_deref() == Some(&endpoint.name));
        let mut removed = 0;
        for one in ours {
            removed += 1;
            output::data(&format!("{} is removed: {}", one.id, one.url))?;
            if !args.of.dry_run {
                account.ask(&registry.remove(&one.id), registry.right()).await?;
            }
        }
        if removed == 0 {
            output::talk("connect has made no endpoint for this one; what was made by hand stays");
            return Ok(Verdict::Fine);
        }
        if args.of.dry_run {
            output::talk("nothing was done (--dry-run)");
            return Ok(Verdict::Fine);
        }
        if let Some(file) = config.secret_files.get(&endpoint.name).filter(|file| file.exists()) {
            fs::remove_file(file)
                .map_err(|error| output::failed(format!("{}: {error}", file.display()), "remove it yourself"))?;
            output::talk(&format!("{} is removed: a bridge that starts anew needs another secret", file.display()));
        }
        Ok(Verdict::Fine)
    })
}
