//! People: who was given access, and who decided what.

pub mod access;
pub mod audit;
