//! What an operator may do with a delivery.

use std::time::Duration;

use jiff::Timestamp;

use super::transitions::By;
use super::{Delivery, DeliveryState};
use crate::domain::delivery::Action;
use crate::domain::reason::DeliveryReason;
use crate::domain::refusal::Refusal;

impl Delivery {
    /// Does what the operator decided.
    ///
    /// # Errors
    /// Why that makes no sense, for the operator to read; then nothing was changed.
    pub fn act(&mut self, action: Action, now: Timestamp) -> Result<(), Refusal> {
        use DeliveryState::{Delivered, Discarded, Duplicate, Held, Queued, Rejected, Sending};
        let failed_over = self.state == Held && self.reason == Some(DeliveryReason::InternalError);
        match (action, self.state) {
            (_, Sending) => Err(Refusal::new("it is on its way right now", "try again in a moment")),
            (Action::Retry, Queued | Rejected | Discarded) => {
                self.queue_again(now);
                // The hours until we give up count anew.
                self.record.waited = Duration::ZERO;
                Ok(())
            }
            // Nothing but a defect of ours kept it.
            (Action::Retry | Action::Release, Held) if failed_over => {
                self.queue_again(now);
                Ok(())
            }
            (Action::Release, Held | Rejected) => self.release(now),
            (Action::Discard, Queued | Held | Rejected) => {
                self.stand(By::Operator, Discarded, Some(DeliveryReason::DiscardedByOperator));
                self.record.attention = false;
                Ok(())
            }
            (Action::Discard, Delivered | Duplicate) if self.attention => {
                self.acknowledge();
                Ok(())
            }
            (Action::Retry | Action::Release | Action::Discard, state) => {
                let why = format!("a delivery that is {} cannot be {}", state.code(), action.done());
                Err(Refusal::new(why, instead(state)))
            }
        }
    }

    /// It goes out at `now`, if the plan that follows does not want otherwise.
    fn queue_again(&mut self, now: Timestamp) {
        self.stand(By::Operator, DeliveryState::Queued, None);
        self.record.attention = false;
        self.wait_until(now, now);
    }

    fn release(&mut self, now: Timestamp) -> Result<(), Refusal> {
        if self.reason == Some(DeliveryReason::DaySlotTaken) {
            // The operator who releases it has seen which payment of that day Refairn has.
            self.record.outcome_unknown = false;
            self.record.taken_seq = None;
        } else if self.state == DeliveryState::Rejected && self.outcome_unknown {
            return Err(Refusal::new("Refairn may have it already", "retry it: a 409 of Refairn's does no harm"));
        }
        self.queue_again(now);
        self.record.released = true;
        self.record.waited = Duration::ZERO;
        Ok(())
    }

    /// The warning on a call that Refairn has was seen.
    const fn acknowledge(&mut self) {
        self.record.acknowledged = true;
        self.record.attention = false;
    }
}

/// What an operator can do about a call that stands so.
const fn instead(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Queued => "it goes out by itself; retry it to send it now, or discard it",
        DeliveryState::Sending => "try again in a moment",
        DeliveryState::Held => "release it to send it, or discard it",
        DeliveryState::Rejected => "mend the cause and retry it, or discard it",
        DeliveryState::Discarded => "retry it to send it after all",
        DeliveryState::Delivered | DeliveryState::Duplicate => {
            "Refairn has it and nothing is left to decide: what it has is changed in Refairn's dashboard"
        }
        DeliveryState::Cancelled | DeliveryState::Superseded => {
            "nothing asks for this call any more: remap its event if that is wrong"
        }
    }
}
