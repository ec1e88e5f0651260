//! What every protocol reads with, from the line to the whole dialogue.

pub(crate) mod ber;
pub(crate) mod dialogue;
pub(crate) mod farewell;
pub(crate) mod fields;
pub(crate) mod http;
pub(crate) mod line;
pub(crate) mod literal;
pub(crate) mod misbehaviour;
pub(crate) mod reply;
pub(crate) mod xml;
