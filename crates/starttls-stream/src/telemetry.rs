use starttls_core::rustls::Connection;

use crate::Error;

/// Tells `tracing` what came of an upgrade, once for each connection; without the feature of that name it is nothing.
///
/// | event | level | fields |
/// |---|---|---|
/// | `TLS is up` | INFO | `version`, `cipher_suite`, `group`, `resumed`, `seconds` |
/// | `no TLS` | INFO if the peer declined by the book, WARN otherwise | `reason` (see [`Error::reason`]), `code`, `seconds` |
///
/// The target is `starttls`. No word of the peer's is in it. An upgrade that is dropped by its caller tells nothing.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    #[cfg(feature = "tracing")]
    begun: Option<std::time::Instant>,
}

#[cfg(feature = "tracing")]
impl Telemetry {
    /// Something of the upgrade was begun, if not before.
    pub(crate) fn begin(&mut self) {
        self.begun.get_or_insert_with(std::time::Instant::now);
    }

    pub(crate) fn succeeded(&mut self, connection: &Connection) {
        let Some(begun) = self.begun.take() else {
            return;
        };
        let Some(info) = crate::TlsInfo::of(connection) else {
            return;
        };
        tracing::info!(
            target: "starttls",
            version = ?info.version,
            cipher_suite = ?info.cipher_suite,
            group = info.key_exchange_group.map(tracing::field::debug),
            resumed = info.resumed,
            seconds = begun.elapsed().as_secs_f64(),
            "TLS is up"
        );
    }

    pub(crate) fn failed(&mut self, error: &Error) {
        let Some(begun) = self.begun.take() else {
            return;
        };
        let (reason, code) = (error.reason(), error.code());
        let seconds = begun.elapsed().as_secs_f64();
        if error
            .protocol()
            .is_some_and(starttls_core::Error::is_declined)
        {
            tracing::info!(target: "starttls", reason, code, seconds, "no TLS");
        } else {
            tracing::warn!(target: "starttls", reason, code, seconds, "no TLS");
        }
    }
}

#[cfg(not(feature = "tracing"))]
impl Telemetry {
    pub(crate) fn begin(&mut self) {}

    pub(crate) fn succeeded(&mut self, _: &Connection) {}

    pub(crate) fn failed(&mut self, _: &Error) {}
}
