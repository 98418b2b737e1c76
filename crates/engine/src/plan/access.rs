//! Which buffers a step reads and writes: what gives each buffer its life, and its place in the arena.

use super::step::{BufferId, FilterRef, GateRef, GradRef, SinkRef, SourceRef, SumsRef, TermRef, Work};

/// How a step touches a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Work {
    /// Calls `touch` with every buffer of the step.
    pub(crate) fn buffers(&self, touch: &mut dyn FnMut(BufferId, Access)) {
        use Access::{Read, Write};
        match self {
            Work::Load { dst, .. } => touch(*dst, Write),
            Work::Shifts { means, zeros } => {
                means.iter().for_each(|(_, buffer)| touch(*buffer, Write));
                zeros.iter().for_each(|buffer| touch(*buffer, Write));
            }
            Work::RunningAffines { norms } => norms.iter().for_each(|(_, buffer)| touch(*buffer, Write)),
            Work::ConvForward { src, keep, dst, sums, filters, finish, .. } => {
                src.buffers(touch);
                finish.affine.iter().for_each(|pair| touch(pair.buffer, Read));
                finish.add.iter().for_each(|term| term.buffers(touch));
                filters.buffers(touch);
                touch(*dst, Write);
                keep.iter().for_each(|buffer| touch(*buffer, Write));
                sums.iter().for_each(|sums| sums.buffers(touch));
            }
            Work::Stats { src, sums, .. } => {
                touch(*src, Read);
                sums.buffers(touch);
            }
            Work::NormForward { sums, totals, saved, affine, .. } => {
                touch(sums.out, Read);
                touch(sums.shift, Read);
                [*totals, *saved, *affine].into_iter().for_each(|buffer| touch(buffer, Write));
            }
            Work::Evaluate { src, dst, .. }
            | Work::AvgPoolForward { src, dst, .. }
            | Work::SubsampleForward { src, dst, .. }
            | Work::AvgForward { src, dst, .. } => {
                src.buffers(touch);
                touch(*dst, Write);
            }
            Work::MaxForward { src, dst, winner, .. } => {
                src.buffers(touch);
                touch(*dst, Write);
                winner.iter().for_each(|buffer| touch(*buffer, Write));
            }
            Work::Loss { logits, gradient, .. } => {
                touch(*logits, Read);
                touch(*gradient, Write);
            }
            Work::Sink { g, sink, .. } => {
                g.iter().for_each(|buffer| touch(*buffer, Read));
                sink.buffers(touch);
            }
            Work::AvgPoolBackward { g, sink, .. }
            | Work::SubsampleBackward { g, sink, .. }
            | Work::AvgBackward { g, sink, .. } => {
                touch(*g, Read);
                sink.buffers(touch);
            }
            Work::MaxBackward { g, winner, sink, .. } => {
                touch(*g, Read);
                touch(*winner, Read);
                sink.buffers(touch);
            }
            Work::NormBackward { sums, totals, saved, coefficients, .. } => {
                touch(*sums, Read);
                touch(*saved, Read);
                touch(*totals, Write);
                touch(*coefficients, Write);
            }
            Work::BiasBackward { sums, totals, .. } => {
                touch(*sums, Read);
                touch(*totals, Write);
            }
            Work::ConvBackwardWeights { src, grad, parts, .. } => {
                src.buffers(touch);
                grad.buffers(touch);
                parts.iter().for_each(|(buffer, _, _)| touch(*buffer, Write));
            }
            Work::SumTree { parts, .. } => touch(*parts, Read),
            Work::PackBackward { dst, .. } | Work::Transform { dst, .. } => touch(*dst, Write),
            Work::ConvBackwardData { grad, filters, sink, .. } => {
                grad.buffers(touch);
                filters.buffers(touch);
                sink.buffers(touch);
            }
            Work::Update => {}
        }
    }
}

impl FilterRef {
    fn buffers(self, touch: &mut dyn FnMut(BufferId, Access)) {
        if let Self::Transposed(buffer) | Self::Transformed(buffer) = self {
            touch(buffer, Access::Read);
        }
    }
}

impl SourceRef {
    fn buffers(&self, touch: &mut dyn FnMut(BufferId, Access)) {
        self.main.buffers(touch);
        self.add.iter().for_each(|term| term.buffers(touch));
    }
}

impl TermRef {
    fn buffers(&self, touch: &mut dyn FnMut(BufferId, Access)) {
        touch(self.data, Access::Read);
        self.affine.iter().for_each(|pair| touch(pair.buffer, Access::Read));
    }
}

impl GradRef {
    fn buffers(&self, touch: &mut dyn FnMut(BufferId, Access)) {
        touch(self.g, Access::Read);
        if let Some(norm) = self.norm {
            touch(norm.y, Access::Read);
            touch(norm.coefficients, Access::Read);
        }
    }
}

impl SumsRef {
    fn buffers(&self, touch: &mut dyn FnMut(BufferId, Access)) {
        touch(self.shift, Access::Read);
        touch(self.out, Access::Write);
    }
}

impl SinkRef {
    fn buffers(&self, touch: &mut dyn FnMut(BufferId, Access)) {
        touch(self.dst, Access::Write);
        match self.gate {
            GateRef::Open => {}
            GateRef::Stored(z) => touch(z, Access::Read),
            GateRef::Affine { y, affine } => {
                touch(y, Access::Read);
                touch(affine.buffer, Access::Read);
            }
        }
        if let Some((y, sums)) = self.sums {
            touch(y, Access::Read);
            sums.buffers(touch);
        }
    }
}
