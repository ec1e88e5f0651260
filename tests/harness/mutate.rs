//! Damage and cuts, at random from fixed seeds.

use super::run::Run;
use super::transcript::{Transcript, read_directory};

/// Every case of a directory with its input mutated, `rounds` times: whatever comes of it, it is the same however it is cut.
///
/// # Panics
/// If it is not.
pub fn mutate_directory(protocol: &str, rounds: u64) {
    let transcripts = read_directory(protocol);
    for (index, transcript) in transcripts.iter().enumerate() {
        let input = transcript.input();
        let other = transcripts[(index + 1) % transcripts.len()].input();
        for seed in 0..rounds {
            let mut numbers = Numbers(seed << 32 | index as u64);
            let input = mutated(&input, &other, &mut numbers);
            let outcome = transcript.run_mutated(&input, seed);
            let name = &transcript.name;
            assert!(
                outcome.is_ok(),
                "{name}: {}: {outcome:?}",
                input.escape_ascii()
            );
        }
    }
}

impl Transcript {
    fn run_mutated(&self, input: &[u8], seed: u64) -> Result<(), String> {
        let whole = self.deliver(input, &[], Run::unasked(self))?;
        let every_byte: Vec<usize> = (1..input.len()).collect();
        for cuts in [every_byte, random_cuts(seed, input.len())] {
            self.deliver(input, &cuts, Run::new(self))?
                .must_be(&whole, &format!("cut at {cuts:?}"))?;
        }
        Ok(())
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014): the same numbers for a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// Some bytes changed, left out, said twice or put in from another transcript.
fn mutated(input: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len() + 1);
        let to = (at + numbers.below(12)).min(bytes.len());
        match numbers.below(5) {
            0 => drop(bytes.drain(at..to)),
            1 => {
                let again = bytes[at..to].to_vec();
                bytes.splice(at..at, again);
            }
            2 => {
                let from = numbers.below(other.len() + 1);
                let piece = other[from..(from + 12).min(other.len())].to_vec();
                bytes.splice(at..to, piece);
            }
            // What has a meaning somewhere.
            3 => {
                let marks = b"\r\n \0{}+-*.:\"<>\x15\x16\xff";
                bytes.insert(at, marks[numbers.below(marks.len())]);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << numbers.below(8);
                }
            }
        }
    }
    bytes
}

/// One to eight cuts, the same for a seed and a length.
pub(super) fn random_cuts(seed: u64, length: usize) -> Vec<usize> {
    let mut numbers = Numbers(seed);
    let count = numbers.below(8) + 1;
    let mut cuts: Vec<usize> = (0..count).map(|_| numbers.below(length + 1)).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_seeded_and_inside() {
        assert_eq!(random_cuts(7, 100), random_cuts(7, 100));
        assert_ne!(random_cuts(7, 100), random_cuts(8, 100));
        assert!((0..100).all(|seed| random_cuts(seed, 10).iter().all(|cut| *cut <= 10)));
    }
}
