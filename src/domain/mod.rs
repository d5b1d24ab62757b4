//! The vocabulary of the bridge: pure types, no clock, no store, no network.

pub mod call;
pub mod customer;
pub mod database;
pub mod delivery;
pub mod email;
pub mod endpoint;
pub mod event;
pub mod fact;
pub mod json;
pub mod lookup;
pub mod mode;
pub mod money;
pub mod network;
pub mod policy;
pub mod product;
pub mod provider;
pub mod proxy;
pub mod reason;
pub mod redact;
pub mod referral;
pub mod secret;
pub mod sold;
pub mod source;
pub mod status;
pub mod text;
pub mod verdict;
