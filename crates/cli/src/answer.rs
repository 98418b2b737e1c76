//! What `plusx predict` prints about a picture: text for people, CSV and JSON for programs, CSV for spreadsheets.
//!
//! Probabilities are numbers of 32 bits, as the network's own are. They have as few digits as tell them from their neighbours.
//! CSV is what RFC 4180 describes, except for the ends of lines. It gives every name and label as it is.
//!
//! Spreadsheets make numbers, dates and formulas of what looks like them, in quotation marks or not. For them each text is the
//! formula `="text"`, which gives the text back. Such a formula cannot hold control characters; they are written as `\n`. A
//! byte-order mark says that the file is UTF-8. Without it Excel takes the system's old encoding.
//!
//! This was tried with LibreOffice 7.4 (`soffice --infilter=CSV:44,34,76,1`, and in its window: Unicode, comma, "evaluate
//! formulas"). Without "evaluate formulas" the cells are text too, with `="` and `"` around it.

use crate::spelled::{self, SpelledName};
use anyhow::Result;
use clap::ValueEnum;
use plusx_infer::Prediction;
use serde::Serialize;
use std::path::Path;

/// How answers are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Text,
    Csv,
    Json,
    Excel(Separator),
}

/// What stands between columns for a spreadsheet: which one it expects depends on the country.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Separator {
    /// And numbers with a point
    Comma,
    /// And numbers with a comma
    Semicolon,
}

/// What is on one picture.
#[derive(Serialize)]
pub(crate) struct Answer {
    filename: String,
    /// Whether `filename` is written as [`spelled::name`] does where a name is not Unicode.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    filename_escaped: bool,
    predictions: Vec<Class>,
}

/// A class and how sure the network is of it.
#[derive(Serialize)]
struct Class {
    index: usize,
    label: String,
    prob: f32,
}

impl From<Prediction> for Class {
    fn from(Prediction { index, label, prob }: Prediction) -> Self {
        Self { index, label, prob: prob as f32 }
    }
}

impl Answer {
    pub(crate) fn new(path: &Path, predictions: Vec<Prediction>) -> Self {
        let SpelledName { text: filename, is_escaped: filename_escaped } = spelled::name(path);
        Self { filename, filename_escaped, predictions: predictions.into_iter().map(Class::from).collect() }
    }

    /// Without the last line's end.
    pub(crate) fn lines(&self, format: Format) -> Result<String> {
        match format {
            Format::Json => Ok(serde_json::to_string(self)?),
            Format::Text => {
                let classes = self.predictions.iter();
                let classes: Vec<_> = classes
                    .map(|one| format!("{} {}", spelled::one_line(&one.label), percent(one.prob)))
                    .collect();
                Ok(format!("{}: {}", spelled::one_line(&self.filename), classes.join(", ")))
            }
            Format::Csv => {
                let rows = self.predictions.iter();
                table(format, rows.map(|one| (&self.filename, one.index, &one.label, one.prob)))
            }
            Format::Excel(separator) => {
                let (rows, name) = (self.predictions.iter(), as_formula(&self.filename));
                let number = |prob: f32| match separator {
                    Separator::Comma => prob.to_string(),
                    Separator::Semicolon => prob.to_string().replace('.', ","),
                };
                table(format, rows.map(|one| (&name, one.index, as_formula(&one.label), number(one.prob))))
            }
        }
    }

    /// The name or the first label that a spreadsheet would take for a formula.
    pub(crate) fn like_a_formula(&self) -> Option<&str> {
        let begins = |text: &&str| text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let labels = self.predictions.iter().map(|one| one.label.as_str());
        std::iter::once(self.filename.as_str()).chain(labels).find(begins)
    }
}

/// What stands before the answers.
pub(crate) fn head(format: Format) -> Option<&'static str> {
    match format {
        Format::Text | Format::Json => None,
        Format::Csv => Some("filename,index,label,prob"),
        Format::Excel(Separator::Comma) => Some("\u{feff}filename,index,label,prob\r"),
        Format::Excel(Separator::Semicolon) => Some("\u{feff}filename;index;label;prob\r"),
    }
}

/// Rows of a table, without the last line feed.
fn table<R: Serialize>(format: Format, rows: impl Iterator<Item = R>) -> Result<String> {
    let mut builder = csv::WriterBuilder::new();
    builder.has_headers(false);
    if let Format::Excel(separator) = format {
        builder.terminator(csv::Terminator::CRLF);
        builder.delimiter(if separator == Separator::Semicolon { b';' } else { b',' });
    }
    let mut writer = builder.from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    let mut text = String::from_utf8(writer.into_inner()?)?;
    let whole = text.strip_suffix('\n').map_or(0, str::len);
    text.truncate(whole);
    Ok(text)
}

/// A formula that gives `text`. In Excel a text within a formula has at most 255 characters; longer ones are put together.
fn as_formula(text: &str) -> String {
    // characters beyond the basic plane count twice
    const LONGEST: usize = 127;
    let characters: Vec<char> = spelled::one_line(text).chars().collect();
    let quoted = |part: &[char]| format!("\"{}\"", part.iter().collect::<String>().replace('"', "\"\""));
    let parts: Vec<_> = characters.chunks(LONGEST).map(quoted).collect();
    if parts.is_empty() { "=\"\"".to_owned() } else { format!("={}", parts.join("&")) }
}

/// A probability in per cent, with a decimal place or, near 100, as many as 32 bits have; never 0 or 100, which no network
/// says.
fn percent(prob: f32) -> String {
    const MOST_PLACES: usize = 4;
    let percent = 100.0 * f64::from(prob);
    if percent < 0.1 {
        return "<0.1 %".to_owned();
    }
    let mut texts = (1..=MOST_PLACES).map(|places| format!("{percent:.places$} %"));
    texts.find(|text| !text.starts_with("100")).unwrap_or_else(|| ">99.9999 %".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(filename: &str, classes: &[(&str, f64)]) -> Answer {
        let one = |(index, (label, prob)): (usize, &(&str, f64))| Prediction {
            index,
            label: (*label).to_owned(),
            prob: *prob,
        };
        Answer::new(Path::new(filename), classes.iter().enumerate().map(one).collect())
    }

    #[test]
    fn names_with_commas_and_quotes_stay_one_column() -> Result<()> {
        let answer = answer("a,b.png", &[("dress, \"long\"", 0.75), ("coat", 0.25)]);
        assert_eq!(
            answer.lines(Format::Csv)?,
            "\"a,b.png\",0,\"dress, \"\"long\"\"\",0.75\n\"a,b.png\",1,coat,0.25"
        );
        assert_eq!(answer.lines(Format::Text)?, "a,b.png: dress, \"long\" 75.0 %, coat 25.0 %");
        Ok(())
    }

    #[test]
    fn a_table_gives_names_back_exactly() -> Result<()> {
        let names = ["=1+1", " a ", "007", "line\nbreak\r", "Grün \"ß\"", ""];
        for name in names {
            let text = answer(name, &[(name, 1e-12)]).lines(Format::Csv)?;
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let row: (String, usize, String, f64) = reader.deserialize().next().expect("a row")?;
            assert_eq!((row.0.as_str(), row.2.as_str()), (name, name));
            assert!((row.3 / 1e-12 - 1.0).abs() < 1e-7, "{text}");
        }
        Ok(())
    }

    #[test]
    fn spreadsheets_get_texts_that_stay_texts() -> Result<()> {
        let comma = Format::Excel(Separator::Comma);
        let lines = answer("=1+1", &[("007", 0.5), ("a \"b\"", 0.25)]).lines(comma)?;
        assert_eq!(
            lines,
            "\"=\"\"=1+1\"\"\",0,\"=\"\"007\"\"\",0.5\r\n\"=\"\"=1+1\"\"\",1,\"=\"\"a \"\"\"\"b\"\"\"\"\"\"\",0.25\r"
        );
        let semicolon = Format::Excel(Separator::Semicolon);
        let lines = answer("Grün;1.png", &[("1e3", 0.5)]).lines(semicolon)?;
        assert_eq!(lines, "\"=\"\"Grün;1.png\"\"\";0;\"=\"\"1e3\"\"\";0,5\r");
        assert_eq!(as_formula("a\r\nb"), r#"="a\r\nb""#);
        assert_eq!(as_formula(""), "=\"\"");
        let long = as_formula(&"\u{1f431}".repeat(300));
        let parts: Vec<_> =
            long.trim_start_matches('=').split('&').map(|part| part.trim_matches('"')).collect();
        assert!(parts.iter().all(|part| part.encode_utf16().count() <= 255));
        assert_eq!(parts.concat().chars().count(), 300);
        Ok(())
    }

    #[test]
    fn names_like_formulas_are_noticed() {
        for name in ["=1", "+x", "-x", "@x", "\tx", "\rx"] {
            assert_eq!(answer(name, &[("a", 1.0)]).like_a_formula(), Some(name));
            assert_eq!(answer("a", &[("b", 0.9), (name, 0.1)]).like_a_formula(), Some(name));
        }
        assert_eq!(answer("a=1", &[("007", 1.0)]).like_a_formula(), None);
    }

    #[test]
    fn percentages_have_as_many_digits_as_they_bear() {
        for (prob, text) in [
            (0.5, "50.0 %"),
            (0.9994, "99.9 %"),
            (0.9997, "99.97 %"),
            (0.99996, "99.996 %"),
            (0.999_999_3, "99.9999 %"),
            (0.999_999_9, ">99.9999 %"),
            (1.0, ">99.9999 %"),
            (0.001, "0.1 %"),
            (0.0009, "<0.1 %"),
            (1e-30, "<0.1 %"),
            (0.0, "<0.1 %"),
        ] {
            assert_eq!(percent(prob), text, "{prob}");
        }
    }

    #[test]
    fn probabilities_are_those_of_32_bits() -> Result<()> {
        let answer = answer("a.png", &[("x", 0.999_687_341_234_5), ("y", 3.1e-9)]);
        let json = r#"{"filename":"a.png","predictions":[{"index":0,"label":"x","prob":0.9996873},{"index":1,"label":"y","prob":3.1e-9}]}"#;
        assert_eq!(answer.lines(Format::Json)?, json);
        Ok(())
    }
}
