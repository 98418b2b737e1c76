//! Which buffers a step reads and writes: what gives each buffer its life, and its place in the arena.

use super::refs::{Access, BufferId};
use super::work::{ChannelWork, CombineWork, ConvWork, LossWork, MapWork, PoolingWork, StepWork};
use Access::{Read, Write};

/// Is called with a buffer and how it is touched.
type Touch<'t> = &'t mut dyn FnMut(BufferId, Access);

impl StepWork {
    /// Calls `touch` with every buffer of the step.
    pub(crate) fn buffers(&self, touch: Touch<'_>) {
        match self {
            Self::Map(work) => work.buffers(touch),
            Self::Pooling(work) => work.buffers(touch),
            Self::Combine(work) => work.buffers(touch),
            Self::Channel(work) => work.buffers(touch),
            Self::Conv(work) => work.buffers(touch),
            Self::Loss(LossWork { logits, gradient, .. }) => {
                touch(*logits, Read);
                touch(*gradient, Write);
            }
            Self::Update(_) => {}
        }
    }
}

impl MapWork {
    fn buffers(&self, touch: Touch<'_>) {
        match self {
            Self::Load { dst, .. } => touch(*dst, Write),
            Self::Stats { src, sums, .. } => {
                touch(*src, Read);
                sums.buffers(touch);
            }
            Self::Evaluate { src, dst, .. }
            | Self::SubsampleForward { src, dst, .. }
            | Self::SigmoidForward { src, dst, .. } => {
                src.buffers(touch);
                touch(*dst, Write);
            }
            Self::Sink { g, sink, .. } => {
                g.iter().for_each(|buffer| touch(*buffer, Read));
                sink.buffers(touch);
            }
            Self::SubsampleBackward { g, sink, .. } => {
                touch(*g, Read);
                sink.buffers(touch);
            }
            Self::SigmoidBackward { g, y, sink, .. } => {
                touch(*g, Read);
                touch(*y, Read);
                sink.buffers(touch);
            }
        }
    }
}

impl PoolingWork {
    fn buffers(&self, touch: Touch<'_>) {
        match self {
            Self::MaxPool2dForward { src, dst, winner, .. } => {
                src.buffers(touch);
                touch(*dst, Write);
                winner.iter().for_each(|buffer| touch(*buffer, Write));
            }
            Self::AvgPool2dForward { src, dst, .. } | Self::GlobalAvgPool2dForward { src, dst, .. } => {
                src.buffers(touch);
                touch(*dst, Write);
            }
            Self::MaxPool2dBackward { g, winner, sink, .. } => {
                touch(*g, Read);
                touch(*winner, Read);
                sink.buffers(touch);
            }
            Self::AvgPool2dBackward { g, sink, .. } | Self::GlobalAvgPool2dBackward { g, sink, .. } => {
                touch(*g, Read);
                sink.buffers(touch);
            }
        }
    }
}

impl CombineWork {
    fn buffers(&self, touch: Touch<'_>) {
        match self {
            Self::ConcatForward { src, dst, .. } => {
                src.buffers(touch);
                touch(*dst, Write);
            }
            Self::MultiplyForward { src, scale, dst, .. } => {
                src.buffers(touch);
                scale.buffers(touch);
                touch(*dst, Write);
            }
            Self::MultiplyBackwardMap { g, scale: other, sink, .. }
            | Self::MultiplyBackwardScale { g, src: other, sink, .. } => {
                touch(*g, Read);
                other.buffers(touch);
                sink.buffers(touch);
            }
            Self::ConcatBackward { g, sink, .. } => {
                touch(*g, Read);
                sink.buffers(touch);
            }
        }
    }
}

impl ChannelWork {
    fn buffers(&self, touch: Touch<'_>) {
        match self {
            Self::Shifts { means, zeros } => {
                means.iter().for_each(|(_, buffer)| touch(*buffer, Write));
                zeros.iter().for_each(|buffer| touch(*buffer, Write));
            }
            Self::RunningAffines { norms } => norms.iter().for_each(|norm| {
                touch(norm.affine, Write);
                norm.saved.iter().for_each(|saved| touch(*saved, Write));
            }),
            Self::FixedNormBackward { affine, coefficients } => {
                touch(*affine, Read);
                touch(*coefficients, Write);
            }
            Self::NormForward { sums, totals, saved, affine, .. } => {
                touch(sums.out, Read);
                touch(sums.shift, Read);
                [*totals, *saved, *affine].into_iter().for_each(|buffer| touch(buffer, Write));
            }
            Self::NormBackward { sums, totals, saved, coefficients, .. } => {
                touch(*sums, Read);
                touch(*saved, Read);
                touch(*totals, Write);
                touch(*coefficients, Write);
            }
            Self::BiasBackward { sums, totals, scale, .. } => {
                scale.iter().for_each(|scale| touch(*scale, Read));
                touch(*sums, Read);
                touch(*totals, Write);
            }
        }
    }
}

impl ConvWork {
    fn buffers(&self, touch: Touch<'_>) {
        match self {
            Self::Forward { src, keep, dst, sums, filters, finish, .. } => {
                src.buffers(touch);
                finish.buffers(touch);
                filters.buffers(touch);
                touch(*dst, Write);
                keep.iter().for_each(|buffer| touch(*buffer, Write));
                sums.iter().for_each(|sums| sums.buffers(touch));
            }
            Self::BackwardWeights { src, grad, parts, .. } => {
                src.buffers(touch);
                grad.buffers(touch);
                parts.iter().for_each(|parts| touch(parts.buffer, Write));
            }
            Self::SumTree { parts, .. } => touch(*parts, Read),
            Self::PackBackward { dst, .. } | Self::Transform { dst, .. } | Self::PackTiles { dst, .. } => {
                touch(*dst, Write);
            }
            Self::BackwardData { grad, filters, sink, .. } => {
                grad.buffers(touch);
                filters.buffers(touch);
                sink.buffers(touch);
            }
        }
    }
}
