#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod certs;
pub mod drive;
pub mod machine;
pub mod wire;

mod check;
pub use check::{check_client, check_server};

mod dialogue;
pub use dialogue::Dialogue;

mod random;
pub use random::Random;

mod report;
pub use report::{Finding, Gain, Report};
