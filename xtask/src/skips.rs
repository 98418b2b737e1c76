//! Tests that could not test: they print `SKIPPED: why` and pass. Runners keep what passing tests print to themselves, so
//! that nobody would know.

/// Every skip in the record of a run, with the test's name: cargo-nextest's (JUnit's XML), or what `cargo test --
/// --show-output` prints.
pub(crate) fn found(record: &str) -> Vec<String> {
    let mut test = "a test";
    let mut skips = Vec::new();
    for line in record.lines() {
        if let Some((_, rest)) = line.split_once("<testcase name=\"") {
            test = rest.split('"').next().unwrap_or(rest);
        } else if let Some(name) =
            line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            test = name;
        }
        if let Some((_, why)) = line.split_once("SKIPPED: ") {
            skips.push(format!("{test}: {}", unescape(why)));
        }
    }
    skips
}

/// Text as it was before it became XML.
fn unescape(text: &str) -> String {
    let entities = [("&quot;", "\""), ("&apos;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    // the ampersand last, or `&amp;lt;` would become `<`
    entities.into_iter().fold(text.to_owned(), |text, (entity, c)| text.replace(entity, c))
}

#[cfg(test)]
mod tests {
    use super::found;

    #[test]
    fn in_the_record_of_nextest() {
        let record = "<testsuites>\n  <testcase name=\"a::b\" classname=\"c\">\n    <system-out>\nrunning 1 test\n\
                      SKIPPED: only [&quot;avx2&quot;] &amp; nothing else\n</system-out>\n  </testcase>\n  \
                      <testcase name=\"d\">\n<system-err>SKIPPED: needs root</system-err>\n";
        let record = record.replace("root</system-err>", "root\n</system-err>");
        assert_eq!(found(&record), ["a::b: only [\"avx2\"] & nothing else", "d: needs root"]);
    }

    #[test]
    fn in_what_cargo_test_prints() {
        let output = "test a ... ok\n\nsuccesses:\n\n---- a::b stdout ----\nSKIPPED: needs root\n\n\nsuccesses:\n    a\n";
        assert_eq!(found(output), ["a::b: needs root"]);
        assert!(found("test a ... ok\n").is_empty());
    }
}
