//! Session tickets with keys of a file, so that several servers take each other's and a restart loses none.

use std::fmt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use starttls_tokio::rustls::server::ProducesTickets;

/// Half a day: how long a ticket may be used after it was given.
const LIFETIME: u32 = 12 * 60 * 60;
const NAME: usize = 16;

/// The first key makes tickets, all of them open tickets: a new key is put in front, and an old one taken away when its tickets have expired.
pub(crate) struct Tickets(Vec<Key>);

struct Key {
    name: [u8; NAME],
    key: RandomizedNonceKey,
}

impl Tickets {
    /// Keys of 32 bytes in hexadecimal, one a line, as `openssl rand -hex 32` prints them. Lines with `#` in front are comments.
    pub(crate) fn load(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // The line itself is a secret.
            let key = key(line).ok_or(format!(
                "line {}: not 64 hexadecimal digits",
                index.saturating_add(1)
            ))?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Err("no key is in it".to_owned());
        }
        Ok(Self(keys))
    }
}

fn key(line: &str) -> Option<Key> {
    if line.len() != 64 || !line.is_ascii() {
        return None;
    }
    let mut bytes = Vec::with_capacity(32);
    for at in (0..64_usize).step_by(2) {
        bytes.push(u8::from_str_radix(line.get(at..at.saturating_add(2))?, 16).ok()?);
    }
    let hash = digest(&SHA256, &bytes);
    Some(Key {
        name: hash.as_ref().get(..NAME)?.try_into().ok()?,
        key: RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok()?,
    })
}

/// A ticket is the key's name, the nonce, and what was sealed.
impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let Key { name, key } = self.0.first()?;
        let mut sealed = plain.to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(name), &mut sealed)
            .ok()?;
        Some([&name[..], &nonce.as_ref()[..], &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let Key { name, key } = self.0.iter().find(|key| key.name == *name)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = sealed.to_vec();
        let plain = key
            .open_in_place(nonce, Aad::from(name), &mut opened)
            .ok()?;
        Some(plain.to_vec())
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tickets({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_outlives_a_rotation_and_not_a_change() {
        let [a, b] = [["ab"; 32].concat(), ["cd"; 32].concat()];
        let old = Tickets::parse(&a).unwrap();
        let ticket = old.encrypt(b"session").unwrap();
        let rotated = Tickets::parse(&format!("# new\n{b}\n\n{a}\n")).unwrap();
        assert_eq!(rotated.decrypt(&ticket).unwrap(), b"session");
        assert_ne!(rotated.encrypt(b"session").unwrap()[..NAME], ticket[..NAME]);
        assert_eq!(Tickets::parse(&b).unwrap().decrypt(&ticket), None);
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(old.decrypt(&changed), None, "byte {at}");
            assert_eq!(old.decrypt(&ticket[..at]), None, "{at} bytes");
        }
    }

    #[test]
    fn a_bad_file_is_refused_without_being_shown() {
        for wrong in ["", "# nothing", "abcd", &["zz"; 32].concat()] {
            let error = Tickets::parse(wrong).unwrap_err();
            assert!(!error.contains("zz"), "{error}");
        }
    }
}
