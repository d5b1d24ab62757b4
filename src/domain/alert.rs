//! What somebody has to be told of, and in which words: ids and links, and never an address or a name.

use serde::{Deserialize, Serialize};

/// Of more things that begin to need a person at once, one message tells the number.
const TOLD_ONE_BY_ONE_MAX: usize = 20;

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// An event or a call needs a person.
    Attention,
    /// A commission has to be reversed within two days.
    Deadline,
    /// A payment stands otherwise at its provider.
    Difference,
    /// Refairn refuses our key or ids.
    RoutePaused,
    /// Refairn does not answer.
    RefairnDown,
    /// No webhook comes to an endpoint.
    Silent,
    /// The disk is nearly full.
    DiskNearlyFull,
    /// A message to try out where alerts go.
    Test,
}

impl AlertKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Attention,
        Self::Deadline,
        Self::Difference,
        Self::RoutePaused,
        Self::RefairnDown,
        Self::Silent,
        Self::DiskNearlyFull,
        Self::Test,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Deadline => "deadline",
            Self::Difference => "difference",
            Self::RoutePaused => "route_paused",
            Self::RefairnDown => "refairn_down",
            Self::Silent => "silent",
            Self::DiskNearlyFull => "disk_nearly_full",
            Self::Test => "test",
        }
    }

    /// The kind of this code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }

    /// Whether a person ends it, and not the world: that one of them is over tells nobody anything.
    #[must_use]
    pub const fn is_a_task(self) -> bool {
        matches!(self, Self::Attention | Self::Deadline | Self::Difference)
    }
}

/// Something that is so now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertItem {
    /// Tells it from every other.
    pub item: String,
    /// What it is about.
    pub kind: AlertKind,
    /// A sentence for a person.
    pub text: String,
    /// The page that shows it.
    pub path: String,
}

/// Of what it is looked at all. What was told of anything else is forgotten without a word: nobody knows how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watching {
    /// The endpoints that may fall silent.
    pub silent: Vec<String>,
    /// The endpoints whose provider's lists are compared.
    pub compared: Vec<String>,
    /// Whether the database is on a disk of ours.
    pub disk: bool,
}

impl Watching {
    /// Whether it is looked at what was told under this name.
    #[must_use]
    pub fn covers(&self, kind: AlertKind, item: &str) -> bool {
        let is_one_of = |names: &[String]| {
            // A name of an endpoint has no blank in it.
            item.split(' ').nth(1).is_some_and(|of| names.iter().any(|name| name == of))
        };
        match kind {
            AlertKind::Silent => is_one_of(&self.silent),
            AlertKind::Difference => item.ends_with(MORE) || is_one_of(&self.compared),
            AlertKind::DiskNearlyFull => self.disk,
            AlertKind::Attention
            | AlertKind::Deadline
            | AlertKind::RoutePaused
            | AlertKind::RefairnDown
            | AlertKind::Test => true,
        }
    }
}

/// How an item's name ends that stands for more than are told one by one.
pub const MORE: &str = " more";

/// Whether something began or is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It has begun.
    Began,
    /// All is well again.
    Over,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Whether something began or is over.
    pub phase: Phase,
    /// What it is about.
    pub kind: AlertKind,
    /// What exactly.
    pub item: String,
    /// A sentence for a person.
    pub text: String,
    /// The page that shows it.
    pub path: String,
}

/// The messages about what has begun and what is over: one for each thing, but of very many tasks. `are_all_done` says that no task is left.
#[must_use]
pub fn notices(begun: &[AlertItem], over: &[(String, AlertKind)], are_all_done: bool) -> Vec<Notice> {
    let notice = |phase, kind, item: &str, text: String, path: &str| Notice {
        phase,
        kind,
        item: item.to_owned(),
        text,
        path: path.to_owned(),
    };
    let (tasks, states): (Vec<&AlertItem>, Vec<&AlertItem>) = begun.iter().partition(|item| item.kind.is_a_task());
    let began = |item: &&AlertItem| notice(Phase::Began, item.kind, &item.item, item.text.clone(), &item.path);
    let mut all: Vec<Notice> = states.iter().map(began).collect();
    if tasks.len() > TOLD_ONE_BY_ONE_MAX {
        let text = format!("{} things began to need a person.", tasks.len());
        all.push(notice(Phase::Began, AlertKind::Attention, "many", text, "/attention"));
    } else {
        all.extend(tasks.iter().map(began));
    }
    let states_over = over.iter().filter(|(_, kind)| !kind.is_a_task());
    all.extend(states_over.map(|(item, kind)| {
        let text = format!("All well again: {}.", what_is_over(*kind, item));
        notice(Phase::Over, *kind, item, text, "/")
    }));
    let was_task = over.iter().any(|(_, kind)| kind.is_a_task());
    if was_task && are_all_done {
        let text = "All well again: nothing needs a person.".to_owned();
        all.push(notice(Phase::Over, AlertKind::Attention, "all", text, "/attention"));
    }
    all
}

fn what_is_over(kind: AlertKind, item: &str) -> String {
    let name = item.split_once(' ').map_or(item, |(_, name)| name);
    match kind {
        AlertKind::RoutePaused => format!("Refairn takes calls for {name}"),
        AlertKind::RefairnDown => "Refairn answers".to_owned(),
        AlertKind::Silent => format!("webhooks come to endpoint {name}"),
        AlertKind::DiskNearlyFull => "the disk has room".to_owned(),
        AlertKind::Attention | AlertKind::Deadline | AlertKind::Difference | AlertKind::Test => {
            format!("{name} is seen to")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: AlertKind, item: &str) -> AlertItem {
        AlertItem { item: item.to_owned(), kind, text: "It is so.".to_owned(), path: "/".to_owned() }
    }

    #[test]
    fn each_thing_has_one_message_and_very_many_have_one_together() {
        let few: Vec<AlertItem> = (0..20).map(|n| item(AlertKind::Attention, &format!("dlv_{n}"))).collect();
        assert_eq!(notices(&few, &[], false).len(), 20);
        let many: Vec<AlertItem> = (0..21).map(|n| item(AlertKind::Attention, &format!("dlv_{n}"))).collect();
        let told = notices(&many, &[], false);
        assert_eq!(told.iter().map(|n| n.text.as_str()).collect::<Vec<_>>(), ["21 things began to need a person."]);
    }

    #[test]
    fn what_is_over_is_told_of_states_one_by_one_and_of_tasks_when_none_is_left() {
        let over =
            [("attention dlv_1".to_owned(), AlertKind::Attention), ("refairn".to_owned(), AlertKind::RefairnDown)];
        let texts = |done| notices(&[], &over, done).into_iter().map(|n| n.text).collect::<Vec<_>>();
        assert_eq!(texts(false), ["All well again: Refairn answers."]);
        assert_eq!(texts(true), ["All well again: Refairn answers.", "All well again: nothing needs a person."]);
    }

    #[test]
    fn what_is_not_looked_at_any_more_is_no_news() {
        let watching = Watching { silent: vec![], compared: vec!["shop".to_owned()], disk: false };
        let check = |kind, item, expected| assert_eq!(watching.covers(kind, item), expected, "{item}");
        check(AlertKind::Silent, "silent shop", false);
        check(AlertKind::Difference, "difference shop in_1", true);
        check(AlertKind::Difference, "difference other in_1", false);
        check(AlertKind::Difference, "difference more", true);
        check(AlertKind::DiskNearlyFull, "disk", false);
        check(AlertKind::RefairnDown, "refairn", true);
        let watching = Watching { silent: vec!["shop".to_owned()], disk: true, ..watching };
        assert!(
            watching.covers(AlertKind::Silent, "silent shop") && watching.covers(AlertKind::DiskNearlyFull, "disk")
        );
    }

    #[test]
    fn every_code_reads_back() {
        for kind in AlertKind::ALL {
            assert_eq!(AlertKind::parse(kind.code()), Some(*kind));
        }
    }
}
