//! What the tests are made of.

pub mod coverage;
pub mod mutate;
pub mod negotiators;
pub mod run;
pub mod transcript;
pub mod white_space;
