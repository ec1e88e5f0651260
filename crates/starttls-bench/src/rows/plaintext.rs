use starttls_async_std::AsyncStdTimer;
use starttls_smol::SmolTimer;

use super::{Group, Row, on_futures_io, on_tokio};
use crate::measures::Measure;
use crate::report::Role;
use crate::runtimes::{AsyncStd1, Smol1, Tokio1, Tokio2};

/// The phase before TLS, beside what one would have without this project: a `BufReader`, or the socket itself.
pub(super) fn rows() -> Vec<Row> {
    let group = |name| Group {
        name,
        measures: Measure::PLAINTEXT,
    };
    let tokio = group("tokio, plaintext phase");
    let tokio2 = group("tokio, plaintext phase, two threads");
    let smol = group("smol, plaintext phase");
    let async_std = group("async-std, plaintext phase");
    vec![
        tokio.row::<on_tokio::Plain, Tokio1>(Role::Floor, "tokio, the socket"),
        tokio.row::<on_tokio::Buffered, Tokio1>(Role::Other, "tokio, BufReader"),
        tokio.row::<on_tokio::PlainStarttls, Tokio1>(Role::Ours, "tokio, PlainStream"),
        tokio2.row::<on_tokio::Plain, Tokio2>(Role::Floor, "tokio, the socket, two threads"),
        tokio2.row::<on_tokio::Buffered, Tokio2>(Role::Other, "tokio, BufReader, two threads"),
        tokio2
            .row::<on_tokio::PlainStarttls, Tokio2>(Role::Ours, "tokio, PlainStream, two threads"),
        smol.row::<on_futures_io::Plain, Smol1>(Role::Floor, "smol, the socket"),
        smol.row::<on_futures_io::Buffered, Smol1>(Role::Other, "smol, BufReader"),
        smol.row::<on_futures_io::PlainStarttls<SmolTimer>, Smol1>(Role::Ours, "smol, PlainStream"),
        async_std.row::<on_futures_io::Plain, AsyncStd1>(Role::Floor, "async-std, the socket"),
        async_std.row::<on_futures_io::Buffered, AsyncStd1>(Role::Other, "async-std, BufReader"),
        async_std.row::<on_futures_io::PlainStarttls<AsyncStdTimer>, AsyncStd1>(
            Role::Ours,
            "async-std, PlainStream",
        ),
    ]
}
