//! What is measured in turns, a bridge or what it is measured beside: the senders, Refairn, the stages and their figures.

pub mod figure;
pub mod load;
pub mod machine;
pub mod reference;
pub mod sales;
pub mod sink;
pub mod stage;
pub mod subject;
pub mod wire;
