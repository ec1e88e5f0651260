use super::on_tokio::{Plain, StarttlsTokio, TokioRustls};
use super::{Group, Row};
use crate::measures::Measure;
use crate::report::Role;
use crate::runtimes::{Tokio1, Tokio2};

pub(super) fn rows() -> Vec<Row> {
    let one = Group {
        name: "tokio, one thread",
        measures: Measure::ALL,
    };
    let two = Group {
        name: "tokio, two threads",
        measures: Measure::TRAFFIC,
    };
    let plain = Group {
        measures: Measure::PLAINTEXT,
        ..one
    };
    #[cfg(feature = "openssl")]
    let openssl = Group {
        measures: Measure::WITHOUT_RESUMPTION,
        ..one
    };
    vec![
        plain.row::<Plain, Tokio1>(Role::Floor, "tokio, plain TCP"),
        #[cfg(feature = "openssl")]
        openssl.row::<super::on_openssl::TokioOpenSsl, Tokio1>(Role::Other, "tokio-openssl"),
        one.row::<TokioRustls, Tokio1>(Role::Other, "tokio-rustls"),
        one.row::<StarttlsTokio, Tokio1>(Role::Ours, "starttls-tokio"),
        two.row::<Plain, Tokio2>(Role::Floor, "tokio, plain TCP, two threads"),
        #[cfg(feature = "openssl")]
        two.row::<super::on_openssl::TokioOpenSsl, Tokio2>(
            Role::Other,
            "tokio-openssl, two threads",
        ),
        two.row::<TokioRustls, Tokio2>(Role::Other, "tokio-rustls, two threads"),
        two.row::<StarttlsTokio, Tokio2>(Role::Ours, "starttls-tokio, two threads"),
    ]
}
