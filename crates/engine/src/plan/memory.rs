//! Where buffers live: two whose lives do not overlap may share bytes.
//!
//! Greedy by size (Pisarchyk & Lee 2020, "Efficient memory management for deep neural net inference", section 5.2):
//! the largest buffer first, each at the lowest offset free during its whole life.

use super::buffer::{Buffer, IMAGES, Life};
use super::finished::Tap;
use super::step::PlanStep;
use crate::arena::ALIGN;

/// From this size on, a buffer is padded by [`STAGGER`].
const BIG: usize = 1 << 16;

/// Extra bytes behind a big buffer. Big buffers then do not start at equal addresses modulo 4 KiB, where streams that are
/// read together would meet in the same cache sets.
const STAGGER: usize = 3 * ALIGN;

/// The steps of a plan.
pub(super) struct Steps<'a> {
    pub(super) all: &'a [PlanStep],
    /// How many of them, the first, make what lasts.
    pub(super) prepared: usize,
    /// Whether that is moved out of the arena right after; else it stays to the end.
    pub(super) shared: bool,
}

/// Sets lives and offsets; gives the bytes of the arena.
pub(super) fn place(buffers: &mut [Buffer], steps: &Steps<'_>, taps: &[Tap]) -> usize {
    let Steps { all: steps, prepared, shared } = *steps;
    for (index, step) in steps.iter().enumerate() {
        step.work.buffers(&mut |id, _| {
            let life = &mut buffers[id.0].life;
            *life = life.with(index);
        });
    }
    for (index, step) in steps[..prepared].iter().enumerate() {
        let life =
            if shared { Life { first: index, last: index } } else { Life { first: 0, last: steps.len() } };
        step.work.buffers(&mut |id, _| buffers[id.0].life = life);
    }
    for tap in taps {
        let life = &mut buffers[tap.buffer.0].life;
        *life = Life { last: steps.len(), ..life.with(steps.len()) };
    }
    let mut order: Vec<usize> = (0..buffers.len()).filter(|index| *index != IMAGES.0).collect();
    order.sort_by_key(|index| (std::cmp::Reverse(buffers[*index].bytes()), *index));
    let mut placed: Vec<usize> = Vec::new();
    let mut total = 0;
    for index in order {
        let buffer = &buffers[index];
        if buffer.life.first > buffer.life.last {
            continue;
        }
        let size = room(buffer);
        // the placed ones alive at the same time, by offset
        let mut taken: Vec<[usize; 2]> = placed
            .iter()
            .map(|other| &buffers[*other])
            .filter(|other| other.life.meets(buffer.life))
            .filter_map(|other| other.offset.map(|offset| [offset, offset + room(other)]))
            .collect();
        taken.sort_unstable();
        let mut offset = 0;
        for [start, end] in taken {
            if start >= offset + size {
                break;
            }
            offset = offset.max(end);
        }
        buffers[index].offset = Some(offset);
        total = total.max(offset + size);
        placed.push(index);
    }
    total
}

fn room(buffer: &Buffer) -> usize {
    let bytes = buffer.bytes().next_multiple_of(ALIGN);
    if bytes >= BIG { bytes + STAGGER } else { bytes }
}
