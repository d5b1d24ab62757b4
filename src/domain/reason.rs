//! Why things ended as they did: one closed list, from which come the stable code, the sentence a
//! person reads, what to do about it, and the label of a metric.

use std::fmt;
use std::str::FromStr;

/// Writes the enum, its codes, sentences and cures from one table, so that none can be forgotten.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident => $code:literal, $sentence:literal, $cure:literal;)+) => {
        /// Why an event or a delivery is in the state it is in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* #[doc = $sentence] $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable snake_case code, as the API and the store write it.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// What happened, in a sentence a person understands.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }

            /// What to do about it.
            #[must_use]
            pub const fn cure(self) -> &'static str {
                match self { $(Self::$variant => $cure,)+ }
            }
        }
    };
}

reasons! {
    // ── an event that is ignored ──────────────────────────────────────────────────────────────
    UnknownType => "unknown_type",
        "This type of event is not one the bridge knows.",
        "Nothing to do. Stripe lets you untick it; Paystack sends every type.";
    NotRelevant => "not_relevant",
        "This type of event reports nothing that Refairn is told of.",
        "Nothing to do. Stripe lets you untick it; Paystack sends every type.";
    AlreadyReported => "already_reported",
        "Another event reported the same fact before.",
        "Nothing to do: one payment has one call, whichever event brings it.";
    NotPaid => "not_paid",
        "No money has moved yet.",
        "Nothing to do: another event follows when it has.";
    ReportedByInvoice => "reported_by_invoice",
        "This payment belongs to an invoice, and the invoice's own event reports it.",
        "Tick invoice.paid at Stripe if it is not ticked yet.";
    OneTimeOff => "one_time_off",
        "A bare charge or payment intent cannot be told from an invoice's, so these events are off.",
        "Set one_time = \"payment_intent\" on the endpoint if you take one-off payments without Checkout.";
    ZeroAmount => "zero_amount",
        "Nothing was charged.",
        "Nothing to do: there is no commission on nothing.";
    NegativeAmount => "negative_amount",
        "The amount is negative: it ends in the customer's favour.",
        "Nothing to do: there is no commission on it.";
    NothingAfterFees => "nothing_after_fees",
        "Nothing is left after the provider's fees.",
        "Nothing to do: there is no commission on it, by commission_base = \"net_of_fees\".";
    NothingInProducts => "nothing_in_products",
        "Of what was paid, nothing was for the items in the endpoint's products map.",
        "Add the other items to products if their sales earn commission.";
    NamesNobody => "names_nobody",
        "The event names nobody: no customer, no e-mail address, no referral code.",
        "Nothing to do: what was paid has an event of its own.";
    CreditedOtherwise => "credited_otherwise",
        "The credit note gives nothing back outside of Stripe: credit lowers a later invoice, a refund has an event of its own.",
        "Nothing to do.";
    BelowMinimum => "below_minimum",
        "The amount is below the endpoint's minimum_amount for its currency.",
        "Lower minimum_amount if this was a real sale.";
    OutOfBand => "out_of_band",
        "The invoice was marked as paid outside of Stripe.",
        "Set out_of_band = \"send\" on the endpoint if such payments earn commission.";
    TestModeOff => "test_mode_off",
        "A test-mode event, and no product for tests is set.",
        "Set REFAIRN_TEST_PRODUCT_ID to a Refairn product with 0 % rates to see test events arrive.";
    TestOfALiveCustomer => "test_of_a_live_customer",
        "A test-mode event of a customer who is known from live mode. Refairn knows people by address alone, so the test would take a real customer's place.",
        "Use an address in test mode that no real customer has.";
    ProductUnmapped => "product_unmapped",
        "None of the sold items is in the endpoint's products map, and unmapped = \"ignore\" is set.",
        "Add the price, product or plan to products if its sales earn commission.";
    LeadsOff => "leads_off",
        "Customers are not reported, because leads = \"off\" is set.",
        "Set leads = \"referred\" to credit agents by their codes.";
    NoReferralCode => "no_referral_code",
        "The customer is noted; no referral code is known, so there is nobody to credit.",
        "Nothing to do; if a code was given, check referral_code_from against where your checkout puts it.";
    CustomerNoted => "customer_noted",
        "The customer and the referral code were known already, or are noted for later.",
        "Nothing to do.";
    LinkNoted => "link_noted",
        "The event only ties a payment to its invoice; that is noted for refunds.",
        "Nothing to do.";
    StatusUnchanged => "status_unchanged",
        "Refairn knows this subscription status already.",
        "Nothing to do.";
    StatusUnknown => "status_unknown",
        "The provider's status has no counterpart at Refairn; the last known status stays.",
        "Nothing to do.";
    StatusUpdatesOff => "status_updates_off",
        "Status changes are not reported, because status_updates = \"off\" is set.",
        "Set status_updates = \"end_of_day\" to report them.";
    NoPaymentYet => "no_payment_yet",
        "The customer has paid nothing yet; a status before the first payment could use up a commission.",
        "Nothing to do: the first payment carries the status itself.";
    FirstInvoiceFailed => "first_invoice_failed",
        "The first invoice of a subscription failed, so the subscription never began.",
        "Nothing to do.";
    LookedUp => "looked_up",
        "The object it points to was fetched and recorded as an event of its own.",
        "Nothing to do: that event says what came of it.";
    ReversalNotFinal => "reversal_not_final",
        "The refund or dispute has not taken money back, or not yet.",
        "Nothing to do: another event follows if it does.";

    // ── an event or a delivery that waits ─────────────────────────────────────────────────────
    CustomerUnknown => "customer_unknown",
        "The event names a customer whose e-mail address is not known yet.",
        "It goes on by itself when another event names the customer; give the endpoint an api_key to look it up at once.";
    PaymentUnknown => "payment_unknown",
        "The refund or dispute belongs to a payment that has not been seen.",
        "It goes on by itself when the payment is seen; nothing was sent for it.";
    WaitingForReferralCode => "waiting_for_referral_code",
        "A payment that is no renewal waits a moment for the checkout session that may carry the referral code.",
        "Nothing to do: it goes out when the session is here, or when first_payment_wait_s is over.";
    WaitingForInvoice => "waiting_for_invoice",
        "A checkout session of Stripe's was paid whose invoice is made afterwards; the invoice's own event reports the payment.",
        "Nothing to do: it goes out with the invoice, or by itself after an hour.";
    WaitingForDayEnd => "waiting_for_day_end",
        "A status change waits until its day is over, so that it cannot take the place of a payment.",
        "Nothing to do: it goes out by itself.";
    WaitingForFreeDay => "waiting_for_free_day",
        "Refairn takes one payment per customer and day; this one waits for the next free day.",
        "Nothing to do: it goes out by itself.";
    RoutePaused => "route_paused",
        "Refairn refuses our API key, business or product, so everything for this product waits.",
        "Set the right key and ids; a probe each minute finds out by itself when they are.";
    Retrying => "retrying",
        "Refairn could not be reached or had trouble; the call is tried again.",
        "Nothing to do: it goes out by itself.";

    // ── an event we cannot map ────────────────────────────────────────────────────────────────
    Unreadable => "unreadable",
        "The signature is right but the body is not the JSON this provider sends.",
        "Look at the body; if the provider really sent it, report it, update the bridge and remap.";
    MissingField => "missing_field",
        "A field is missing or malformed that this type of event must have.",
        "Look at the detail and the body; report it, update the bridge and remap.";
    LinesNotSeen => "lines_not_seen",
        "The event shows only a part of what was sold, and what decides on the product is not in that part.",
        "Give the endpoint an api_key, so that the rest is looked up; or look at the invoice, and name the product of its subscription in products.";
    ThinEvent => "thin_event",
        "A thin event: it only points at an object instead of carrying it.",
        "Configure a snapshot destination at Stripe, or give the endpoint an api_key.";

    InternalError => "internal_error",
        "The bridge failed over it: a defect of the bridge. Whatever else there is to do goes on.",
        "Update the bridge, then remap the event, or retry the delivery; report it if it stays.";

    // ── a delivery that needs attention, or ended without a call ──────────────────────────────
    SameDayPayment => "same_day_payment",
        "Another payment of this customer holds the day, and Refairn takes one per customer and day.",
        "Release it to send it dated on the next free day, or discard it.";
    DayTakenByStatus => "day_taken_by_status",
        "The payment arrived after a status change had already been reported for its day.",
        "Release it to send it dated on the next free day, or discard it.";
    CustomerCreatedRejected => "customer_created_rejected",
        "The customer's own call was rejected; a payment sent now would credit nobody.",
        "Mend the customer-created call and retry it, or discard it: the payment goes on by itself.";
    ReversedInAnotherCurrency => "reversed_in_another_currency",
        "Money went back in another currency than the payment's, so nobody can say how much of the payment is left.",
        "Compare the two at the provider; release the payment if it is to be sent, or discard it.";
    ReversedOutcomeUnknown => "reversed_outcome_unknown",
        "The payment was taken back while nobody knows whether Refairn has it: the last attempt ended without an answer.",
        "Look in Refairn for a commission of this customer and day, and reverse it. Release the call to send it again as it is, or discard it.";
    MayBeReportedAlready => "may_be_reported_already",
        "Refairn was told of a payment of this customer, amount and currency within a day, and nothing says whether this is another one.",
        "Compare the two at the provider. If it is another payment, release it; if not, discard it.";
    PaidBeforeReferral => "paid_before_referral",
        "The payment was made more than a day before the customer was referred, and Refairn knows the agent already: sent now, it would credit the agent for it.",
        "Release it if the agent is to be credited all the same, or discard it.";
    ToldTwice => "told_twice",
        "Refairn was told of this payment twice, under two ids of the provider's: that both are one payment became known afterwards.",
        "Reverse one of the two commissions in Refairn's dashboard before its hold date, then discard this warning.";
    Reversed => "reversed",
        "The payment was refunded or lost in a dispute after Refairn was told of it.",
        "Reverse the commission in Refairn's dashboard before its hold date.";
    ReversedBeforeSending => "reversed_before_sending",
        "The payment was taken back before Refairn was told of it, so no call was made.",
        "Nothing to do.";
    ReversedNobodyCredited => "reversed_nobody_credited",
        "The payment was refunded or lost in a dispute. Nobody was credited for it, so there is no commission to reverse.",
        "Nothing to do.";
    ReferralCodeLate => "referral_code_late",
        "The referral code came after the payment had been sent, so the payment credited nobody.",
        "Credit the agent in Refairn's dashboard.";
    ReferralCodeUnknown => "referral_code_unknown",
        "Refairn recorded the customer but credited no agent for the referral code.",
        "Check the code with the agent, and credit the customer in Refairn's dashboard.";
    RefusedByRefairn => "refused_by_refairn",
        "Refairn refused the call.",
        "Read Refairn's message, mend the cause, then retry.";
    DaySlotTaken => "day_slot_taken",
        "Refairn holds another payment of this customer on this day, and took this one for its repetition.",
        "Release it to send it dated on the next free day, or discard it.";
    GivenUp => "given_up",
        "Refairn could not be told within give_up_after_h.",
        "See why under attempts, then retry.";
    AlreadyAtRefairn => "already_at_refairn",
        "Refairn had recorded this call before.",
        "Nothing to do.";
    Superseded => "superseded",
        "Another call says it too.",
        "Nothing to do.";
    Remapped => "remapped",
        "The event was mapped anew and no longer asks for this call.",
        "Nothing to do.";
    DiscardedByOperator => "discarded_by_operator",
        "An operator decided that this is not to be sent.",
        "Nothing to do; retry it to send it after all.";
    AmountUnknown => "amount_unknown",
        "The event does not say the amount that commission_base asks for.",
        "Wait for the charge's own event, or set commission_base = \"paid\" and remap.";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A code that is not in the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason {0:?}")]
pub struct UnknownReason(pub String);

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|r| r.code() == code).ok_or_else(|| UnknownReason(code.to_owned()))
    }
}

impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> serde::Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        code.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn every_code_is_unique_snake_case_and_reads_back() {
        for (i, reason) in Reason::ALL.iter().enumerate() {
            let code = reason.code();
            assert!(code.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{code}");
            assert_eq!(code.parse(), Ok(*reason));
            assert!(Reason::ALL[..i].iter().all(|other| other.code() != code), "{code} twice");
            assert!(reason.sentence().ends_with('.') && reason.cure().ends_with('.'), "{code}");
        }
    }
}
