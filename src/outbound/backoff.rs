//! How long to wait before the next try: each wait is twice the one before, up to a limit.

use std::time::Duration;

/// Jitter adds at most this share of a wait, per mille; it never takes away.
const JITTER_PERMILLE_MAX: u32 = 200;

/// How long somebody waits between tries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    /// After the first try.
    pub(crate) first: Duration,
    /// The longest wait that we choose ourselves.
    pub(crate) own_max: Duration,
    /// The longest wait that the other side may ask for.
    pub(crate) asked_max: Duration,
}

impl Backoff {
    /// The wait after try number `attempt`, from 1, or what the other side `asked` for if that is longer.
    pub(crate) fn wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let own = self.first.saturating_mul(doubled).min(self.own_max);
        own.max(asked.unwrap_or_default().min(self.asked_max))
    }
}

/// `wait`, longer by chance, so that not everybody comes back at once. `chance_permille` is random, `0..1000`.
pub(crate) fn with_jitter(wait: Duration, chance_permille: u32) -> Duration {
    let jitter_permille = chance_permille.min(1000) * JITTER_PERMILLE_MAX / 1000;
    wait + wait * jitter_permille / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(1),
        own_max: Duration::from_secs(900),
        asked_max: Duration::from_secs(3600),
    };

    #[test]
    fn waits_double_up_to_the_limit_and_jitter_only_adds() {
        for (attempt, seconds) in [(0, 1), (1, 1), (2, 2), (3, 4), (10, 512), (11, 900), (u32::MAX, 900)] {
            let wait = BACKOFF.wait(attempt, None);
            assert_eq!(wait, Duration::from_secs(seconds), "attempt {attempt}");
            assert_eq!((with_jitter(wait, 0), with_jitter(wait, 1000)), (wait, wait * 12 / 10));
            assert_eq!(with_jitter(wait, u32::MAX), wait * 12 / 10);
        }
    }

    #[test]
    fn the_other_side_may_ask_for_a_longer_wait_up_to_its_limit() {
        for (asked, seconds) in [(0, 4), (3, 4), (1000, 1000), (86_400, 3600)] {
            let asked = Duration::from_secs(asked);
            assert_eq!(BACKOFF.wait(3, Some(asked)), Duration::from_secs(seconds), "{asked:?}");
        }
    }
}
