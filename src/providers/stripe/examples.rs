//! Stripe's webhooks to try the bridge with.

use crate::domain::mode::Mode;
use crate::providers::examples::{Example, Examples, of_the_corpus};

pub(super) const EXAMPLES: Examples = Examples {
    list: &[
        Example {
            name: "first-sale",
            about: "a new customer subscribes, with a referral code in the checkout session",
            bodies: &[
                of_the_corpus!("stripe/_sequence/first-sale/01-customer-created.json"),
                of_the_corpus!("stripe/_sequence/first-sale/02-checkout-session-completed.json"),
                of_the_corpus!("stripe/_sequence/first-sale/03-subscription-created.json"),
                of_the_corpus!("stripe/_sequence/first-sale/04-invoice-payment-succeeded.json"),
                of_the_corpus!("stripe/_sequence/first-sale/05-invoice-paid.json"),
            ],
        },
        Example {
            name: "renewal",
            about: "a subscription renews; no referral code",
            bodies: &[of_the_corpus!("stripe/invoice.paid/renewal-clover/body.json")],
        },
        Example {
            name: "one-time",
            about: "a guest pays once, with a referral code",
            bodies: &[of_the_corpus!("stripe/checkout.session.completed/payment-guest-with-code-2024/body.json")],
        },
        Example {
            name: "payment-failed",
            about: "a renewal is paid, the next one fails, and the subscription is past due",
            bodies: &[
                of_the_corpus!("stripe/_sequence/past-due-told-once/01-invoice-paid.json"),
                of_the_corpus!("stripe/_sequence/past-due-told-once/02-invoice-payment-failed.json"),
                of_the_corpus!("stripe/_sequence/past-due-told-once/03-subscription-updated-past-due.json"),
            ],
        },
        Example {
            name: "refund",
            about: "a payment with a referral code is refunded in full",
            bodies: &[
                of_the_corpus!("stripe/_sequence/refund-by-link-before-sending/01-invoice-paid.json"),
                of_the_corpus!("stripe/_sequence/refund-by-link-before-sending/02-invoice-payment-paid.json"),
                of_the_corpus!("stripe/_sequence/refund-by-link-before-sending/03-charge-refunded.json"),
                of_the_corpus!("stripe/_sequence/refund-by-link-before-sending/04-refund-created.json"),
            ],
        },
        Example {
            name: "cancellation",
            about: "a first sale with a referral code, a renewal, and the end of the subscription",
            bodies: &[
                of_the_corpus!("stripe/_sequence/first-sale-renewal-cancellation/01-checkout-session-completed.json"),
                of_the_corpus!("stripe/_sequence/first-sale-renewal-cancellation/02-invoice-paid-first.json"),
                of_the_corpus!("stripe/_sequence/first-sale-renewal-cancellation/03-invoice-paid-renewal.json"),
                of_the_corpus!("stripe/_sequence/first-sale-renewal-cancellation/04-subscription-deleted.json"),
            ],
        },
    ],
    ids: &[
        "evt_", "cus_", "sub_", "in_", "il_", "ii_", "si_", "cs_", "pi_", "pm_", "ch_", "py_", "re_", "txn_", "inpay_",
        "req_", "seti_",
    ],
    references: &[],
    mode: ("livemode", |mode| match mode {
        Mode::Live => true.into(),
        Mode::Test => false.into(),
    }),
};
