//! What to do, in the words of the pages: which button to press, and where to look. The command line has its own words for
//! the same.

use std::borrow::Cow;

use crate::domain::access::Role;
use crate::domain::reason::Reason;
use crate::domain::verdict::CustomerVerdict;

/// What a page says where the command line names its own commands.
const OF_REASONS: &[(Reason, &str)] = &[
    (
        Reason::RoutePaused,
        "Set the right key and ids; a probe each minute finds out by itself when they are. If an id was wrong, open the events and press Read again: the id is part of their calls.",
    ),
    (
        Reason::Unreadable,
        "Look at its body; if the provider really sent it, report it, update the bridge and press Read again.",
    ),
    (Reason::MissingField, "Look at the detail and its body; report it, update the bridge and press Read again."),
    (
        Reason::InternalError,
        "Update the bridge, then press Read again on the event, or Try again on the call; report it if it stays.",
    ),
    (Reason::SameDayPayment, "Press Send to have it dated on the day that the button names, or Do not send."),
    (Reason::DayTakenByStatus, "Press Send to have it dated on the day that the button names, or Do not send."),
    (
        Reason::CustomerCreatedRejected,
        "Mend the customer's own call and press Try again there, or Do not send: the payment goes on by itself.",
    ),
    (
        Reason::ReversedInAnotherCurrency,
        "Compare the two at the provider; press Send if the payment is to be told, or Do not send.",
    ),
    (
        Reason::ReversedOutcomeUnknown,
        "Look in Refairn for a commission of this customer and day, and reverse it; then press Do not send. Or press Send: it goes out again as it is, with the same date.",
    ),
    (
        Reason::MayBeReportedAlready,
        "Compare the two at the provider. If it is another payment, press Send; if not, Do not send.",
    ),
    (Reason::PaidBeforeReferral, "Press Send if the agent is to be credited all the same, or Do not send."),
    (
        Reason::ToldTwice,
        "Look in Refairn's dashboard for two commissions of it, and reverse one before its hold date; then press I have seen this.",
    ),
    (
        Reason::Reversed,
        "Reverse the commission in Refairn's dashboard before its hold date, or its part that went back; then press I have reversed it.",
    ),
    (Reason::ReferralCodeLate, "Credit the agent in Refairn's dashboard, then press I have seen this."),
    (
        Reason::ReferralCodeUnknown,
        "Check the code with the agent, and credit the customer in Refairn's dashboard; then press I have seen this.",
    ),
    (Reason::RefusedByRefairn, "Read Refairn's message, mend the cause, then press Try again."),
    (
        Reason::DaySlotTaken,
        "Press Send to have it dated on the day that the button names, or Do not send. If the detail says that nobody knows which payment Refairn has, look there first.",
    ),
    (Reason::GivenUp, "Look at the attempts to see why, then press Try again."),
    (Reason::DiscardedByOperator, "Nothing to do; press Try again to send it after all."),
    (
        Reason::AmountUnknown,
        "Wait for the charge's own event, or set commission_base = \"paid\" and press Read again on the event.",
    ),
];

/// The same for verdicts.
const OF_VERDICTS: &[(CustomerVerdict, &str)] = &[
    (
        CustomerVerdict::NothingCame,
        "Look at Set-up for webhooks that were refused, whether the customer paid under another address, and whether the provider's account is one of yours. If its webhook was lost: Payments compares the month in which it was paid with the provider, and a command fetches what is missing.",
    ),
    (
        CustomerVerdict::BelowMinimum,
        "Lower minimum_amount, open the event and press Read again, if it was a real sale.",
    ),
    (
        CustomerVerdict::OutsideProgram,
        "Add its price, product or plan to products, open the event and press Read again, if it earns commission.",
    ),
    (CustomerVerdict::HeldForItsDay, "Press Send to have it dated on the day that the button names, or Do not send."),
    (CustomerVerdict::HeldForAPerson, "Press Send, or Do not send."),
    (CustomerVerdict::RefusedByRefairn, "Mend the cause, then press Try again."),
    (CustomerVerdict::NotSent, "Press Try again if it should be sent."),
    (CustomerVerdict::CodeLate, "Credit the agent in Refairn's dashboard, then press I have seen this."),
];

/// What to do about a reason, for somebody who may press buttons, or may only look.
pub(super) fn of_reason(reason: Reason, may_act: bool) -> Cow<'static, str> {
    for_whom(of_every_reason(reason), may_act)
}

/// What to do about a verdict, for the same.
pub(super) fn of_verdict(verdict: CustomerVerdict, may_act: bool) -> Cow<'static, str> {
    for_whom(of_every_verdict(verdict), may_act)
}

/// Who may only look is told who can do it.
fn for_whom(words: &'static str, may_act: bool) -> Cow<'static, str> {
    if may_act || !names_a_button(words) {
        return Cow::Borrowed(words);
    }
    Cow::Owned(format!("For somebody with the role {}: {words}", Role::Operate))
}

/// Whether a text says to press something.
fn names_a_button(words: &str) -> bool {
    words.starts_with("Press ") || words.contains(" press ")
}

fn of_every_reason(reason: Reason) -> &'static str {
    OF_REASONS.iter().find(|(of, _)| *of == reason).map_or_else(|| reason.cure(), |(_, words)| words)
}

fn of_every_verdict(verdict: CustomerVerdict) -> &'static str {
    OF_VERDICTS.iter().find(|(of, _)| *of == verdict).map_or_else(|| verdict.cure(), |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a text names what only the command line has.
    fn names_a_command(words: &str) -> bool {
        let words = words.to_lowercase();
        ["remap", "release", "discard", "retry", "refairn-bridge"].iter().any(|command| words.contains(command))
    }

    #[test]
    fn pages_name_their_buttons_and_no_commands() {
        for reason in Reason::ALL {
            assert!(!names_a_command(of_every_reason(*reason)), "{reason:?}: {}", of_every_reason(*reason));
        }
        for verdict in CustomerVerdict::ALL {
            assert!(!names_a_command(of_every_verdict(*verdict)), "{verdict:?}: {}", of_every_verdict(*verdict));
        }
    }

    #[test]
    fn who_may_only_look_is_told_to_press_nothing_without_a_word_about_who_can() {
        let reasons = Reason::ALL.iter().map(|reason| of_reason(*reason, false));
        let verdicts = CustomerVerdict::ALL.iter().map(|verdict| of_verdict(*verdict, false));
        let (mut for_others, mut for_all) = (0, 0);
        for words in reasons.chain(verdicts) {
            let is_for_others = words.starts_with("For somebody with the role operate: ");
            assert!(is_for_others || !words.to_lowercase().contains("press"), "{words}");
            *(if is_for_others { &mut for_others } else { &mut for_all }) += 1;
        }
        assert!(for_others > 10 && for_all > 10, "{for_others} and {for_all}");
        assert!(of_reason(Reason::GivenUp, true).starts_with("Look at the attempts"));
    }

    #[test]
    fn nothing_is_said_twice() {
        for (reason, words) in OF_REASONS {
            assert!(names_a_command(reason.cure()), "{reason:?} needs no other words than its own");
            assert_eq!(of_every_reason(*reason), *words, "{reason:?} stands twice");
        }
        for (verdict, words) in OF_VERDICTS {
            assert!(names_a_command(verdict.cure()), "{verdict:?} needs no other words than its own");
            assert_eq!(of_every_verdict(*verdict), *words, "{verdict:?} stands twice");
        }
    }
}
