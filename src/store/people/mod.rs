//! People: who was given access, who decided what, and what somebody is told of.

pub mod access;
pub mod alerts;
pub mod audit;
