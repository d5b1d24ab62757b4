//! Paystack's webhooks to try the bridge with.

use crate::providers::examples::{Example, Examples, of_the_corpus};

pub(super) const EXAMPLES: Examples = Examples {
    list: &[
        Example {
            name: "first-sale",
            about: "a new customer subscribes, with a referral code in the charge",
            bodies: &[
                of_the_corpus!("paystack/_sequence/first-charge-with-code/01-charge-success.json"),
                of_the_corpus!("paystack/_sequence/first-charge-with-code/02-subscription-create.json"),
                of_the_corpus!("paystack/_sequence/first-charge-with-code/03-invoice-update.json"),
            ],
        },
        Example {
            name: "renewal",
            about: "a subscription renews; no referral code",
            bodies: &[of_the_corpus!("paystack/charge.success/renewal-without-merchant-metadata/body.json")],
        },
        Example {
            name: "one-time",
            about: "a customer pays once, with a referral code among the custom fields",
            bodies: &[of_the_corpus!("paystack/charge.success/code-in-custom-fields/body.json")],
        },
        Example {
            name: "refund",
            about: "the only payment is refunded in full, and its subscription ends",
            bodies: &[
                of_the_corpus!("paystack/_sequence/refunded-and-cancelled-before-sending/01-charge.json"),
                of_the_corpus!("paystack/_sequence/refunded-and-cancelled-before-sending/02-refund-processed.json"),
                of_the_corpus!("paystack/_sequence/refunded-and-cancelled-before-sending/03-subscription-disable.json"),
            ],
        },
        Example {
            name: "cancellation",
            about: "two payments of a subscription, and its end",
            bodies: &[
                of_the_corpus!("paystack/_sequence/disabled-after-payments/01-charge-april.json"),
                of_the_corpus!("paystack/_sequence/disabled-after-payments/02-charge-may.json"),
                of_the_corpus!("paystack/_sequence/disabled-after-payments/03-subscription-disable.json"),
            ],
        },
    ],
    ids: &["CUS_", "SUB_", "INV_", "AUTH_", "SIG_"],
    references: &["reference", "transaction_reference", "refund_reference", "email_token"],
    mode: ("domain", |mode| mode.code().into()),
};
