//! What must hold of the calls that tell a change of status.

use refairn_bridge::domain::delivery::DeliveryState;
use refairn_bridge::domain::mode::Mode;

use super::Judge;
use crate::kit::pipeline::Moment;
use crate::truth::Payment;

/// How long a status waits after its day: a payment of the last second of a day is heard a while later.
const AFTER_ITS_DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(3);

impl Judge<'_> {
    /// Calls of nothing: after a payment, after their day, on no payment's day, and only when there is something to say.
    pub(super) fn changes_of_status(&mut self) {
        let calls = self.payment_calls();
        for (i, call) in calls.iter().enumerate().filter(|(_, c)| c.amount.is_zero()) {
            let before = || calls.iter().take(i).filter(|c| c.taken && c.product == call.product);
            if !before().any(|c| !c.amount.is_zero()) {
                self.complain(format!("a status before any payment for its product: {}", call.body));
            }
            let over = call
                .day
                .tomorrow()
                .expect("a day")
                .to_zoned(self.policy.time_zone.clone())
                .expect("a time")
                .timestamp()
                + AFTER_ITS_DAY;
            // Once it may be at Refairn it cannot be taken back.
            let again = calls.iter().take(i).any(|c| c.perhaps && c.body == call.body);
            // One that is tried again after the clock was set back was due by the clock that began it.
            let heard_on = |when: Moment| when.by_clock.to_zoned(self.policy.time_zone.clone()).date();
            let heard = |(word, when): &(&str, Moment)| *word == call.status && heard_on(*when) <= call.day;
            if !self.truth.words.iter().any(heard) {
                self.complain(format!("a status dated before the day on which it was heard: {}", call.body));
            }
            if !again && call.when.by_clock.max(call.when.at) < over {
                self.complain(format!("a status before its day was over: {} at {:?}", call.body, call.when));
            }
            let told = |p: &Payment| p.mode == Mode::Live || !self.is_live();
            let known = |p: &&Payment| {
                told(p)
                    && !again
                    && p.day == call.day
                    && p.known.is_some_and(|known| known < call.when.at)
                    && !p.in_question
            };
            if let Some(payment) = self.truth.payments.iter().find(known) {
                self.complain(format!("a status took the day of {}: {}", payment.bill, call.body));
            }
            let last = before().next_back().filter(|c| c.heard).map(|c| (c.status.as_str(), &c.body));
            if !again && last.is_some_and(|(status, body)| status == call.status && *body != call.body) {
                self.complain(format!("a status that Refairn knew: {}", call.body));
            }
        }
    }

    /// In the end Refairn knows what every subscription is.
    pub(super) fn last_words(&mut self) {
        let live = self.is_live();
        let told = |mode: &str| mode == Mode::Live.code() || !live;
        // What an endpoint that stands behind another had told first stays as it is.
        let elsewhere = |p: &Payment| self.delivery_of(p).is_some_and(|d| d.call.product() != p.product());
        if self.truth.payments.iter().any(elsewhere) {
            return;
        }
        // What was told where a subscription had been is told once.
        let told_there = |product: &str| self.elsewhere.iter().any(|c| c.amount.is_zero() && c.product == product);
        for ((mode, product), word) in
            self.truth.last.iter().filter(|((mode, product), _)| told(mode) && !told_there(product))
        {
            let own = || self.truth.payments.iter().filter(|p| p.mode.code() == *mode && p.product() == *product);
            let all_told = own().all(|p| {
                self.delivery_of(p).is_some_and(|d| d.state.is_acknowledged() || d.state == DeliveryState::Cancelled)
            });
            let last = self
                .seen
                .held
                .iter()
                .rfind(|(p, _)| p.product_id == *product)
                .map(|(p, _)| p.subscription_status.clone());
            if let Some(last) = last.filter(|last| all_told && last != word) {
                self.complaints.push(format!("the last word on {product} is {last}, should be {word}"));
            }
        }
    }
}
