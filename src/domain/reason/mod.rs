//! Why things ended as they did: one closed list, from which come the stable code, the sentence a person reads, what to do
//! about it, and the label of a metric. An event has an [`EventReason`], a delivery a [`DeliveryReason`], so that none can
//! stand where its sentence is not true.

#[macro_use]
mod lists;

use std::fmt;
use std::str::FromStr;

/// On what a reason stands, and whether somebody has to see it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// An event that calls for nothing.
    Event,
    /// An event that a person has to see: at once if it could not be read, else when it has waited too long.
    EventToSee,
    /// A delivery that nobody has to see.
    Delivery,
    /// A delivery that a person has to see.
    DeliveryToSee,
}

reasons! {
    // ── an event that is ignored ──────────────────────────────────────────────────────────────
    UnknownType => "unknown_type", [Event],
        "This type of event is not one the bridge knows.",
        "Nothing to do. Stripe lets you untick it; Paystack sends every type.";
    NotRelevant => "not_relevant", [Event],
        "This type of event reports nothing that Refairn is told of.",
        "Nothing to do. Stripe lets you untick it; Paystack sends every type.";
    AlreadyReported => "already_reported", [Event, Delivery],
        "Another event reported the same fact before.",
        "Nothing to do: one payment has one call, whichever event brings it.";
    NotPaid => "not_paid", [Event],
        "No money has moved yet.",
        "Nothing to do: another event follows when it has.";
    ReportedByInvoice => "reported_by_invoice", [Event],
        "This payment belongs to an invoice, and the invoice's own event reports it.",
        "Tick invoice.paid at Stripe if it is not ticked yet.";
    OneTimeOff => "one_time_off", [Event],
        "A bare charge or payment intent cannot be told from an invoice's, so these events are off.",
        "Set one_time = \"payment_intent\" on the endpoint if you take one-off payments without Checkout and without invoices.";
    ZeroAmount => "zero_amount", [Event],
        "Nothing was charged.",
        "Nothing to do: there is no commission on nothing.";
    NegativeAmount => "negative_amount", [Event],
        "The amount is negative: it ends in the customer's favour.",
        "Nothing to do: there is no commission on it.";
    NothingAfterFees => "nothing_after_fees", [Event],
        "Nothing is left after the provider's fees.",
        "Nothing to do: there is no commission on it, by commission_base = \"net_of_fees\".";
    NothingInProducts => "nothing_in_products", [Event],
        "Of what was paid, nothing was for the items in the endpoint's products map.",
        "Add the other items to products if their sales earn commission.";
    NamesNobody => "names_nobody", [Event],
        "The event names nobody: no customer, no e-mail address, no referral code.",
        "Nothing to do: what was paid has an event of its own.";
    CreditedOtherwise => "credited_otherwise", [Event],
        "The credit note gives nothing back outside of Stripe: credit lowers a later invoice, a refund has an event of its own.",
        "Nothing to do.";
    BelowMinimum => "below_minimum", [Event],
        "The amount is below the endpoint's minimum_amount for its currency.",
        "Lower minimum_amount if this was a real sale.";
    OutOfBand => "out_of_band", [Event],
        "The invoice was marked as paid outside of Stripe.",
        "Set out_of_band = \"send\" on the endpoint if such payments earn commission.";
    TestModeOff => "test_mode_off", [Event],
        "A test-mode event, and no product for tests is set.",
        "Set REFAIRN_TEST_PRODUCT_ID to a Refairn product with 0 % rates to see test events arrive.";
    TestOfALiveCustomer => "test_of_a_live_customer", [Event, Delivery],
        "A test-mode event of a customer who is known from live mode. Refairn knows people by address alone, so the test would take a real customer's place.",
        "Use an address in test mode that no real customer has.";
    ProductUnmapped => "product_unmapped", [Event],
        "None of the sold items is in the endpoint's products map, and what is not in it is not told: unmapped = \"ignore\" is set, or there is no product_id.",
        "Add the price, product or plan to products if its sales earn commission.";
    LeadsOff => "leads_off", [Event],
        "Customers are not reported, because leads = \"off\" is set.",
        "Set leads = \"referred\" to credit agents by their codes.";
    NoReferralCode => "no_referral_code", [Event],
        "The customer is noted; no referral code is known, so there is nobody to credit.",
        "Nothing to do; if a code was given, check referral_code_from against where your checkout puts it.";
    CustomerNoted => "customer_noted", [Event],
        "The customer and the referral code were known already, or are noted for later.",
        "Nothing to do.";
    CustomerForgotten => "customer_forgotten", [Event],
        "The customer is forgotten, so there is no address under which Refairn could be told.",
        "Nothing to do: what is still true is told once a later event brings the address back.";
    LinkNoted => "link_noted", [Event],
        "The event only ties a payment to its invoice; that is noted for refunds.",
        "Nothing to do.";
    StatusUnchanged => "status_unchanged", [Event],
        "Refairn knows this subscription status already.",
        "Nothing to do.";
    StatusUnknown => "status_unknown", [Event],
        "The provider's status has no counterpart at Refairn; the last known status stays.",
        "Nothing to do.";
    StatusUpdatesOff => "status_updates_off", [Event],
        "Status changes are not reported, because status_updates = \"off\" is set.",
        "Set status_updates = \"end_of_day\" to report them.";
    NoPaymentYet => "no_payment_yet", [Event],
        "Refairn has no payment of this customer yet, and a status before the first payment could use up a commission.",
        "Nothing to do: the first payment carries the status itself.";
    FirstInvoiceFailed => "first_invoice_failed", [Event],
        "The first invoice of a subscription failed, so the subscription never began.",
        "Nothing to do.";
    LookedUp => "looked_up", [Event],
        "The object it points to was fetched and recorded as an event of its own.",
        "Nothing to do: that event says what came of it.";
    ReversalNotFinal => "reversal_not_final", [Event],
        "The refund or dispute has not taken money back, or not yet.",
        "Nothing to do: another event follows if it does.";

    NothingTold => "nothing_told", [Event],
        "Refairn was told of no payment of this customer, so there is no commission to reverse.",
        "Nothing to do. If the payment comes after all, the refund or dispute counts for it.";

    // ── an event or a delivery that waits ─────────────────────────────────────────────────────
    CustomerUnknown => "customer_unknown", [EventToSee],
        "The event names a customer whose e-mail address is not known.",
        "It goes on by itself when another event names the address: give the customer one at the provider, or the endpoint an api_key, with which the bridge looks it up.";
    PaymentUnknown => "payment_unknown", [EventToSee],
        "The refund or dispute names no payment that the bridge knows.",
        "It goes on by itself when its payment is seen. If none comes, find the payment at the provider, and see in Refairn's dashboard whether somebody was credited for it.";
    WaitingForReferralCode => "waiting_for_referral_code", [Delivery],
        "A payment that is no renewal, or a customer without a code, waits for the checkout session that may carry the referral code.",
        "Nothing to do: it goes out when the session is here, or when first_payment_wait_s is over; later if it was heard late.";
    WaitingForInvoice => "waiting_for_invoice", [Delivery],
        "A checkout session of Stripe's was paid whose invoice is made afterwards; the invoice's own event reports the payment.",
        "Nothing to do: it goes out with the invoice, or by itself after an hour.";
    WaitingForDayEnd => "waiting_for_day_end", [Delivery],
        "A status change waits until its day is over, so that it cannot take the place of a payment.",
        "Nothing to do: it goes out by itself.";
    WaitingForFreeDay => "waiting_for_free_day", [Delivery],
        "Refairn takes one payment per customer and day; this one waits for the next free day.",
        "Nothing to do: it goes out by itself.";
    RoutePaused => "route_paused", [Delivery],
        "Refairn refuses our API key, business or product, so everything for this product waits.",
        "Set the right key and ids; a probe each minute finds out by itself when they are. If an id was wrong, remap the events: it is part of their calls.";
    Retrying => "retrying", [Delivery],
        "Refairn could not be reached or had trouble; the call is tried again.",
        "Nothing to do: it goes out by itself.";

    // ── an event we cannot map ────────────────────────────────────────────────────────────────
    Unreadable => "unreadable", [EventToSee],
        "The signature is right but the body is not the JSON this provider sends.",
        "Look at the body; if the provider really sent it, report it, update the bridge and remap.";
    MissingField => "missing_field", [EventToSee],
        "A field is missing or malformed that this type of event must have.",
        "Look at the detail and the body; report it, update the bridge and remap.";
    LinesNotSeen => "lines_not_seen", [EventToSee],
        "The event shows only a part of what was sold, and what decides on the product is not in that part.",
        "Give the endpoint an api_key, so that the rest is looked up; or look at the invoice, and name the product of its subscription in products.";
    ThinEvent => "thin_event", [EventToSee],
        "A thin event: it only points at an object instead of carrying it.",
        "Configure a snapshot destination at Stripe, or give the endpoint an api_key.";

    InternalError => "internal_error", [EventToSee, DeliveryToSee],
        "The bridge failed over it: a defect of the bridge. Whatever else there is to do goes on.",
        "Update the bridge, then remap the event, or retry the delivery; report it if it stays.";

    // ── a delivery that needs attention, or ended without a call ──────────────────────────────
    SameDayPayment => "same_day_payment", [DeliveryToSee],
        "Another payment of this customer holds the day, and Refairn takes one per customer and day.",
        "Release it to send it dated on the next free day, or discard it.";
    DayTakenByStatus => "day_taken_by_status", [DeliveryToSee],
        "The payment arrived after a status change had already been reported for its day.",
        "Release it to send it dated on the next free day, or discard it.";
    CustomerCreatedRejected => "customer_created_rejected", [DeliveryToSee],
        "The customer's own call was rejected; a payment sent now would credit nobody.",
        "Mend the customer-created call and retry it, or discard it: the payment goes on by itself.";
    ReversedInAnotherCurrency => "reversed_in_another_currency", [DeliveryToSee],
        "Money went back in another currency than the payment's, so nobody can say how much of the payment is left.",
        "Compare the two at the provider; release the payment if it is to be sent, or discard it.";
    ReversedOutcomeUnknown => "reversed_outcome_unknown", [DeliveryToSee],
        "The payment was taken back while nobody knows whether Refairn has it: the last attempt ended without an answer.",
        "Look in Refairn for a commission of this customer and day, and reverse it; then discard the call. Or release it: it is sent again as it is, with the same date.";
    MayBeReportedAlready => "may_be_reported_already", [DeliveryToSee],
        "Refairn was told of a payment of this customer, amount and currency within a day, and nothing says whether this is another one.",
        "Compare the two at the provider. If it is another payment, release it; if not, discard it.";
    PaidBeforeReferral => "paid_before_referral", [DeliveryToSee],
        "The payment was made more than a day before the customer was referred, and Refairn knows the agent already: sent now, it would credit the agent for it.",
        "Release it if the agent is to be credited all the same, or discard it.";
    ToldTwice => "told_twice", [DeliveryToSee],
        "Refairn was told of this payment twice, or may have been, under two ids of the provider's: that both are one payment became known afterwards.",
        "Look in Refairn's dashboard for two commissions of it, and reverse one before its hold date; then discard this.";
    Reversed => "reversed", [DeliveryToSee],
        "Money of this payment went back, by a refund or a dispute, after Refairn was told of it.",
        "Reverse the commission in Refairn's dashboard before its hold date, or its part that went back; then discard this warning.";
    ReversedBeforeSending => "reversed_before_sending", [Delivery],
        "The payment was taken back before Refairn was told of it, so no call was made.",
        "Nothing to do.";
    ReversedNobodyCredited => "reversed_nobody_credited", [Delivery],
        "Money of this payment went back, by a refund or a dispute. Nobody was credited for it, so there is no commission to reverse.",
        "Nothing to do.";
    ReferralCodeLate => "referral_code_late", [DeliveryToSee],
        "The referral code came after this call had been sent, so it credited nobody.",
        "Credit the agent in Refairn's dashboard, then discard this warning.";
    ReferralCodeUnknown => "referral_code_unknown", [DeliveryToSee],
        "Refairn recorded the customer but credited no agent for the referral code.",
        "Check the code with the agent, and credit the customer in Refairn's dashboard; then discard this warning.";
    RefusedByRefairn => "refused_by_refairn", [DeliveryToSee],
        "Refairn refused the call.",
        "Read Refairn's message, mend the cause, then retry.";
    DaySlotTaken => "day_slot_taken", [DeliveryToSee],
        "Refairn holds a payment of this customer on this day, and took this one for its repetition.",
        "Release it to send it dated on the next free day, or discard it. If the detail says that nobody knows which payment Refairn has, look there first.";
    GivenUp => "given_up", [DeliveryToSee],
        "Refairn could not be told within give_up_after_h.",
        "See why under attempts, then retry.";
    AlreadyAtRefairn => "already_at_refairn", [Delivery],
        "Refairn had recorded this call before.",
        "Nothing to do. Whom Refairn credits for a payment that it had already, its dashboard shows.";
    Superseded => "superseded", [Delivery],
        "Another call says it too.",
        "Nothing to do.";
    Remapped => "remapped", [Delivery],
        "The event was mapped anew, or its payment turned out to be another address's, and it no longer asks for this call.",
        "Nothing to do.";
    DiscardedByOperator => "discarded_by_operator", [Delivery],
        "An operator decided that this is not to be sent.",
        "Nothing to do; retry it to send it after all.";
    AmountUnknown => "amount_unknown", [DeliveryToSee],
        "The event does not say the amount that commission_base asks for.",
        "Wait for the charge's own event, or set commission_base = \"paid\" and remap.";
}

impl fmt::Display for EventReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A code that is not in the list, or cannot stand there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason {0:?}")]
pub struct UnknownReason(pub String);

impl Reason {
    /// Where it stands, somebody has to see it, now or in time.
    #[must_use]
    pub fn is_to_be_seen(self) -> bool {
        self.stands_on().iter().any(|stand| matches!(stand, Stand::EventToSee | Stand::DeliveryToSee))
    }
}

impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl serde::Serialize for EventReason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> serde::Deserialize<'de> for EventReason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        code.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_snake_case_and_reads_back() {
        for (i, reason) in Reason::ALL.iter().enumerate() {
            let code = reason.code();
            assert!(code.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{code}");
            let of_either = code.parse().map(EventReason::reason).or_else(|_| code.parse().map(DeliveryReason::reason));
            assert_eq!(of_either, Ok(*reason));
            assert!(Reason::ALL[..i].iter().all(|other| other.code() != code), "{code} twice");
            assert!(reason.sentence().ends_with('.') && reason.cure().ends_with('.'), "{code}");
        }
    }

    #[test]
    fn an_event_and_a_delivery_have_the_reasons_that_stand_on_them_and_no_others() {
        for reason in Reason::ALL {
            let stands = |of: [Stand; 2]| reason.stands_on().iter().any(|stand| of.contains(stand));
            let of_event = reason.code().parse::<EventReason>().map(Reason::from);
            let of_delivery = reason.code().parse::<DeliveryReason>().map(Reason::from);
            assert_eq!(of_event.ok(), stands([Stand::Event, Stand::EventToSee]).then_some(*reason));
            assert_eq!(of_delivery.ok(), stands([Stand::Delivery, Stand::DeliveryToSee]).then_some(*reason));
        }
    }

    /// The table of what needs attention in the documents: the codes of its first column.
    fn told_in_the_documents() -> Vec<&'static str> {
        let document = include_str!("../../../docs/attention.md");
        let (_, section) = document.split_once("## The reasons").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.flat_map(|row| row.split(" | ").next().unwrap().split('`').step_by(2))
            .filter(|code| !code.is_empty())
            .collect()
    }

    #[test]
    fn every_reason_that_somebody_has_to_see_is_in_the_documents_and_no_other() {
        let mut told = told_in_the_documents();
        let mut to_be_seen: Vec<&str> = Reason::ALL.iter().filter(|r| r.is_to_be_seen()).map(|r| r.code()).collect();
        told.sort_unstable();
        to_be_seen.sort_unstable();
        assert_eq!(told, to_be_seen);
    }

    #[test]
    fn what_nobody_has_to_see_stands_nowhere_where_it_is_to_be_seen() {
        for reason in Reason::ALL {
            let stands = reason.stands_on();
            let on = |quiet, to_see| stands.contains(&quiet) && stands.contains(&to_see);
            assert!(!on(Stand::Event, Stand::EventToSee) && !on(Stand::Delivery, Stand::DeliveryToSee), "{reason:?}");
            let idle = reason.cure().starts_with("Nothing to do.") || reason.cure().starts_with("Nothing to do:");
            assert!(!(idle && reason.is_to_be_seen()), "{reason:?} asks for a person and tells nobody what to do");
        }
    }
}
