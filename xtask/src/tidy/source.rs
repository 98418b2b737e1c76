//! A Rust file as rules about code see it: without comments and texts, and without its tests.

/// A Rust file.
pub(super) struct RustFile<'a> {
    /// From the root, with `/`.
    pub(super) path: &'a str,
    /// Comments and contents of strings and characters are blanks; lines are where they were.
    pub(super) code: String,
    /// Lines before the test module; all of them if there is none.
    pub(super) lines_before_tests: usize,
}

impl<'a> RustFile<'a> {
    /// Reads one file.
    pub(super) fn new(path: &'a str, text: &'a str) -> Self {
        Self { path, code: blank(text), lines_before_tests: before_tests(text) }
    }

    /// The crate it belongs to ("model" for `crates/model/...`, "xtask"); nothing outside of crates.
    pub(super) fn room(&self) -> Option<&'a str> {
        match self.path.strip_prefix("crates/") {
            Some(rest) => rest.split('/').next(),
            None => self.path.starts_with("xtask/").then_some("xtask"),
        }
    }

    /// Whether it is part of a library or binary: neither a test, a bench nor an example.
    pub(super) fn is_product(&self) -> bool {
        let test_module = self.path.ends_with("/tests.rs") || self.path.contains("/src/tests/");
        self.room().is_some()
            && self.path.contains("/src/")
            && !self.path.contains("/examples/")
            && !test_module
    }

    /// Lines of code, counted from 1, without tests and without items for them.
    pub(super) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        // the indentation of the item that is left out
        let mut out = None;
        let mut product = move |line: &str| {
            let text = line.trim_start();
            let indentation = line.len() - text.len();
            if out.is_none() && text == "#[cfg(test)]" {
                out = Some(indentation);
                return false;
            }
            let left_out = out.is_some();
            if out == Some(indentation) && !text.starts_with('#') && text.ends_with([';', '}', ',']) {
                out = None;
            }
            !left_out
        };
        let lines = self.code.lines().enumerate().take(self.lines_before_tests);
        lines.filter(move |(_, line)| product(line)).map(|(index, line)| (index + 1, line))
    }
}

/// Lines before `#[cfg(test)] mod name {` at the left margin.
pub(super) fn before_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let starts =
        |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{');
    lines.windows(2).position(starts).unwrap_or(lines.len())
}

/// Whether `line` has `word` with no letter, digit or underscore on either side.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// `text` with blanks for comments and for what stands in quotes.
pub(super) fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_blank(&chars, at);
        if end > at {
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { c } else { ' ' }));
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment or literal that starts at `at` ends; `at` itself if none starts there.
fn end_of_blank(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if next == Some('/') => find(chars, at, |c| c == '\n'),
        '/' if next == Some('*') => end_of_block_comment(chars, at),
        '"' => end_of_quote(chars, at + 1, '"'),
        'r' if !in_word || chars[at - 1] == 'b' => end_of_raw(chars, at).unwrap_or(at),
        // a lifetime has no closing quote after one (escaped) character
        '\'' if next == Some('\\') || chars.get(at + 2) == Some(&'\'') => end_of_quote(chars, at + 1, '\''),
        _ => at,
    }
}

fn find(chars: &[char], from: usize, stop: impl Fn(char) -> bool) -> usize {
    chars[from..].iter().position(|&c| stop(c)).map_or(chars.len(), |offset| from + offset)
}

fn end_of_quote(chars: &[char], mut at: usize, quote: char) -> usize {
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (1, start + 2);
    while at < chars.len() && depth > 0 {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at.min(chars.len())
}

/// Of `r"..."` and `r#"..."#` with any number of `#`.
fn end_of_raw(chars: &[char], start: usize) -> Option<usize> {
    let open = find(chars, start + 1, |c| c != '#');
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let hashes = open - start - 1;
    let closes =
        |at: usize| chars[at] == '"' && chars[at + 1..].iter().take_while(|&&c| c == '#').count() >= hashes;
    (open + 1..chars.len()).find(|&at| closes(at)).map(|at| at + 1 + hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_blank() {
        assert_eq!(blank("a // b\nc"), "a     \nc");
        assert_eq!(blank("a /* b /* c */ d */ e"), "a                   e");
        assert_eq!(blank(r#"f("x\"y") g"#), "f(      ) g");
        assert_eq!(blank("f(r#\"x\"y\"#) g"), "f(        ) g");
        assert_eq!(blank("br\"x\" g"), "b     g");
        assert_eq!(blank("'\"' + '\\'' x"), "    +      x");
    }

    #[test]
    fn lifetimes_and_identifiers_stay() {
        let code = "fn f<'a, 'b>(x: &'a str) -> for<'c> r#type { bar }";
        assert_eq!(blank(code), code);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("unsafe { }", "unsafe") && has_word("(unsafe)", "unsafe"));
        assert!(!has_word("forbid(unsafe_code)", "unsafe") && !has_word("is_unsafe", "unsafe"));
    }

    #[test]
    fn tests_are_not_counted() {
        let file =
            RustFile::new("crates/model/src/a.rs", "//! A.\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n}\n");
        assert_eq!(file.lines_before_tests, 3);
        assert_eq!(RustFile::new("a.rs", "//! A.\n#[cfg(test)]\nmod tests;\nmod b;\n").lines_before_tests, 4);
        let some = "#[cfg(test)]\nmod tests;\nmod b;\n#[cfg(test)]\n#[inline]\nfn c(\n) {\n}\nfn d() {}\n";
        let lines: Vec<usize> = RustFile::new("a.rs", some).product_lines().map(|(line, _)| line).collect();
        assert_eq!(lines, [3, 9]);
    }
}
