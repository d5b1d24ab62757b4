//! Who is in the story: agents, customers, prices. All of them are made up.

/// An agent, as the sandbox's business has her.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Agent {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) code: &'static str,
}

pub(super) const ADA: &Agent = &Agent { id: "agent_ada", name: "Ada", code: "ADA10" };
pub(super) const BAYO: &Agent = &Agent { id: "agent_bayo", name: "Bayo", code: "BAYO15" };
pub(super) const CHIDI: &Agent = &Agent { id: "agent_chidi", name: "Chidi", code: "CHIDI20" };

/// Everyone who earns.
pub(super) const AGENTS: &[&Agent] = &[ADA, BAYO, CHIDI];

/// A Refairn product with its rates, in percent, as the sandbox's business has them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) id: &'static str,
    /// Of every payment.
    pub(super) recurring: u32,
    /// Of the first one, on top.
    pub(super) once: u32,
}

pub(super) const DEMO: &Product = &Product { id: "prod_demo", recurring: 20, once: 0 };
pub(super) const PLUS: &Product = &Product { id: "prod_plus", recurring: 30, once: 10 };
pub(super) const TEST: &Product = &Product { id: "prod_test", recurring: 0, once: 0 };

/// Stripe's price that the demo's endpoint maps to [`PLUS`]; every other one goes to [`DEMO`].
pub(super) const PRICE_PLUS: &str = "price_plus_monthly";
/// A price that no map names.
pub(super) const PRICE_STARTER: &str = "price_starter_monthly";

/// A customer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Customer {
    /// What the provider's ids of everything that is theirs are made of.
    pub(super) slug: &'static str,
    pub(super) first: &'static str,
    pub(super) last: &'static str,
    pub(super) email: &'static str,
    /// Who sent them.
    pub(super) agent: Option<&'static Agent>,
}

impl Customer {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }

    /// The code of the agent who sent them.
    pub(super) fn code(&self) -> Option<&'static str> {
        self.agent.map(|agent| agent.code)
    }
}

/// Each row is a constant: slug, names, address, agent.
macro_rules! people {
    ($($name:ident = $slug:literal, $first:literal $last:literal, $email:literal, $agent:expr;)+) => {
        $(pub(super) const $name: &Customer =
            &Customer { slug: $slug, first: $first, last: $last, email: $email, agent: $agent };)+

        /// Everyone.
        #[cfg(test)]
        const EVERYONE: &[&Customer] = &[$($name),+];
    };
}

people! {
    // Stripe's.
    INES = "ines", "Ines" "Duarte", "ines@example.com", Some(ADA);
    TOM = "tom", "Tom" "Becker", "tom.becker@example.org", Some(BAYO);
    MEI = "mei", "Mei" "Tanaka", "mei@example.net", Some(CHIDI);
    GRACE = "grace", "Grace" "Kim", "grace.kim@example.com", Some(BAYO);
    PAUL = "paul", "Paul" "Novak", "paul@example.org", None;
    OMAR = "omar", "Omar" "Said", "omar.said@example.com", Some(ADA);
    LENA = "lena", "Lena" "Fischer", "Lena.Fischer@example.org", Some(CHIDI);
    SAM = "sam", "Sam" "Reed", "sam@example.net", Some(ADA);
    NORA = "nora", "Nora" "Lind", "nora.lind@example.com", Some(BAYO);
    RAVI = "ravi", "Ravi" "Patel", "ravi@example.org", Some(ADA);
    JULIA = "julia", "Julia" "Costa", "julia@example.com", Some(CHIDI);
    BEN = "ben", "Ben" "Arden", "ben@example.net", Some(BAYO);
    ANNA = "anna", "Anna" "Weiss", "anna.weiss@example.org", Some(ADA);
    TESTER = "tester", "Test" "Buyer", "qa@example.com", Some(ADA);
    HUGO = "hugo", "Hugo" "Marchand", "hugo@example.com", Some(CHIDI);
    IRIS = "iris", "Iris" "Moen", "iris@example.org", Some(BAYO);
    OTTO = "otto", "Otto" "Keller", "otto@example.net", Some(ADA);
    // Paystack's.
    KEMI = "kemi", "Kemi" "Adeyemi", "kemi@example.com", Some(ADA);
    FEMI = "femi", "Femi" "Ojo", "femi.ojo@example.org", Some(BAYO);
    ZANELE = "zanele", "Zanele" "Dube", "zanele@example.net", Some(CHIDI);
    KWAME = "kwame", "Kwame" "Mensah", "kwame@example.com", None;
    TUNDE = "tunde", "Tunde" "Bello", "tunde@example.org", Some(BAYO);
    AMARA = "amara", "Amara" "Eze", "amara@example.net", Some(CHIDI);
    YUSUF = "yusuf", "Yusuf" "Sani", "yusuf@example.com", Some(ADA);
    SADE = "sade", "Sade" "Cole", "sade@example.org", Some(CHIDI);
}

/// Money as a provider writes it, and what that is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cash {
    /// The provider's smallest unit.
    pub(super) minor: i64,
    /// In lower case, as Stripe writes it.
    pub(super) currency: &'static str,
    /// The same in the standard unit, as Refairn is to get it.
    pub(super) amount: &'static str,
}

/// Money.
pub(super) const fn cash(minor: i64, currency: &'static str, amount: &'static str) -> Cash {
    Cash { minor, currency, amount }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sandbox::Business;

    #[test]
    fn agents_and_products_are_those_of_the_sandbox() {
        let business = Business::demo();
        for agent in AGENTS {
            let known = &business.agents()[agent.code];
            assert_eq!((known.id.as_str(), known.name.as_str()), (agent.id, agent.name));
        }
        for product in [DEMO, PLUS, TEST] {
            assert!(business.products().contains_key(product.id), "{}", product.id);
        }
    }

    #[test]
    fn nobody_is_somebody_else() {
        let slugs: BTreeSet<&str> = EVERYONE.iter().map(|p| p.slug).collect();
        let emails: BTreeSet<String> = EVERYONE.iter().map(|p| p.email.to_lowercase()).collect();
        assert_eq!((slugs.len(), emails.len()), (EVERYONE.len(), EVERYONE.len()));
    }
}
