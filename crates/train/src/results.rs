//! `results.csv`: one row per epoch, in columns a spreadsheet understands.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use plusx_formats::atomic;

use crate::error::TrainError;
use crate::event::EpochReport;

/// The columns. Accuracies are 0 to 1, times are seconds; train_* are running values measured during training.
const HEADER: &str =
    "epoch,step,data,time,train_loss,train_top1,val_loss,val_top1,val_top5,lr,img_per_s,data_wait";

/// One row.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct EpochRow {
    pub(crate) epoch: u32,
    pub(crate) time: f64,
    pub(crate) train_loss: f64,
    pub(crate) train_top1: f64,
    pub(crate) val_loss: f64,
    pub(crate) val_top1: f64,
    text: String,
}

impl EpochRow {
    /// The row of an epoch.
    pub(crate) fn new(data: &str, lr: f32, report: &EpochReport) -> Self {
        let r = report;
        let text = format!(
            "{},{},{},{:.1},{:.6},{:.6},{:.6},{:.6},{:.6},{lr},{:.1},{:.2}",
            r.epoch,
            r.step,
            field(data),
            r.seconds,
            r.loss,
            r.train_acc,
            r.test_loss,
            r.test_acc,
            r.test_top5,
            r.img_per_s,
            r.data_wait
        );
        Self {
            epoch: r.epoch,
            time: r.seconds,
            train_loss: r.loss,
            train_top1: r.train_acc,
            val_loss: r.test_loss,
            val_top1: r.test_acc,
            text,
        }
    }

    /// A row that is only good for drawing: train loss, train accuracy, test loss, test accuracy.
    #[cfg(test)]
    pub(crate) fn of_curves(epoch: u32, [train_loss, train_top1, val_loss, val_top1]: [f64; 4]) -> Self {
        Self { epoch, time: 0.0, train_loss, train_top1, val_loss, val_top1, text: String::new() }
    }

    /// Reads a row; the name of the data set may be quoted.
    fn parse(text: &str) -> Option<Self> {
        let columns = split(text)?;
        let [epoch, step, _data, numbers @ ..] = &columns[..] else { return None };
        step.parse::<u64>().ok()?;
        let numbers: Vec<f64> = numbers.iter().map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let [time, train_loss, train_top1, val_loss, val_top1, _, _, _, _] = numbers[..] else { return None };
        let epoch = epoch.parse().ok()?;
        Some(Self { epoch, time, train_loss, train_top1, val_loss, val_top1, text: text.into() })
    }
}

/// A name as a CSV field, quoted where it must be.
fn field(name: &str) -> String {
    match name.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", name.replace('"', "\"\"").replace(['\n', '\r'], " ")),
        false => name.into(),
    }
}

/// The fields of one line.
fn split(line: &str) -> Option<Vec<String>> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        let last = fields.last_mut()?;
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => last.push(c),
        }
    }
    (!quoted).then_some(fields)
}

/// The file and its rows.
#[derive(Debug)]
pub(crate) struct Results {
    path: PathBuf,
    rows: Vec<EpochRow>,
}

impl Results {
    /// No row yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, rows: Vec::new() }
    }

    /// Reads the rows; `None` if there is no file.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, TrainError> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| TrainError::io("cannot read", path, error))?,
        };
        let mut rows = Vec::new();
        for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
            let row = EpochRow::parse(line)
                .ok_or_else(|| TrainError::bad_run(path, format!("cannot understand the row `{line}`")))?;
            rows.push(row);
        }
        Ok(Some(Self { path: path.into(), rows }))
    }

    /// Drops the rows after the first `epochs` epochs.
    pub(crate) fn keep(&mut self, epochs: u32) {
        self.rows.retain(|row| row.epoch <= epochs);
    }

    /// Adds a row, in place of one of the same epoch.
    pub(crate) fn push(&mut self, row: EpochRow) {
        self.rows.retain(|old| old.epoch < row.epoch);
        self.rows.push(row);
    }

    /// The rows, first epoch first.
    pub(crate) fn rows(&self) -> &[EpochRow] {
        &self.rows
    }

    /// Writes the file anew.
    pub(crate) fn write(&self) -> Result<(), TrainError> {
        let mut text = String::from(HEADER);
        text.push('\n');
        for row in &self.rows {
            text.push_str(&row.text);
            text.push('\n');
        }
        Ok(atomic::write(&self.path, text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(epoch: u32) -> EpochReport {
        EpochReport {
            held_out: "test",
            epoch,
            step: u64::from(epoch) * 3,
            loss: 0.5,
            train_acc: 0.75,
            test_acc: 0.7,
            test_loss: 0.6,
            test_top5: 0.99,
            seconds: 12.34,
            img_per_s: 100.0,
            data_wait: 0.1,
            best: true,
        }
    }

    #[test]
    fn rows_come_back_and_unconfirmed_ones_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        let mut results = Results::new(path.clone());
        for epoch in 1..=3 {
            results.push(EpochRow::new("odd, \"name\"", 0.05, &report(epoch)));
        }
        results.write().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(
            "\n1,3,\"odd, \"\"name\"\"\",12.3,0.500000,0.750000,0.600000,0.700000,0.990000,0.05,100.0,0.10\n"
        ));
        let mut back = Results::open(&path).unwrap().unwrap();
        back.keep(2);
        assert_eq!(back.rows().len(), 2);
        assert_eq!(back.rows()[1].text, results.rows()[1].text);
        assert!(Results::open(&folder.path().join("none.csv")).unwrap().is_none());
    }

    #[test]
    fn a_foreign_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        fs::write(&path, "a,b\n1,2\n").unwrap();
        assert!(Results::open(&path).unwrap_err().to_string().contains("results.csv"));
    }
}
