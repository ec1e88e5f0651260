use std::fmt;

/// A way to log in inside TLS, with a certificate of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subtype {
    /// No login.
    X509None = 260,
    /// The challenge and response of VNC.
    X509Vnc = 261,
    /// Name and password.
    X509Plain = 262,
    /// SASL.
    X509Sasl = 264,
    /// Name only.
    X509Ident = 267,
}

impl Subtype {
    /// Every subtype that is possible, the strongest login first.
    pub const ALL: [Self; 5] = [
        Self::X509Sasl,
        Self::X509Plain,
        Self::X509Vnc,
        Self::X509Ident,
        Self::X509None,
    ];

    /// The number on the wire.
    pub fn number(self) -> u32 {
        self as u32
    }
}

impl TryFrom<u32> for Subtype {
    type Error = Impossible;

    fn try_from(number: u32) -> Result<Self, Impossible> {
        match number {
            257..=259 | 263 | 266 => Err(Impossible::Anonymous(number)),
            256 | 265 => Err(Impossible::Plaintext(number)),
            _ => Self::ALL
                .into_iter()
                .find(|subtype| subtype.number() == number)
                .ok_or(Impossible::Unknown(number)),
        }
    }
}

/// Why a number is no [`Subtype`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Impossible {
    /// An anonymous key exchange, without a certificate: 257 (TLSNone), 258 (TLSVnc), 259 (TLSPlain), 263 (TLSSASL), 266
    /// (TLSIdent), or the security type 18 (TLS).
    Anonymous(u32),
    /// No TLS at all: 256 (Plain), 265 (Ident).
    Plaintext(u32),
    /// Not a known number.
    Unknown(u32),
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous(number) => {
                write!(
                    f,
                    "VNC security type {number} is TLS without a certificate, which rustls does not do"
                )
            }
            Self::Plaintext(number) => write!(f, "VNC security type {number} is without TLS"),
            Self::Unknown(number) => write!(f, "VNC security type {number} is unknown"),
        }
    }
}

impl std::error::Error for Impossible {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtypes_without_a_certificate_are_named_as_impossible() {
        for number in [257, 258, 259, 263, 266] {
            assert_eq!(
                Subtype::try_from(number),
                Err(Impossible::Anonymous(number))
            );
        }
        for number in [256, 265] {
            assert_eq!(
                Subtype::try_from(number),
                Err(Impossible::Plaintext(number))
            );
        }
        assert_eq!(Subtype::try_from(268), Err(Impossible::Unknown(268)));
        for subtype in Subtype::ALL {
            assert_eq!(Subtype::try_from(subtype.number()), Ok(subtype));
        }
    }
}
