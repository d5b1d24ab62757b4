//! How one table becomes three lists: all reasons, those of events, and those of deliveries.

/// Writes the enum of all reasons, with their codes, sentences and cures, and those of events and of deliveries, from one
/// table, so that none can be forgotten.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident => $code:literal, [$($stand:ident),+], $sentence:literal, $cure:literal;)+) => {
        /// A reason of an event or of a delivery: what the two lists have together.
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

            /// On what it can stand.
            #[must_use]
            pub const fn stands_on(self) -> &'static [Stand] {
                match self { $(Self::$variant => &[$(Stand::$stand),+],)+ }
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

        of_events! { [] $($variant [$($stand)+])+ }
        of_deliveries! { [] $($variant [$($stand)+])+ }
    };
}

/// Keeps the rows that may stand on an event.
macro_rules! of_events {
    ([$($kept:ident)*]) => {
        part! { EventReason, "Why an event is in the state it is in.", $($kept)* }
    };
    ([$($kept:ident)*] $variant:ident [Event $($more:ident)?] $($rest:tt)*) => {
        of_events! { [$($kept)* $variant] $($rest)* }
    };
    ([$($kept:ident)*] $variant:ident [EventToSee $($more:ident)?] $($rest:tt)*) => {
        of_events! { [$($kept)* $variant] $($rest)* }
    };
    ([$($kept:ident)*] $variant:ident [$($other:ident)+] $($rest:tt)*) => {
        of_events! { [$($kept)*] $($rest)* }
    };
}

/// Keeps the rows that may stand on a delivery.
macro_rules! of_deliveries {
    ([$($kept:ident)*]) => {
        part! { DeliveryReason, "Why a delivery is in the state it is in.", $($kept)* }
    };
    ([$($kept:ident)*] $variant:ident [Event] $($rest:tt)*) => {
        of_deliveries! { [$($kept)*] $($rest)* }
    };
    ([$($kept:ident)*] $variant:ident [EventToSee] $($rest:tt)*) => {
        of_deliveries! { [$($kept)*] $($rest)* }
    };
    ([$($kept:ident)*] $variant:ident [$($delivery:ident)+] $($rest:tt)*) => {
        of_deliveries! { [$($kept)* $variant] $($rest)* }
    };
}

/// One of the two lists.
macro_rules! part {
    ($name:ident, $doc:literal, $($variant:ident)+) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = concat!("See [`Reason::", stringify!($variant), "`].")] $variant,)+
        }

        impl $name {
            /// The same in the list of all.
            #[must_use]
            pub const fn reason(self) -> Reason {
                match self { $(Self::$variant => Reason::$variant,)+ }
            }

            /// The stable snake_case code, as the API and the store write it.
            #[must_use]
            pub const fn code(self) -> &'static str {
                self.reason().code()
            }

            /// What happened, in a sentence a person understands.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                self.reason().sentence()
            }

            /// What to do about it.
            #[must_use]
            pub const fn cure(self) -> &'static str {
                self.reason().cure()
            }
        }

        impl From<$name> for Reason {
            fn from(reason: $name) -> Self {
                reason.reason()
            }
        }

        impl FromStr for $name {
            type Err = UnknownReason;

            fn from_str(code: &str) -> Result<Self, Self::Err> {
                let all = [$(Self::$variant,)+];
                all.into_iter().find(|r| r.code() == code).ok_or_else(|| UnknownReason(code.to_owned()))
            }
        }
    };
}
