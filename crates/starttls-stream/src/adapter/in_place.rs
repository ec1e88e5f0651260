use starttls_core::{Error as CoreError, Misuse};

use crate::Error;

/// The phases of a stream that is upgraded in place, and what becomes of it when that fails: the logic of every adapter's
/// `UpgradeableStream`, once.
///
/// While a stream is taken out to be upgraded, what is left behind is an error. So an upgrade that is dropped half-done leaves no stream on which
/// plaintext could be written.
#[derive(Debug)]
pub enum InPlace<P, T> {
    /// Plaintext.
    Plain(Box<P>),
    /// TLS.
    Tls(Box<T>),
    /// An upgrade failed, was dropped, or is under way.
    Ended(Error),
}

impl<P, T> InPlace<P, T> {
    /// In the plaintext phase.
    pub fn new(plain: P) -> Self {
        Self::Plain(Box::new(plain))
    }

    /// In the TLS phase.
    pub fn tls(tls: T) -> Self {
        Self::Tls(Box::new(tls))
    }

    /// Takes the plaintext stream out, to be upgraded.
    ///
    /// # Errors
    /// [`Misuse::Finished`] if it is TLS already; why it has ended.
    pub fn take_plain(&mut self) -> Result<P, Error> {
        match std::mem::replace(self, Self::Ended(misuse(Misuse::HalfUpgraded))) {
            Self::Plain(plain) => Ok(*plain),
            other => Err(self.put_back(other)),
        }
    }

    /// Takes the TLS stream out, to be stopped.
    ///
    /// # Errors
    /// [`Misuse::Finished`] if it is plaintext already; why it has ended.
    pub fn take_tls(&mut self) -> Result<T, Error> {
        match std::mem::replace(self, Self::Ended(misuse(Misuse::HalfUpgraded))) {
            Self::Tls(tls) => Ok(*tls),
            other => Err(self.put_back(other)),
        }
    }

    /// What came of an upgrade.
    ///
    /// # Errors
    /// The same.
    pub fn settle_tls(&mut self, result: Result<T, Error>) -> Result<(), Error> {
        self.settle(result.map(Self::tls))
    }

    /// What came of going back to plaintext.
    ///
    /// # Errors
    /// The same.
    pub fn settle_plain(&mut self, result: Result<P, Error>) -> Result<(), Error> {
        self.settle(result.map(Self::new))
    }

    fn settle(&mut self, result: Result<Self, Error>) -> Result<(), Error> {
        let (state, result) = match result {
            Ok(state) => (state, Ok(())),
            Err(error) => (Self::Ended(error.clone()), Err(error)),
        };
        *self = state;
        result
    }

    fn put_back(&mut self, state: Self) -> Error {
        *self = state;
        match self {
            Self::Ended(error) => error.clone(),
            _ => misuse(Misuse::Finished),
        }
    }
}

fn misuse(what: Misuse) -> Error {
    CoreError::from(what).into()
}
