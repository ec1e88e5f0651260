use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use starttls_core::rustls::{Connection, ServerConfig};
use starttls_core::{Limits, Negotiator};
use starttls_futures::{ReadHalf as FuturesReader, WriteHalf as FuturesWriter};
use starttls_stream::{Deadlines, Error, TlsParts};
use starttls_tokio::{ReadHalf as TokioReader, WriteHalf as TokioWriter};
use tokio_util::compat::{Compat as Compatible, TokioAsyncReadCompatExt};

use super::{End, InPlace, Lines, Plain, PolledRead, PolledWrite, Runtime, Split, Tls, exchange};

static TOKIO: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());

asynchronous!(
    Tokio, starttls_tokio, tokio over End = |end| end, run |future| TOKIO.block_on(future),
    halves TokioReader TokioWriter |reader: TokioReader<_>, writer| reader.reunite(writer).unwrap(),
    lines tokio::io::AsyncBufReadExt
);

asynchronous!(
    Futures, starttls_futures, futures over End = |end| end, run smol::future::block_on,
    halves FuturesReader FuturesWriter |reader: FuturesReader<_>, writer| reader.reunite(writer).unwrap(),
    lines futures_util::AsyncBufReadExt
);

asynchronous!(
    Smol, starttls_smol, futures over End = |end| end, run smol::block_on,
    halves FuturesReader FuturesWriter |reader: FuturesReader<_>, writer| reader.reunite(writer).unwrap(),
    lines futures_util::AsyncBufReadExt
);

asynchronous!(
    AsyncStd, starttls_async_std, futures over End = |end| end, run async_std::task::block_on,
    halves FuturesReader FuturesWriter |reader: FuturesReader<_>, writer| reader.reunite(writer).unwrap(),
    lines futures_util::AsyncBufReadExt
);

asynchronous!(
    Compat, compat, futures over Compatible<End> = End::compat, run |future| TOKIO.block_on(future),
    halves FuturesReader FuturesWriter |reader: FuturesReader<_>, writer| reader.reunite(writer).unwrap(),
    lines futures_util::AsyncBufReadExt
);

/// The futures adapter with tokio's timer, as somebody may bind it who has a tokio transport behind futures-io.
mod compat {
    use super::Duration;

    #[derive(Debug)]
    pub(crate) struct TokioTimer;

    impl starttls_futures::Timer for TokioTimer {
        type Sleep = tokio::time::Sleep;

        fn sleep(limit: Duration) -> Self::Sleep {
            tokio::time::sleep(limit)
        }
    }

    pub(crate) type PlainStream<IO> = starttls_futures::timed::PlainStream<IO, TokioTimer>;
    pub(crate) type TlsStream<IO> = starttls_futures::timed::TlsStream<IO, TokioTimer>;
    pub(crate) type Arrival<IO> = starttls_futures::timed::Arrival<IO, TokioTimer>;
    pub(crate) type Opportunistic<IO> = starttls_futures::timed::Opportunistic<IO, TokioTimer>;
    pub(crate) type UpgradeableStream<IO> =
        starttls_futures::timed::UpgradeableStream<IO, TokioTimer>;
}
