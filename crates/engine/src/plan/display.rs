//! A plan for reading: its steps in order, its buffers by place.

use std::fmt;

use super::buffer::{Buffer, ElementType, Life};
use super::finished::Plan;
use super::mode::Statistics;
use super::refs::Access;
use super::step::PlanStep;
use crate::precision::Precision;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match (self.mode.backward, self.mode.statistics, self.learning) {
            (true, _, [learn, all]) if learn < all => format!("training, {learn} of {all} parameters learn"),
            (true, ..) => "training".to_owned(),
            (false, Statistics::Running, _) => "inference".to_owned(),
            (false, Statistics::Batch { .. }, _) => "forward with batch statistics".to_owned(),
        };
        writeln!(
            f,
            "plan: {mode}, batch {}, {}{}{}, {:.1} MiB",
            self.batch,
            self.kernels.level,
            if self.kernels.exact { ", exact" } else { "" },
            match self.kernels.precision {
                Precision::Highest => String::new(),
                precision => format!(", precision {precision}"),
            },
            mib(self.memory_bytes())
        )?;
        writeln!(f, "steps:")?;
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "{index:5}  {}", self.line(step))?;
        }
        writeln!(f, "buffers:")?;
        let mut order: Vec<&Buffer> = self.buffers.iter().filter(|buffer| buffer.offset.is_some()).collect();
        order.sort_by_key(|buffer| (buffer.offset, buffer.life));
        for buffer in order {
            let Life { first, last } = buffer.life;
            let offset = buffer.offset.unwrap_or_default();
            let kind = if buffer.kind == ElementType::Bf16 { ", bf16" } else { "" };
            let (bytes, name) = (buffer.bytes(), &buffer.name);
            writeln!(f, "{offset:12}  {bytes:12} B  steps {first:3}-{last:3}  {name}{kind}")?;
        }
        writeln!(f, "arena: {:.1} MiB, parameters: {:.1} MiB", mib(self.arena_bytes), mib(self.param_bytes))
    }
}

impl Plan {
    fn line(&self, step: &PlanStep) -> String {
        let (mut read, mut written) = (Vec::new(), Vec::new());
        step.work.buffers(&mut |id, access| {
            let names = if access == Access::Read { &mut read } else { &mut written };
            let name = self.buffers[id.0].name.as_str();
            if !names.contains(&name) {
                names.push(name);
            }
        });
        let list = |names: &[&str]| match names {
            [] => "parameters".to_owned(),
            names if names.len() > 8 => format!("{}, ... ({} in all)", names[..3].join(", "), names.len()),
            names => names.join(", "),
        };
        format!(
            "{:34} {:35} {:4} pieces  {} -> {}",
            step.label,
            step.kernel.name,
            step.pieces.count(),
            list(&read),
            list(&written)
        )
    }
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / (1 << 20) as f64
}
