//! How bytes are cut on their way: TCP keeps their order and nothing else.

use crate::random::Random;

/// Cuts what is sent into the pieces in which it is received.
///
/// ```
/// use starttls_testkit::wire::Cuts;
///
/// let pieces: Vec<&[u8]> = Cuts::EveryByte.of(b"220 go\r\n").collect();
/// assert_eq!(pieces.len(), 8);
/// assert_eq!(Cuts::At(4).of(b"220 go\r\n").collect::<Vec<_>>(), [&b"220 "[..], b"go\r\n"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cuts {
    /// All at once.
    Whole,
    /// One byte at a time.
    EveryByte,
    /// In two, behind so many bytes.
    At(usize),
    /// In up to nine pieces, the same for a seed.
    Random(u64),
}

impl Cuts {
    /// The pieces of `bytes`, none of them empty.
    pub fn of(self, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut places: Vec<usize> = match self {
            Self::Whole => Vec::new(),
            Self::EveryByte => (1..bytes.len()).collect(),
            Self::At(place) => vec![place],
            Self::Random(seed) => {
                let mut random = Random::new(seed);
                let count = random.below(8) + 1;
                (0..count).map(|_| random.below(bytes.len())).collect()
            }
        };
        places.push(bytes.len());
        places.sort_unstable();
        let mut from = 0;
        places.into_iter().filter_map(move |to| {
            let piece = bytes.get(from..to).filter(|piece| !piece.is_empty())?;
            from = to;
            Some(piece)
        })
    }

    /// Whole, byte by byte, every cut in two up to `limit` bytes, and 64 random ones.
    pub fn all(length: usize, limit: usize) -> impl Iterator<Item = Self> {
        let twos = if length <= limit { 1..length } else { 0..0 };
        [Self::Whole, Self::EveryByte]
            .into_iter()
            .chain(twos.map(Self::At))
            .chain((0..64).map(Self::Random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_and_nothing_is_reordered() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in [0, 1, 2, 100, 256] {
            for cuts in Cuts::all(length, 256) {
                let pieces: Vec<&[u8]> = cuts.of(&bytes[..length]).collect();
                assert_eq!(pieces.concat(), &bytes[..length], "{cuts:?}");
                assert!(pieces.iter().all(|piece| !piece.is_empty()));
            }
        }
    }
}
