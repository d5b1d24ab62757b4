//! What a check found: where, how it is, and what to do about it.

use serde::Serialize;

use crate::cli::output::{Piece, Tone, columns, toned};
use crate::config::{Mistake, Warning};

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Area {
    Configuration,
    Storage,
    Refairn,
    /// What is set up at the providers.
    Providers,
    /// The bridge that `BRIDGE_URL` names.
    Bridge,
}

impl Area {
    const fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::Storage => "Storage",
            Self::Refairn => "Refairn",
            Self::Providers => "Providers",
            Self::Bridge => "Bridge",
        }
    }
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    Warning,
    Wrong,
    /// It was not looked at.
    Skipped,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    area: Area,
    level: Level,
    what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

impl Finding {
    /// It is as it should be.
    pub(super) fn fine(area: Area, what: impl Into<String>) -> Self {
        Self { area, level: Level::Ok, what: what.into(), cure: None }
    }

    /// It is allowed but seldom meant.
    pub(super) fn warning(area: Area, what: impl Into<String>) -> Self {
        Self { area, level: Level::Warning, what: what.into(), cure: None }
    }

    /// It is allowed but seldom meant, and this is what to do.
    pub(super) fn look_at(area: Area, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { area, level: Level::Warning, what: what.into(), cure: Some(cure.into()) }
    }

    /// What is seldom meant in the configuration.
    pub(super) fn of_warning(Warning { key, cause, cure }: Warning) -> Self {
        Self::look_at(Area::Configuration, format!("{key}: {cause}"), cure)
    }

    /// It has to be mended.
    pub(super) fn wrong(area: Area, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { area, level: Level::Wrong, what: what.into(), cure: Some(cure.into()) }
    }

    /// It was not looked at.
    pub(super) fn skipped(area: Area, what: impl Into<String>) -> Self {
        Self { area, level: Level::Skipped, what: what.into(), cure: None }
    }

    /// A mistake in the configuration.
    pub(super) fn mistake(mistake: &Mistake) -> Self {
        let Mistake { key, place, cause, hint } = mistake;
        let place = place.as_ref().map_or_else(String::new, |place| format!(" ({place})"));
        Self::wrong(Area::Configuration, format!("{key}{place}: {cause}"), hint)
    }

    /// It deserves a look, or could not be looked at.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.level, Level::Warning | Level::Skipped)
    }

    /// It has to be mended.
    pub(super) fn is_wrong(&self) -> bool {
        self.level == Level::Wrong
    }
}

/// The findings for a person, area by area.
pub(super) fn text(findings: &[Finding]) -> String {
    let areas = findings.chunk_by(|one, next| one.area == next.area).filter_map(|of_area| {
        let title = of_area.first()?.area.title();
        Some(format!("{title}\n{}\n", columns(of_area.iter().flat_map(rows), 2)))
    });
    areas.collect()
}

fn rows(finding: &Finding) -> impl Iterator<Item = [Piece; 2]> {
    // All areas' second columns begin alike.
    let level = match finding.level {
        Level::Ok => toned("ok     ", Tone::Good),
        Level::Warning => toned("warning", Tone::Warning),
        Level::Wrong => toned("wrong  ", Tone::Bad),
        Level::Skipped => toned("skipped", Tone::Warning),
    };
    let cure = finding.cure.iter().map(|cure| [Piece::from(""), Piece::from(format!("cure: {cure}"))]);
    std::iter::once([level, Piece::from(finding.what.as_str())]).chain(cure)
}
