//! The inbox: events are recorded, read into facts, and given to their customers.

pub mod body;
pub(super) mod crowds;
mod customers;
pub(super) mod facts;
mod identity;
mod noting;
pub(super) mod readings;
pub(super) mod record;
pub(super) mod rename;
pub(super) mod resolve;
mod thin;
mod uniting;
