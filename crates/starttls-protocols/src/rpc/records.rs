use starttls_core::{Error, Plain};

use crate::read::fields::{Fields, is_text};
use crate::read::misbehaviour::{malformed, refuse_tls_record, too_long};

const LAST_FRAGMENT: u32 = 1 << 31;
/// The longest record. A call has 24 bytes, two authentications of at most 408 bytes, and arguments.
const MAX_RECORD: usize = 8 * 1024;
/// The most fragments of a record. Each real one is whole; empty fragments are allowed and would never end.
const MAX_FRAGMENTS: usize = 16;

/// One record of one fragment.
pub(super) fn record(contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).unwrap_or_default();
    [&(LAST_FRAGMENT | length).to_be_bytes()[..], contents].concat()
}

/// The fragments of the next record as far as they are there, and whether its end is (RFC 5531 section 11).
struct Fragments<'a> {
    pieces: Vec<&'a [u8]>,
    /// How long it all is, with the marks, if it is there as a whole.
    length: Option<usize>,
}

impl<'a> Fragments<'a> {
    /// Records over `limit` are too long as soon as a mark says so.
    fn read(plain: &'a Plain, limit: usize, what: &'static str) -> Result<Self, Error> {
        let unread = plain.peek();
        refuse_tls_record(unread)?;
        if let Some(mark) = unread.first_chunk::<4>()
            && is_text(mark)
        {
            return Err(malformed(what, mark));
        }
        let (mut fields, mut pieces) = (Fields::new(unread), Vec::new());
        let mut total = 0_usize;
        for _ in 0..MAX_FRAGMENTS {
            let Some(mark) = fields.u32() else {
                return Ok(Self {
                    pieces,
                    length: None,
                });
            };
            let length = usize::try_from(mark & !LAST_FRAGMENT).unwrap_or(usize::MAX);
            total = total.saturating_add(length);
            if total > limit {
                return Err(too_long("record", limit));
            }
            let there = fields.rest();
            let Some(piece) = fields.bytes(length) else {
                pieces.push(there);
                return Ok(Self {
                    pieces,
                    length: None,
                });
            };
            pieces.push(piece);
            if mark & LAST_FRAGMENT != 0 {
                let length = Some(unread.len().saturating_sub(fields.rest().len()));
                return Ok(Self { pieces, length });
            }
        }
        Err(too_long("fragments", MAX_FRAGMENTS))
    }
}

/// The next record, consumed; `None` if it is not complete.
pub(super) fn take_record(plain: &mut Plain, what: &'static str) -> Result<Option<Vec<u8>>, Error> {
    let fragments = Fragments::read(plain, MAX_RECORD, what)?;
    let Some(length) = fragments.length else {
        return Ok(None);
    };
    let record = fragments.pieces.concat();
    plain.consume(length);
    Ok(Some(record))
}

/// The beginning of the next record, up to the flavour of the credential, however long the rest of it is; less if it has no more. `None` if it is not there yet.
pub(super) fn beginning(plain: &Plain, what: &'static str) -> Result<Option<Vec<u8>>, Error> {
    const LENGTH: usize = 7 * 4;
    let fragments = Fragments::read(plain, usize::MAX, what)?;
    let mut start = Vec::new();
    for piece in &fragments.pieces {
        let missing = LENGTH.saturating_sub(start.len());
        start.extend(piece.iter().take(missing));
    }
    Ok((start.len() == LENGTH || fragments.length.is_some()).then_some(start))
}
