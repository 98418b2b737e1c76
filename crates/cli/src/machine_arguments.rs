//! Which part of the machine a command uses: options of every command that computes but does not train.

use crate::environment::Environment;
use clap::Args;
use plusx_engine::{Level, Precision, PreparedOptions};
use plusx_train::Machine;

/// Reads `--isa`.
pub(crate) fn isa(text: &str) -> Result<InstructionSet, String> {
    plusx_train::level(text).map(InstructionSet)
}

/// A choice of instruction set; `None` is the best there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct InstructionSet(pub(crate) Option<Level>);

impl InstructionSet {
    /// The level to run at.
    pub(crate) fn level(self) -> Level {
        self.0.unwrap_or_else(Level::detect)
    }
}

/// Which part of the machine to use: options of every command that computes. (`train` and `compare` have their own: a resumed run
/// knows which were given.)
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct MachineArguments {
    /// Threads to compute with
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<usize>,
    /// Instruction set: auto, amx, avx512, avx2 or portable
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = isa)]
    isa: InstructionSet,
    /// No Winograd algorithms: slower, rounded otherwise
    #[arg(long)]
    exact: bool,
    /// Products of convolutions and dense layers: highest; high or medium, less exact and on processors with AMX faster
    #[arg(long, value_name = "NAME", default_value_t = Precision::Highest)]
    precision: Precision,
}

impl MachineArguments {
    /// With the environment's number of threads, unless one was given.
    pub(crate) fn machine(&self, environment: &Environment) -> Machine {
        environment.mind_threads(self.threads);
        let threads = Some(environment.threads(self.threads));
        Machine { threads, isa: self.isa.0, exact: self.exact, precision: self.precision }
    }

    /// The same for a network that only infers, for this program alone.
    pub(crate) fn prepared(&self, environment: &Environment) -> PreparedOptions {
        environment.mind_threads(self.threads);
        let (threads, level) = (environment.threads(self.threads), self.isa.level());
        PreparedOptions { threads, at_once: 1, level, exact: self.exact, precision: self.precision }
    }
}

/// Reads a count of at least 1.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(count) => Ok(count),
        Err(_) => Err("not a whole number".into()),
    }
}
