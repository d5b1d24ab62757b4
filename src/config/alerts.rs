//! Who is told what somebody has to know.

use std::time::Duration;

use super::Alerts;
use super::mistake::Mistake;
use super::raw::{Reader, Reported};
use super::table::Table;
use super::urls;
use crate::domain::secret::Secret;
use crate::domain::signing_key::SigningKey;

/// Reads the section.
pub(super) fn alerts(mut table: Table, reader: &mut Reader) -> Result<Alerts, Reported> {
    let slack_url = address(&mut table, ["slack_url", "slack_url_file"], reader);
    let webhook_url = address(&mut table, ["webhook_url", "webhook_url_file"], reader);
    let webhook_key = key(&mut table, reader);
    let silent_after_h = table.optional("silent_after_h", reader, |item| item.integer(&(1..=8760)));
    let disk_free_min_mib =
        table.required("disk_free_min_mib", reader, "give it a value", |item| item.integer(&(0..=1 << 30)));
    let path = table.key("webhook_secret");
    table.close(reader);
    let webhook = match (webhook_url?, webhook_key?) {
        (Some(url), Some(key)) => Some((url, key)),
        (None, None) => None,
        (Some(_), None) => {
            let hint = "make one with: echo whsec_$(openssl rand -base64 32); messages are signed with it";
            return Err(reader.note(Mistake::new(path, "it is missing, and webhook_url is set", hint)));
        }
        (None, Some(_)) => {
            let hint = "set webhook_url, or take webhook_secret away";
            return Err(reader.note(Mistake::new(path, "it is set, and webhook_url is not", hint)));
        }
    };
    let silent_after = silent_after_h?.map(|hours: u32| Duration::from_secs(u64::from(hours) * 3600));
    let disk_free_min_mib: u32 = disk_free_min_mib?;
    Ok(Alerts { slack_url: slack_url?, webhook, silent_after, disk_free_min_mib: disk_free_min_mib.into() })
}

/// An address that is a secret: who has it can write there.
fn address(table: &mut Table, names: [&'static str; 2], reader: &mut Reader) -> Result<Option<Secret>, Reported> {
    let Some((form, text)) = table.secret_text(names, reader)? else { return Ok(None) };
    reader.holds_secret(form.file());
    let wrong = |cause: String| form.item().mistake(cause, "write https:// and the whole address, as it was shown");
    let url = urls::base_url(&text).and_then(|_| Secret::parse(text).map_err(|error| error.to_string()));
    reader.keep(url.map_err(wrong)).map(Some)
}

fn key(table: &mut Table, reader: &mut Reader) -> Result<Option<SigningKey>, Reported> {
    let Some((form, text)) = table.secret_text(["webhook_secret", "webhook_secret_file"], reader)? else {
        return Ok(None);
    };
    reader.holds_secret(form.file());
    let hint = "make one with: echo whsec_$(openssl rand -base64 32)";
    let key = Secret::parse(text).map_err(|error| error.to_string());
    let key = key.and_then(|secret| SigningKey::parse(secret).map_err(str::to_owned));
    reader.keep(key.map_err(|cause| form.item().mistake(cause, hint))).map(Some)
}
