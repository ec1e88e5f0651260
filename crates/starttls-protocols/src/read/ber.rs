//! The part of BER that LDAP is written in (RFC 4511 section 5.1): definite lengths only, octet strings in one piece, tags of one byte.
//!
//! A general BER library accepts what that section forbids, and would have to be kept from it: an indefinite length is a second
//! opinion on where a message ends, which here is where TLS begins. What is left are the two functions of this file; the usual crates would
//! bring a dozen others for them.

use starttls_core::{Error, Plain};

use crate::read::fields::{Fields, foreign_words};
use crate::read::misbehaviour::{malformed, refuse_tls_record, too_long};

/// SEQUENCE.
pub(crate) const SEQUENCE: u8 = 0x30;
/// INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// ENUMERATED.
pub(crate) const ENUMERATED: u8 = 0x0a;
/// OCTET STRING.
pub(crate) const OCTET_STRING: u8 = 0x04;

/// BOOLEAN.
pub(crate) const BOOLEAN: u8 = 0x01;

/// The next message, a SEQUENCE of at most `limit` bytes: how long it is as a whole, and its contents. It is not consumed.
pub(crate) fn next_sequence(plain: &Plain, limit: usize) -> Result<Option<(usize, &[u8])>, Error> {
    let unread = plain.peek();
    refuse_tls_record(unread)?;
    match unread {
        // It may be the first byte of a TLS record.
        [] | [0x15 | 0x16] => return Ok(None),
        [SEQUENCE, ..] => {}
        _ => {
            return match foreign_words(plain, 0) {
                Some(words) => Err(malformed("message", words)),
                None => Ok(None),
            };
        }
    }
    let mut fields = Fields::new(unread);
    fields.u8();
    let length = match length(&mut fields) {
        Length::Incomplete => return Ok(None),
        Length::Invalid(byte) => return Err(malformed("length", &[byte])),
        Length::Definite(length) => length,
    };
    if length > limit {
        return Err(too_long("message", limit));
    }
    let header = unread.len().saturating_sub(fields.rest().len());
    let message = fields.bytes(length);
    Ok(message.map(|message| (header.saturating_add(length), message)))
}

/// The tag of the operation behind the message id, however long the message is: `Some(None)` if there can be none.
pub(crate) fn operation_tag(unread: &[u8]) -> Option<Option<u8>> {
    let mut fields = Fields::new(unread);
    fields.u8()?;
    for wanted in [None, Some(INTEGER)] {
        if let Some(wanted) = wanted
            && fields.u8()? != wanted
        {
            return Some(None);
        }
        match (length(&mut fields), wanted) {
            (Length::Incomplete, _) => return None,
            (Length::Definite(_), None) => {}
            // An id has 31 bits.
            (Length::Definite(length @ 0..=4), Some(_)) => drop(fields.bytes(length)?),
            _ => return Some(None),
        }
    }
    fields.u8().map(Some)
}

/// The next element of a message that is there as a whole: its tag and its contents.
pub(crate) fn element<'a>(fields: &mut Fields<'a>) -> Option<(u8, &'a [u8])> {
    let tag = fields.u8()?;
    // Tags of several bytes do not occur in LDAP.
    if tag & 0x1f == 0x1f {
        return None;
    }
    match length(fields) {
        Length::Definite(length) => Some((tag, fields.bytes(length)?)),
        Length::Incomplete | Length::Invalid(_) => None,
    }
}

/// A non-negative INTEGER or ENUMERATED of up to 31 bits, which is what LDAP has.
pub(crate) fn unsigned(contents: &[u8]) -> Option<u32> {
    match contents {
        [0..=0x7f] | [0..=0x7f, _, ..] if contents.len() <= 4 => Some(
            contents
                .iter()
                .fold(0, |number, byte| (number << 8) | u32::from(*byte)),
        ),
        _ => None,
    }
}

/// One element, made.
pub(crate) fn encode(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    let length = u32::try_from(contents.len()).unwrap_or(u32::MAX);
    let header = match length {
        0..=0x7f => vec![tag, length.to_be_bytes()[3]],
        _ => [&[tag, 0x84], &length.to_be_bytes()[..]].concat(),
    };
    [header, contents].concat()
}

/// The shortest contents of a non-negative INTEGER.
pub(crate) fn integer(number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take(3).take_while(|byte| **byte == 0).count();
    let mut contents = bytes.get(zeros..).unwrap_or_default().to_vec();
    if contents.first().is_some_and(|byte| *byte > 0x7f) {
        contents.insert(0, 0);
    }
    contents
}

enum Length {
    Incomplete,
    Invalid(u8),
    Definite(usize),
}

/// Short form, or long form with up to four bytes, which need not be the shortest one: Active Directory always sends four.
fn length(fields: &mut Fields<'_>) -> Length {
    match fields.u8() {
        None => Length::Incomplete,
        Some(short @ 0..=0x7f) => Length::Definite(usize::from(short)),
        Some(long @ 0x81..=0x84) => match fields.bytes(usize::from(long & 0x0f)) {
            None => Length::Incomplete,
            Some(bytes) => Length::Definite(
                bytes
                    .iter()
                    .fold(0, |length, byte| (length << 8) | usize::from(*byte)),
            ),
        },
        Some(other) => Length::Invalid(other),
    }
}

#[cfg(test)]
mod tests {
    use starttls_core::Misbehaviour;

    use super::*;

    fn message(bytes: &[u8]) -> Result<Option<(usize, Vec<u8>)>, Error> {
        let plain = Plain::with_prefix(bytes);
        let message = next_sequence(&plain, 100)?;
        Ok(message.map(|(length, contents)| (length, contents.to_vec())))
    }

    #[test]
    fn takes_every_length_form_and_leaves_the_rest() {
        for form in [&b"\x02"[..], b"\x81\x02", b"\x82\0\x02", b"\x84\0\0\0\x02"] {
            let bytes = [b"\x30", form, b"abrest"].concat();
            let length = bytes.len() - b"rest".len();
            assert_eq!(message(&bytes), Ok(Some((length, b"ab".to_vec()))));
        }
    }

    #[test]
    fn refuses_indefinite_and_oversize_lengths() {
        assert_eq!(message(b"\x30\x80"), Err(malformed("length", &[0x80])));
        assert_eq!(
            message(b"\x30\x85\0\0\0\0\x01"),
            Err(malformed("length", &[0x85]))
        );
        let too_long = too_long("message", 100);
        assert_eq!(message(b"\x30\x84\xff\xff\xff\xff"), Err(too_long));
        assert_eq!(message(b"\x30\x84\0\0"), Ok(None));
        assert_eq!(message(b"\x16\x03"), Err(Misbehaviour::TlsTooEarly.into()));
        assert_eq!(message(b"+OK ready"), Err(malformed("message", b"+OK ")));
        assert_eq!(message(b"\0\0"), Err(malformed("message", b"\0")));
    }

    #[test]
    fn the_operation_is_known_before_the_message_is_there() {
        let start = b"\x30\x84\0\xff\xff\xff\x02\x02\x01\x2c\x63";
        for cut in 0..start.len() {
            assert_eq!(operation_tag(&start[..cut]), None, "{cut}");
        }
        assert_eq!(operation_tag(start), Some(Some(0x63)));
        assert_eq!(operation_tag(b"\x30\x05\x04"), Some(None));
        assert_eq!(operation_tag(b"\x30\x80"), Some(None));
        assert_eq!(operation_tag(b"\x30\x05\x02\x05"), Some(None));
    }

    #[test]
    fn integers_survive_the_round_trip() {
        for number in [0, 1, 127, 128, 255, 256, 65_535, 0x7fff_ffff] {
            assert_eq!(unsigned(&integer(number)), Some(number));
        }
        assert_eq!(integer(128), [0, 128]);
        assert_eq!(unsigned(&[]), None);
        assert_eq!(unsigned(&[0xff]), None);
        assert_eq!(unsigned(&[0, 0, 0, 0, 1]), None);
    }
}
