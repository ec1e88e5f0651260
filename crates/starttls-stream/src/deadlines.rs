use std::time::Duration;

/// How long a peer may take: once for negotiation and handshake together, once for closing. 30 seconds each, as the state machine
/// itself knows no time and a silent peer must not hold a connection for ever.
///
/// ```
/// use std::time::Duration;
/// use starttls_stream::Deadlines;
///
/// let patient = Deadlines::default().upgrade(Duration::from_secs(120));
/// let unguarded = Deadlines::default().without_close_deadline();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    dialogue: Option<Duration>,
    upgrade: Option<Duration>,
    close: Option<Duration>,
}

impl Deadlines {
    /// 30 seconds: what an SMTP client waits for a connection (RFC 5321 has minutes for its replies; nobody waits that long for TLS).
    pub const DEFAULT: Duration = Duration::from_secs(30);

    /// Sets the one over negotiation and handshake.
    #[must_use]
    pub fn upgrade(self, limit: Duration) -> Self {
        Self {
            upgrade: Some(limit),
            ..self
        }
    }

    /// Sets one over the plaintext phase as a whole, from the first time that something is read or written to the beginning of TLS, whatever the dialogue is and
    /// whoever leads it. For servers that lead their own: there is none by default, since a connection may stay in plaintext.
    #[must_use]
    pub fn dialogue(self, limit: Duration) -> Self {
        Self {
            dialogue: Some(limit),
            ..self
        }
    }

    /// Sets the one over closing: `shutdown`, `close` and `stop_tls`.
    #[must_use]
    pub fn close(self, limit: Duration) -> Self {
        Self {
            close: Some(limit),
            ..self
        }
    }

    /// Takes the one over negotiation and handshake away: a silent peer can then hold the caller for ever.
    #[must_use]
    pub fn without_upgrade_deadline(self) -> Self {
        Self {
            upgrade: None,
            ..self
        }
    }

    /// Takes the one over closing away.
    #[must_use]
    pub fn without_close_deadline(self) -> Self {
        Self {
            close: None,
            ..self
        }
    }

    /// The one over negotiation and handshake, if there is one.
    pub fn for_upgrade(&self) -> Option<Duration> {
        self.upgrade
    }

    /// The one over the plaintext phase, if there is one.
    pub fn for_dialogue(&self) -> Option<Duration> {
        self.dialogue
    }

    /// The one over closing, if there is one.
    pub fn for_close(&self) -> Option<Duration> {
        self.close
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            dialogue: None,
            upgrade: Some(Self::DEFAULT),
            close: Some(Self::DEFAULT),
        }
    }
}
