use anyhow::Result;
use clap::ValueEnum;

use crate::binding::Connect;
use crate::setup::Setup;

mod bulk;
mod growth;
mod handshake;
mod idle;
mod per_byte;
mod round_trip;

pub(crate) use growth::measure as growth;
pub(crate) use per_byte::measure as per_byte;
pub(crate) use round_trip::{ping, pong};

use bulk::Writes;

/// What one run of a row can be made for; each gives one or more figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// Writes of 64 KiB.
    Bulk64k,
    /// Writes of 16 KiB.
    Bulk16k,
    /// Writes of 1 KiB.
    Bulk1k,
    /// Vectored writes of 16 slices of 64 bytes.
    Vectored,
    /// 64 bytes there and back.
    RoundTrip,
    /// Full handshakes.
    Handshake,
    /// Resumed handshakes.
    Resumed,
    /// The heap of connections on which nothing happens.
    Idle,
}

/// What was measured, and the value of one round.
pub(crate) type Figure = (&'static str, f64);

impl Measure {
    pub(crate) const ALL: &[Self] = &[
        Self::Bulk64k,
        Self::Bulk16k,
        Self::Bulk1k,
        Self::Vectored,
        Self::RoundTrip,
        Self::Handshake,
        Self::Resumed,
        Self::Idle,
    ];
    /// Those of an engine that keeps its sessions in another way.
    #[cfg(feature = "openssl")]
    pub(crate) const WITHOUT_RESUMPTION: &[Self] = &[
        Self::Bulk64k,
        Self::Bulk16k,
        Self::Bulk1k,
        Self::Vectored,
        Self::RoundTrip,
        Self::Handshake,
        Self::Idle,
    ];
    /// Those in which it matters whether the two sides run at the same time.
    pub(crate) const TRAFFIC: &[Self] = &[
        Self::Bulk64k,
        Self::Bulk16k,
        Self::Bulk1k,
        Self::Vectored,
        Self::RoundTrip,
    ];
    /// Those for which there need not be TLS.
    pub(crate) const PLAINTEXT: &[Self] = &[
        Self::Bulk64k,
        Self::Bulk16k,
        Self::Bulk1k,
        Self::RoundTrip,
        Self::Idle,
    ];

    /// How much is done in one round: bytes, round trips, handshakes, or pairs.
    pub(crate) fn amount(self, quick: bool) -> usize {
        match (self, quick) {
            (Self::Bulk64k | Self::Bulk16k, false) => 64 << 20,
            (Self::Bulk64k | Self::Bulk16k, true) => 8 << 20,
            (Self::Bulk1k | Self::Vectored, false) => 16 << 20,
            (Self::Bulk1k | Self::Vectored, true) => 2 << 20,
            (Self::RoundTrip, false) => 2_000,
            (Self::RoundTrip, true) => 100,
            (Self::Handshake | Self::Resumed, false) => 40,
            (Self::Handshake | Self::Resumed, true) => 5,
            (Self::Idle, false) => 20,
            (Self::Idle, true) => 4,
        }
    }

    pub(crate) fn run(
        self,
        connect: Connect,
        setup: &'static Setup,
        amount: usize,
    ) -> Result<Vec<Figure>> {
        match self {
            Self::Bulk64k => Ok(
                bulk::measure(connect, setup, amount, Writes::Whole(64 << 10))?.figures([
                    "CPU seconds per GiB, writes of 64 KiB",
                    "read calls per GiB, writes of 64 KiB",
                    "write calls per GiB, writes of 64 KiB",
                    "allocations per GiB, writes of 64 KiB",
                ]),
            ),
            Self::Bulk16k => Ok(
                bulk::measure(connect, setup, amount, Writes::Whole(16 << 10))?.figures([
                    "CPU seconds per GiB, writes of 16 KiB",
                    "read calls per GiB, writes of 16 KiB",
                    "write calls per GiB, writes of 16 KiB",
                    "allocations per GiB, writes of 16 KiB",
                ]),
            ),
            Self::Bulk1k => Ok(
                bulk::measure(connect, setup, amount, Writes::Whole(1 << 10))?.figures([
                    "CPU seconds per GiB, writes of 1 KiB",
                    "read calls per GiB, writes of 1 KiB",
                    "write calls per GiB, writes of 1 KiB",
                    "allocations per GiB, writes of 1 KiB",
                ]),
            ),
            Self::Vectored => Ok(
                bulk::measure(connect, setup, amount, Writes::Vectored)?.figures([
                    "CPU seconds per GiB, vectored writes of 16 x 64 bytes",
                    "read calls per GiB, vectored writes of 16 x 64 bytes",
                    "write calls per GiB, vectored writes of 16 x 64 bytes",
                    "allocations per GiB, vectored writes of 16 x 64 bytes",
                ]),
            ),
            Self::RoundTrip => round_trip::measure(connect, setup, amount),
            Self::Handshake => handshake::full(connect, setup, amount),
            Self::Resumed => handshake::resumed(connect, setup, amount),
            Self::Idle => idle::measure(connect, setup, amount),
        }
    }
}
