//! Which lane of a block each lane takes, so that every lane holds the same input of its group.

use crate::LANES;
use crate::simd::Isa;

/// `ORDERS[n][j]`: input j of each group, in groups of 2^n lanes. A register of fewer lanes than a group takes its order
/// modulo its width, and [`register_of`] tells which part of the group to load.
static ORDERS: [[[u32; LANES]; 8]; 4] = orders();

const fn orders() -> [[[u32; LANES]; 8]; 4] {
    let mut orders = [[[0; LANES]; 8]; 4];
    let mut n = 0;
    while n < 4 {
        let group = 1 << n;
        let mut j = 0;
        while j < group {
            let mut lane = 0;
            while lane < LANES {
                orders[n][j][lane] = (lane / group * group + j) as u32;
                lane += 1;
            }
            j += 1;
        }
        n += 1;
    }
    orders
}

/// The orders for groups of `group` lanes.
#[inline(always)]
pub(super) fn orders_of(group: usize) -> &'static [[u32; LANES]] {
    &ORDERS[group.trailing_zeros() as usize][..group]
}

/// First lane of the register that holds input `j` of the groups that the register at `lane` is in.
#[inline(always)]
pub(super) fn register_of<I: Isa>(lane: usize, group: usize, j: usize) -> usize {
    if group <= I::WIDTH { lane } else { lane / group * group + j / I::WIDTH * I::WIDTH }
}
