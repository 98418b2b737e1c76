//! `cargo xtask bench decode`: pictures from files to pixels, beside Pillow and torchvision, on one thread, in turns.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Bench, by_name, ratios, spread};
use crate::command::{built, capture, cargo, run as run_command, target_folder};
use crate::machine::{MeasuringMachine, load};

/// Folders of pictures, as tools/bench_decode.py makes them, and what they are.
const SETS: [(&str, &str); 2] = [
    ("photos", "64 JPEG files of 500x375, 4:2:0, quality 75 to 90"),
    ("small", "1000 JPEG files of 32x32, 4:2:0, quality 75 to 90"),
];

/// One turn.
struct Turn {
    set: &'static str,
    decoder: String,
    round: usize,
    load: f64,
    /// Microseconds for a file.
    us: f64,
}

/// Measures and writes decode.csv and decode.md.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let known = [("rounds", "7"), ("seconds", "2"), ("python", "")];
    let bench = Bench::start(root, arguments, &known, &["rounds", "seconds"])?;
    let rounds = bench.options.count("rounds")?;
    let seconds = bench.options.value::<f64>("seconds")?.to_string();
    let example = ["build", "--release", "--package", "plusx-data", "--example", "decode_speed"];
    run_command(cargo(root).args(example))?;
    let plusx = built(root, "examples/decode_speed")?;
    let target = target_folder(root)?;
    // where `cargo xtask test` put Pillow, beside Debian's torchvision
    let python = bench.options.text("python").map_or(target.join("test-python/bin/python"), PathBuf::from);
    let script = root.join("tools/bench_decode.py");
    let mut turns = Vec::new();
    for (set, _) in SETS {
        let pictures = target.join("bench-decode").join(set);
        run_command(Command::new(&python).arg(&script).args(["make", set]).arg(&pictures))?;
        for round in 1..=rounds {
            let mut turn = |name: &str, command: &mut Command| -> Result<()> {
                let load = load();
                let said: Value = serde_json::from_str(&capture(command.arg(&pictures).arg(&seconds))?)?;
                let us = said["us"].as_f64().with_context(|| format!("{name} said {said}"))?;
                let decoder = said["version"].as_str().unwrap_or(name).to_owned();
                eprintln!("{set}, round {round}: {decoder} {us:.1} us a file");
                turns.push(Turn { set, decoder, round, load, us });
                Ok(())
            };
            turn("plusx", &mut Command::new(&plusx))?;
            for peer in ["torchvision", "pillow"] {
                turn(peer, Command::new(&python).arg(&script).arg(peer))?;
            }
        }
    }
    bench.finish("decode", &csv(&turns), &summary(&bench.machine, &turns))
}

fn csv(turns: &[Turn]) -> String {
    let mut text = String::from("set,decoder,round,us_per_file,load\n");
    for Turn { set, decoder, round, load, us } in turns {
        // writing to a string cannot fail
        let _ = writeln!(text, "{set},{decoder},{round},{us:.2},{load:.2}");
    }
    text
}

fn summary(machine: &MeasuringMachine, turns: &[Turn]) -> String {
    let [_, _, load] = spread(turns.iter().map(|turn| turn.load));
    let mut text = format!(
        "# Decoding pictures beside other programs\n\n{}- load before: at most {load:.1}\n\nFrom the name of a file to its \
         pixels as RGB in memory, one thread, each program in turn round after round. Microseconds for a file are the \
         median of the turns; speed is the peer's time divided by that of plusx in the same round, median (least to most): \
         over 1 plusx is faster. The pictures are made up (`tools/bench_decode.py`).\n",
        machine.describe()
    );
    for (set, what) in SETS {
        let _ = write!(
            text,
            "\n## {what}\n\n| decoder | us a file | speed of plusx beside it |\n|---|---|---|\n"
        );
        let of_set = turns.iter().filter(|turn| turn.set == set);
        let times = by_name(of_set.map(|turn| (turn.decoder.as_str(), turn.us)));
        for (decoder, theirs) in &times {
            let [_, us, _] = spread(theirs.iter().copied());
            // plusx is the first
            let [least, median, most] = ratios(theirs, &times[0].1);
            let _ = writeln!(text, "| {decoder} | {us:.1} | {median:.2} ({least:.2} to {most:.2}) |");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_taken_within_a_round() {
        let turn = |decoder: &str, round, us| Turn {
            set: "photos",
            decoder: decoder.to_owned(),
            round,
            load: 0.0,
            us,
        };
        let turns = [
            turn("plusx", 1, 1000.0),
            turn("other", 1, 1200.0),
            turn("plusx", 2, 2000.0),
            turn("other", 2, 2000.0),
            turn("plusx", 3, 1000.0),
            turn("other", 3, 900.0),
        ];
        let text = summary(&MeasuringMachine::made_up(), &turns);
        assert!(text.contains("| plusx | 1000.0 | 1.00 (1.00 to 1.00) |"), "{text}");
        assert!(text.contains("| other | 1200.0 | 1.00 (0.90 to 1.20) |"), "{text}");
        assert_eq!(csv(&turns).lines().nth(2), Some("photos,other,1,1200.00,0.00"));
    }
}
