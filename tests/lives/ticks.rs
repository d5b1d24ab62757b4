//! The moments of a world: when events come, when nobody listens, and what the bridge's clock says.

use jiff::SignedDuration;

use crate::chance::Chance;
use crate::drive::END;
use crate::life::{BEGIN, DAY, HOUR};

/// How far the bridge's clock is ahead when somebody has set it.
const AHEAD: [SignedDuration; 8] = [
    SignedDuration::ZERO,
    SignedDuration::ZERO,
    SignedDuration::ZERO,
    SignedDuration::from_mins(1),
    SignedDuration::from_hours(3),
    SignedDuration::from_hours(-3),
    SignedDuration::from_hours(72),
    SignedDuration::from_hours(-72),
];
/// Moments after an outage at which events come.
const OUTAGE_TICKS: i64 = 12;

/// A moment at which events come.
pub(crate) struct Tick {
    pub(crate) at: i64,
    /// No call is made on the way here.
    pub(crate) asleep: bool,
    /// The bridge is started anew.
    pub(crate) restart: bool,
    /// How far the bridge's clock is ahead from here on.
    pub(crate) ahead: SignedDuration,
    /// From here on Refairn refuses our key.
    pub(crate) locked_out: bool,
}

/// From when to when nobody listens to some of a world's events.
pub(crate) fn outage(world: u64) -> (i64, i64) {
    let mut chance = Chance::of(&[world, 12]);
    let begin = BEGIN + chance.between(2, 20) * DAY;
    (begin, begin + chance.between(6 * HOUR, 4 * DAY))
}

/// The moments of a world: some a second apart, some days.
pub(crate) fn ticks(world: u64) -> Vec<Tick> {
    let mut chance = Chance::of(&[world, 6]);
    let mut clocks = Chance::of(&[world, 9]);
    let (mut ticks, mut at, mut locked_out, mut ahead) = (Vec::new(), BEGIN, false, SignedDuration::ZERO);
    while at < END {
        let wait = 1 + chance.span(6 * DAY);
        // A probe goes out each minute: not for days.
        locked_out = wait < 1_800 && chance.percent(if locked_out { 60 } else { 5 });
        at += wait;
        // Somebody sets the clock wrong, or right again.
        if clocks.percent(if ahead.is_zero() { 10 } else { 40 }) {
            ahead = clocks.pick(&AHEAD);
        }
        ticks.push(Tick { at, asleep: chance.percent(20), restart: chance.percent(8), locked_out, ahead });
    }
    // After an outage it is told of event by event.
    let (_, end) = outage(world);
    for late in 0..OUTAGE_TICKS {
        let at = end + 60 * late * late;
        let place = ticks.partition_point(|t| t.at < at);
        let ahead = place.checked_sub(1).map_or(SignedDuration::ZERO, |before| ticks[before].ahead);
        ticks.insert(place, Tick { at, asleep: false, restart: false, locked_out: false, ahead });
    }
    ticks
}
