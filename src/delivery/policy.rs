//! What follows an attempt: pure, every case of the contract's table.

use std::time::Duration;

use crate::domain::delivery::{Delivery, Settlement, Verdict};
use crate::domain::reason::DeliveryReason;
use crate::outbound::{Backoff, with_jitter};
use crate::refairn::Answer;

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Refairn may ask for a longer wait than ours, up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How patient deliveries are.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The longest wait between two attempts that we choose ourselves.
    pub retry_max_wait: Duration,
    /// How long a call may have waited between its own attempts; then it needs attention.
    pub give_up_after: Duration,
}

/// What an answer to `delivery` leads to. `chance_permille` is random, `0..1000`.
#[must_use]
pub fn decide(answer: Answer, delivery: &Delivery, retry_policy: &RetryPolicy, chance_permille: u32) -> Verdict {
    let settlement = match answer {
        Answer::Conflict => return Verdict::Conflict,
        Answer::Success(receipt) => Settlement::Delivered(receipt),
        Answer::Refused(message) => Settlement::Rejected(DeliveryReason::RefusedByRefairn, message),
        Answer::Misconfigured(message) => Settlement::PauseRoute(message),
        // A clock that jumps makes nobody wait: what counts is how long we chose to.
        Answer::TryLater { message, .. } if delivery.waited >= retry_policy.give_up_after => {
            Settlement::Rejected(DeliveryReason::GivenUp, message)
        }
        Answer::TryLater { retry_after, outcome_unknown, message } => {
            let wait = wait(delivery.attempts, retry_after, retry_policy, chance_permille);
            Settlement::Retry { wait, outcome_unknown, detail: message }
        }
    };
    Verdict::Settled(settlement)
}

/// The wait after attempt number `attempts`: 1 s, 2 s, 4 s and on, or what Refairn asks for if that is longer.
fn wait(attempts: u32, asked: Option<Duration>, retry_policy: &RetryPolicy, chance_permille: u32) -> Duration {
    let backoff = Backoff { first: FIRST_WAIT, own_max: retry_policy.retry_max_wait, asked_max: RETRY_AFTER_MAX };
    with_jitter(backoff.wait(attempts, asked), chance_permille)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY_POLICY: RetryPolicy =
        RetryPolicy { retry_max_wait: Duration::from_secs(900), give_up_after: Duration::from_secs(72 * 3600) };

    #[test]
    fn waits_double_up_to_the_limit_and_jitter_only_adds() {
        let check = |attempts: u32, seconds: u64| {
            let least = wait(attempts, None, &RETRY_POLICY, 0);
            let most = wait(attempts, None, &RETRY_POLICY, 1000);
            assert_eq!(least, Duration::from_secs(seconds), "attempt {attempts}");
            assert_eq!(most, least * 12 / 10, "attempt {attempts}");
        };
        for (attempts, seconds) in [(1, 1), (2, 2), (3, 4), (4, 8), (10, 512), (11, 900), (12, 900), (u32::MAX, 900)] {
            check(attempts, seconds);
        }
    }

    #[test]
    fn refairn_may_ask_for_a_longer_wait_up_to_an_hour() {
        for (asked, seconds) in [(0, 1), (30, 30), (86_400, 3600)] {
            let asked = Duration::from_secs(asked);
            assert_eq!(wait(1, Some(asked), &RETRY_POLICY, 0), Duration::from_secs(seconds), "{asked:?}");
        }
    }
}
