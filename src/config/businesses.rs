//! The Refairn businesses: that of `[refairn]`, and those of `[[businesses]]`.

use super::Business;
use super::mistake::Mistake;
use super::raw::{Item, Reader, Reported};
use super::table::{Table, all};
use crate::domain::secret::Secret;

/// A business as far as it could be read. Endpoints need its id and products even when its key is missing.
pub(super) struct Draft {
    /// Its key in the configuration.
    pub(super) path: String,
    /// The id that Refairn gave it.
    pub(super) id: Result<String, Reported>,
    api_key: Result<Secret, Reported>,
    /// The Refairn product of its sales, where no endpoint names another.
    pub(super) product_id: Result<Option<String>, Reported>,
    /// Its product for test events.
    pub(super) test_product_id: Result<Option<String>, Reported>,
}

/// Where Refairn shows keys and ids.
const WHERE: &str = "as Refairn's dashboard shows it under Settings → Integrations";

/// Reads the businesses. That of `[refairn]` may be left out, whole, when there are others.
pub(super) fn drafts(section: &mut Table, extra: Vec<Item>, reader: &mut Reader) -> Vec<Draft> {
    let keys = ["business_id", "api_key", "api_key_file", "product_id", "test_product_id"];
    let left_out = !extra.is_empty() && !keys.iter().any(|key| section.has(key));
    let first = draft(section, "business_id", reader);
    let mut drafts = Vec::new();
    if !left_out {
        let missing = |key: &str, variable: &str| {
            let hint = format!("set {variable}, or {key} in [refairn], {WHERE}");
            Mistake::new(format!("refairn.{key}"), "it is missing", hint)
        };
        drafts.push(Draft {
            id: first.id.and_then(|id| id.ok_or_else(|| reader.note(missing("business_id", "REFAIRN_BUSINESS_ID")))),
            api_key: first
                .api_key
                .and_then(|key| key.ok_or_else(|| reader.note(missing("api_key", "REFAIRN_API_KEY")))),
            path: "refairn".to_owned(),
            product_id: first.product_id,
            test_product_id: first.test_product_id,
        });
    }
    for item in extra {
        let path = item.key.clone();
        let Ok(mut table) = Table::open(item, reader) else { continue };
        let more = draft(&mut table, "id", reader);
        table.close(reader);
        let missing = |key: &str| {
            Mistake::new(
                format!("{path}.{key}"),
                "it is missing",
                format!("write {key} into this [[businesses]], {WHERE}"),
            )
        };
        drafts.push(Draft {
            id: more.id.and_then(|id| id.ok_or_else(|| reader.note(missing("id")))),
            api_key: more.api_key.and_then(|key| key.ok_or_else(|| reader.note(missing("api_key")))),
            path,
            product_id: more.product_id,
            test_product_id: more.test_product_id,
        });
    }
    unique(&drafts, reader);
    drafts
}

/// The businesses, when nothing of them is missing.
pub(super) fn finish(drafts: Vec<Draft>, reader: &mut Reader) -> Result<Vec<Business>, Reported> {
    let business = |draft: Draft| {
        Ok(Business {
            id: draft.id?,
            api_key: draft.api_key?,
            product_id: draft.product_id?,
            test_product_id: draft.test_product_id?,
        })
    };
    let businesses = all(drafts.into_iter().map(business))?;
    if businesses.is_empty() {
        return Err(reader.note(Mistake::new(
            "businesses",
            "there is none",
            "set REFAIRN_BUSINESS_ID and REFAIRN_API_KEY",
        )));
    }
    Ok(businesses)
}

/// The keys that both kinds of section have.
struct Keys {
    id: Result<Option<String>, Reported>,
    api_key: Result<Option<Secret>, Reported>,
    product_id: Result<Option<String>, Reported>,
    test_product_id: Result<Option<String>, Reported>,
}

fn draft(table: &mut Table, id: &'static str, reader: &mut Reader) -> Keys {
    Keys {
        id: table.optional(id, reader, Item::id),
        api_key: table.secret(["api_key", "api_key_file"], reader),
        product_id: table.optional("product_id", reader, Item::id),
        test_product_id: table.optional("test_product_id", reader, Item::id),
    }
}

fn unique(drafts: &[Draft], reader: &mut Reader) {
    for (index, draft) in drafts.iter().enumerate() {
        let Ok(id) = &draft.id else { continue };
        if let Some(other) = drafts.iter().take(index).find(|other| other.id.as_ref().is_ok_and(|known| known == id)) {
            let cause = format!("{} has the same id, {id:?}", other.path);
            reader.note(Mistake::new(&draft.path, cause, "take one of them away, or correct its id"));
        }
    }
}
