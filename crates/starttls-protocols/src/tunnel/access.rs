//! Who may go where: what a proxy's servers decide with.

use std::fmt;

use super::{Credentials, Target};

/// What a client of a proxy says about itself, for the closure that decides about it.
///
/// `Debug` shows no password and no token.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Login<'a> {
    /// User and password: Basic authentication of HTTP (RFC 7617), or those of SOCKS 5 (RFC 1929).
    Password {
        /// The user.
        user: &'a [u8],
        /// The password.
        password: &'a [u8],
    },
    /// A token: Bearer authentication of HTTP (RFC 6750).
    Bearer(&'a [u8]),
    /// The user id of SOCKS 4, which nothing proves.
    UserId(&'a [u8]),
}

impl fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => f
                .debug_struct("Password")
                .field("user", &user.escape_ascii().to_string())
                .finish_non_exhaustive(),
            Self::Bearer(_) => f.write_str("Bearer"),
            Self::UserId(user) => f
                .debug_tuple("UserId")
                .field(&user.escape_ascii().to_string())
                .finish(),
        }
    }
}

type Authenticate = Box<dyn FnMut(&Login<'_>) -> bool + Send + Sync>;
type Permit = Box<dyn FnMut(&Target) -> bool + Send + Sync>;

/// The caller's decisions.
pub(crate) struct Access {
    authenticate: Option<Authenticate>,
    permit: Option<Permit>,
}

impl Access {
    /// Everybody may go everywhere.
    pub(crate) const fn open() -> Self {
        Self {
            authenticate: None,
            permit: None,
        }
    }

    pub(crate) fn authenticate(
        &mut self,
        decide: impl FnMut(&Login<'_>) -> bool + Send + Sync + 'static,
    ) {
        self.authenticate = Some(Box::new(decide));
    }

    /// The same for one user and password.
    pub(crate) fn one_user(&mut self, wanted: Credentials) {
        self.authenticate(move |login| match login {
            Login::Password { user, password } => wanted.are(user, password),
            Login::Bearer(_) | Login::UserId(_) => false,
        });
    }

    pub(crate) fn permit(&mut self, decide: impl FnMut(&Target) -> bool + Send + Sync + 'static) {
        self.permit = Some(Box::new(decide));
    }

    /// A login is asked for.
    pub(crate) fn is_restricted(&self) -> bool {
        self.authenticate.is_some()
    }

    pub(crate) fn knows(&mut self, login: &Login<'_>) -> bool {
        self.authenticate
            .as_mut()
            .is_none_or(|decide| decide(login))
    }

    pub(crate) fn allows(&mut self, target: &Target) -> bool {
        self.permit.as_mut().is_none_or(|decide| decide(target))
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("is_restricted", &self.is_restricted())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_login_shows_a_secret() {
        let password = Login::Password {
            user: b"me",
            password: b"secret",
        };
        let shown = format!("{password:?}{:?}", Login::Bearer(b"secret"));
        assert!(shown.contains("me") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn one_user_is_known_by_the_password_only() {
        let mut access = Access::open();
        access.one_user(Credentials::new("me", "secret"));
        let mut knows = |user: &'static [u8], password: &'static [u8]| {
            access.knows(&Login::Password { user, password })
        };
        assert!(knows(b"me", b"secret"));
        assert!(!knows(b"me", b"secreT") && !knows(b"m", b"secret"));
        assert!(!access.knows(&Login::UserId(b"me")) && !access.knows(&Login::Bearer(b"secret")));
    }
}
