use starttls_async_std::AsyncStdTimer;
use starttls_smol::SmolTimer;

use super::on_futures_io::{FuturesRustls, Plain, Starttls};
use super::{Group, Row};
use crate::measures::Measure;
use crate::report::Role;
use crate::runtimes::{AsyncStd1, AsyncStd2, Smol1, Smol2};

pub(super) fn rows() -> Vec<Row> {
    let one = Group {
        name: "smol, one thread",
        measures: Measure::ALL,
    };
    let two = Group {
        name: "smol, two threads",
        measures: Measure::TRAFFIC,
    };
    let async_std = Group {
        name: "async-std, one thread",
        measures: Measure::ALL,
    };
    let async_std2 = Group {
        name: "async-std, two threads",
        measures: Measure::TRAFFIC,
    };
    let plain = |group| Group {
        measures: Measure::PLAINTEXT,
        ..group
    };
    vec![
        plain(one).row::<Plain, Smol1>(Role::Floor, "smol, plain TCP"),
        one.row::<FuturesRustls<SmolTimer>, Smol1>(Role::Other, "futures-rustls on smol"),
        one.row::<Starttls<SmolTimer>, Smol1>(Role::Ours, "starttls-smol"),
        two.row::<Plain, Smol2>(Role::Floor, "smol, plain TCP, two threads"),
        two.row::<FuturesRustls<SmolTimer>, Smol2>(
            Role::Other,
            "futures-rustls on smol, two threads",
        ),
        two.row::<Starttls<SmolTimer>, Smol2>(Role::Ours, "starttls-smol, two threads"),
        plain(async_std).row::<Plain, AsyncStd1>(Role::Floor, "async-std, plain TCP"),
        async_std.row::<FuturesRustls<AsyncStdTimer>, AsyncStd1>(
            Role::Other,
            "futures-rustls on async-std",
        ),
        async_std.row::<Starttls<AsyncStdTimer>, AsyncStd1>(Role::Ours, "starttls-async-std"),
        async_std2.row::<Plain, AsyncStd2>(Role::Floor, "async-std, plain TCP, two threads"),
        async_std2.row::<FuturesRustls<AsyncStdTimer>, AsyncStd2>(
            Role::Other,
            "futures-rustls on async-std, two threads",
        ),
        async_std2.row::<Starttls<AsyncStdTimer>, AsyncStd2>(
            Role::Ours,
            "starttls-async-std, two threads",
        ),
    ]
}
