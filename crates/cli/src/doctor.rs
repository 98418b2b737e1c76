//! `plusx doctor`: what plusx finds on this machine.

use crate::environment::Environment;
use crate::machine::MachineMemory;
use crate::names::FASHION_MNIST;
use crate::screen::{bytes, result};
use crate::{cgroup, exit, machine};
use anyhow::Result;
use clap::Args;
use plusx_engine::Level;
use serde_json::json;

/// Options of `plusx doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &DoctorArguments, environment: &Environment) -> Result<u8> {
    let findings = Findings::look(environment);
    result(&if arguments.json { findings.json() } else { findings.text() })?;
    Ok(exit::DONE)
}

/// What was found.
struct Findings {
    levels: Vec<Level>,
    granted: usize,
    threads: usize,
    threads_from: Option<&'static str>,
    data: Option<String>,
    /// Where it was looked for, or what is wrong with what was found.
    wrong: String,
}

impl Findings {
    fn look(environment: &Environment) -> Self {
        let find = environment.find(None);
        let (data, wrong) = match crate::data::folder(FASHION_MNIST, &find) {
            Ok(folder) => {
                let wrong = plusx_data::fashion::verify(&folder).err().map(|error| error.to_string());
                (Some(folder.display().to_string()), wrong.unwrap_or_default())
            }
            Err(error) => (None, error.to_string()),
        };
        Self {
            levels: Level::ALL.into_iter().filter(|level| level.supported()).collect(),
            granted: plusx_engine::settle_threads(None),
            threads: environment.threads(None),
            threads_from: environment.threads.map(|(name, _)| name),
            data,
            wrong,
        }
    }

    fn json(&self) -> String {
        let (total, available) = machine::memory().map(|memory| (memory.total, memory.available)).unzip();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "platform": format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            "processor": plusx_train::processor(),
            "isa": Level::detect().name(),
            "isa_levels": self.levels.iter().map(|level| level.name()).collect::<Vec<_>>(),
            "physical_cores": machine::physical_cores(),
            "available_parallelism": self.granted,
            "cgroup_cores": cgroup::cores(),
            "threads": self.threads,
            "memory_bytes": total,
            "memory_available_bytes": available,
            "cgroup_memory_bytes": cgroup::memory(),
            "huge_pages": machine::huge_pages(),
            "fashion_mnist": self.data,
        })
        .to_string()
    }

    fn text(&self) -> String {
        let unknown = || "unknown".to_string();
        let names: Vec<_> = self.levels.iter().rev().map(|level| level.name()).collect();
        let cores = machine::physical_cores().map_or_else(unknown, |count| count.to_string());
        let quota =
            cgroup::cores().map_or("no limit".to_string(), |cores| format!("limited to {cores:.2} cores"));
        let memory = machine::memory().map_or_else(unknown, |MachineMemory { total, available }| {
            format!("{}, {} available", bytes(total), bytes(available))
        });
        let group_memory =
            cgroup::memory().map_or("no limit".to_string(), |limit| format!("limited to {}", bytes(limit)));
        let threads = match self.threads_from {
            Some(name) => format!("{} (from {name})", self.threads),
            None => self.threads.to_string(),
        };
        let fashion_mnist = match &self.data {
            Some(folder) if self.wrong.is_empty() => folder.clone(),
            Some(folder) => format!("{folder}, damaged or another set: {}", self.wrong),
            None => self.wrong.clone(),
        };
        let rows = [
            ("plusx", env!("CARGO_PKG_VERSION").to_string()),
            ("platform", format!("{} {}", std::env::consts::ARCH, std::env::consts::OS)),
            ("processor", plusx_train::processor().unwrap_or_else(unknown)),
            ("instruction sets", format!("{} (used: {})", names.join(", "), Level::detect())),
            ("cores", format!("{cores} physical, {} granted by the system", self.granted)),
            ("control group", format!("processor {quota}, memory {group_memory}")),
            ("threads", threads),
            ("memory", memory),
            ("huge pages", machine::huge_pages().unwrap_or_else(unknown)),
            ("fashion-mnist", fashion_mnist),
            ("fashion-mnist-mini", "inside this program".to_string()),
        ];
        rows.map(|(name, value)| format!("{name:<20}{value}")).join("\n")
    }
}
