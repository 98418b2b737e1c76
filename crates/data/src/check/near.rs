//! Pictures that look alike, found without comparing each with each.
//!
//! Multi-index hashing (M. Norouzi, A. Punjani, D. J. Fleet, Fast Search in Hamming Space with Multi-Index Hashing, CVPR 2012,
//! section 3): a hash of 64 bits is cut into 4 pieces of 16. If two hashes differ in at most 7 bits, one of their pieces
//! differs in at most 1. So for each hash 4 x 17 places of 4 tables are looked at, each of which holds n/65536 hashes where
//! these are spread evenly.

use super::look::Likeness;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bits in which the hashes of nearly equal pictures differ, at most: the farthest that four pieces can find with one bit
/// each. Measured: `docs/data.md`.
const BITS: u32 = 7;
const PIECES: usize = 4;

/// Pictures of one hash that others are compared with, at most. A set may hold the frames of a film: then its first frames
/// stand for the rest.
const LEADERS: usize = 16;

/// Hashes that a thread takes at a time.
const RUN: usize = 256;

/// For each look the index of the first one of its group: those that are alike, or alike to one that is.
pub(super) fn groups(looks: &[&Likeness], threads: usize) -> Vec<usize> {
    let mut groups = Groups { first: (0..looks.len()).collect() };
    let mut by_hash: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (index, look) in looks.iter().enumerate() {
        let leaders = by_hash.entry(look.hash).or_default();
        match leaders.iter().find(|leader| looks[**leader].is_like(look)) {
            Some(leader) => groups.join(*leader, index),
            None if leaders.len() < LEADERS => leaders.push(index),
            None => {}
        }
    }
    let hashes: Vec<u64> = by_hash.keys().copied().collect();
    let leaders: Vec<Vec<usize>> = by_hash.into_values().collect();
    for (one, other) in close(&hashes, threads) {
        for a in &leaders[one] {
            for b in &leaders[other] {
                if looks[*a].is_like(looks[*b]) {
                    groups.join(*a, *b);
                }
            }
        }
    }
    (0..looks.len()).map(|index| groups.first_of(index)).collect()
}

/// The pairs of different hashes that differ in at most [`BITS`] bits, as indices, in their order.
fn close(hashes: &[u64], threads: usize) -> Vec<(usize, usize)> {
    let tables: Vec<Table> = (0..PIECES).map(|piece| Table::of(hashes, piece)).collect();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let work = || {
        loop {
            let start = next.fetch_add(RUN, Ordering::Relaxed);
            if start >= hashes.len() {
                return;
            }
            let mut pairs = Vec::new();
            for index in start..hashes.len().min(start + RUN) {
                tables.iter().for_each(|table| table.add_close(hashes, index, &mut pairs));
            }
            found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(pairs);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // where the system gives no thread, the others do its work
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_unstable();
    found
}

/// Bits of a hash that are one of its pieces.
fn piece_of(hash: u64, piece: usize) -> u16 {
    (hash >> (16 * piece)) as u16
}

/// Whether a piece of two hashes differs in at most one bit.
fn is_near(a: u64, b: u64, piece: usize) -> bool {
    (piece_of(a, piece) ^ piece_of(b, piece)).count_ones() <= 1
}

/// Hashes by one of their pieces.
struct Table {
    piece: usize,
    /// Where those of each value begin in `order`, and behind the last one its end.
    starts: Vec<u32>,
    /// Indices of hashes.
    order: Vec<u32>,
}

impl Table {
    fn of(hashes: &[u64], piece: usize) -> Self {
        let mut order: Vec<u32> = (0..hashes.len() as u32).collect();
        // stable: those of one value stay in their order
        order.sort_by_key(|index| piece_of(hashes[*index as usize], piece));
        let mut starts = vec![0_u32; usize::from(u16::MAX) + 2];
        for hash in hashes {
            starts[usize::from(piece_of(*hash, piece)) + 1] += 1;
        }
        for value in 1..starts.len() {
            starts[value] += starts[value - 1];
        }
        Self { piece, starts, order }
    }

    /// Adds the pairs of hash `index` with later ones that this table is the first to find.
    fn add_close(&self, hashes: &[u64], index: usize, pairs: &mut Vec<(usize, usize)>) {
        let hash = hashes[index];
        let value = piece_of(hash, self.piece);
        for near in std::iter::once(value).chain((0..16).map(|bit| value ^ 1 << bit)) {
            let [start, end] = [0, 1].map(|next| self.starts[usize::from(near) + next] as usize);
            let places = &self.order[start..end];
            let later = places.partition_point(|other| *other as usize <= index);
            for other in places[later..].iter().map(|other| *other as usize) {
                let is_close = (hash ^ hashes[other]).count_ones() <= BITS;
                if is_close && !(0..self.piece).any(|earlier| is_near(hash, hashes[other], earlier)) {
                    pairs.push((index, other));
                }
            }
        }
    }
}

/// A forest of groups, of which each is known by its first member.
struct Groups {
    first: Vec<usize>,
}

impl Groups {
    fn first_of(&mut self, mut index: usize) -> usize {
        while self.first[index] != index {
            self.first[index] = self.first[self.first[index]];
            index = self.first[index];
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first_of(a), self.first_of(b));
        self.first[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::Pixels;
    use plusx_model::random::{Philox, SPLIT};
    use plusx_model::shape::ImageShape;

    #[test]
    fn close_hashes_are_those_that_comparing_each_with_each_finds() {
        let random = Philox::new(1, SPLIT);
        let mut hashes = Vec::new();
        for n in 0..400_u32 {
            let [a, b, c, d] = random.block([n, 0, 0, 0]);
            let hash = u64::from(a) << 32 | u64::from(b);
            hashes.push(hash);
            // a relative that differs in up to 9 bits, some of them in the same place
            let flips = (0..c % 10).fold(0, |bits, flip| bits | 1_u64 << (d.rotate_left(5 * flip) % 64));
            hashes.push(hash ^ flips);
        }
        hashes.sort_unstable();
        hashes.dedup();
        let mut expected = Vec::new();
        for a in 0..hashes.len() {
            for b in a + 1..hashes.len() {
                if (hashes[a] ^ hashes[b]).count_ones() <= 7 {
                    expected.push((a, b));
                }
            }
        }
        assert!(expected.len() > 200);
        for threads in [1, 3] {
            assert_eq!(close(&hashes, threads), expected);
        }
    }

    #[test]
    fn groups_are_known_by_their_first() {
        let picture = |slope: usize, level: usize| {
            let bytes: Vec<u8> =
                (0..1024).map(|at| ((at % 32) * slope + (at / 32) * (7 - slope) / 2 + level) as u8).collect();
            Likeness::of(Pixels { bytes: &bytes, shape: ImageShape::new(1, 32, 32) })
        };
        let looks = [picture(1, 0), picture(6, 0), picture(1, 20), picture(6, 9), picture(1, 3)];
        assert_eq!(groups(&looks.iter().collect::<Vec<_>>(), 2), [0, 1, 0, 1, 0]);
        assert!(groups(&[], 2).is_empty());
    }
}
