//! JSON, read: what headers and entries of weight files are written in (RFC 8259).
//!
//! A text is one value with nothing behind it. No name stands twice in an object, and nesting has a limit. Everything else is
//! an error that says where. Numbers keep the bits of their nearest `f64`.

/// Deeper nesting is refused: reading is recursive, and the stack must not be a file's to fill.
const DEEPEST: usize = 64;

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub enum JsonValue {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number {
        /// The nearest `f64`.
        nearest: f64,
        /// The number itself, if it is written without point and exponent and an `u64` or an `i64` holds it. `-0` is none.
        whole: Option<i128>,
    },
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<JsonValue>),
    /// In the order of the text.
    Object(Vec<(String, JsonValue)>),
}

impl JsonValue {
    pub(crate) fn as_u64(&self) -> Option<u64> {
        if let Self::Number { whole, .. } = self { u64::try_from((*whole)?).ok() } else { None }
    }

    pub(crate) fn as_f64(&self) -> Option<f64> {
        if let Self::Number { nearest, .. } = self { Some(*nearest) } else { None }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn as_array(&self) -> Option<&[JsonValue]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    pub(crate) fn as_object(&self) -> Option<&[(String, JsonValue)]> {
        if let Self::Object(fields) = self { Some(fields) } else { None }
    }

    /// The field of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&JsonValue> {
        self.as_object()?.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// Reads `text`; an error says what is wrong at which byte.
pub(crate) fn parse(text: &str) -> Result<JsonValue, String> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = reader.value()?;
    reader.blanks();
    match reader.peek() {
        None => Ok(value),
        Some(_) => reader.bad("something follows the value"),
    }
}

/// Where reading is.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn bad<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("not JSON: {what} at byte {}", self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes `byte` if it is next, over blanks.
    fn takes(&mut self, byte: u8) -> bool {
        self.blanks();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn word(&mut self, word: &str, value: JsonValue) -> Result<JsonValue, String> {
        if !self.text[self.at..].starts_with(word) {
            return self.bad("an unknown word");
        }
        self.at += word.len();
        Ok(value)
    }

    fn value(&mut self) -> Result<JsonValue, String> {
        self.blanks();
        match self.peek() {
            None => self.bad("the end where a value should be"),
            Some(b'"') => Ok(JsonValue::Text(self.string()?)),
            Some(b'[') => self.nested(Self::list),
            Some(b'{') => self.nested(Self::object),
            Some(b't') => self.word("true", JsonValue::Bool(true)),
            Some(b'f') => self.word("false", JsonValue::Bool(false)),
            Some(b'n') => self.word("null", JsonValue::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.bad("no value"),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<JsonValue, String>) -> Result<JsonValue, String> {
        if self.depth == DEEPEST {
            return self.bad("nesting too deep");
        }
        self.at += 1;
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Behind the bracket.
    fn list(&mut self) -> Result<JsonValue, String> {
        let mut items = Vec::new();
        if self.takes(b']') {
            return Ok(JsonValue::List(items));
        }
        loop {
            items.push(self.value()?);
            if self.takes(b']') {
                return Ok(JsonValue::List(items));
            }
            if !self.takes(b',') {
                return self.bad("neither a comma nor the end of a list");
            }
        }
    }

    /// Behind the brace.
    fn object(&mut self) -> Result<JsonValue, String> {
        let mut fields: Vec<(String, JsonValue)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        if self.takes(b'}') {
            return Ok(JsonValue::Object(fields));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return self.bad("no name of a field");
            }
            let name = self.string()?;
            if !names.insert(name.clone()) {
                return self.bad("a name for the second time");
            }
            if !self.takes(b':') {
                return self.bad("no colon");
            }
            fields.push((name, self.value()?));
            if self.takes(b'}') {
                return Ok(JsonValue::Object(fields));
            }
            if !self.takes(b',') {
                return self.bad("neither a comma nor the end of an object");
            }
        }
    }

    fn number(&mut self) -> Result<JsonValue, String> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let first = self.at;
        let whole = self.digits()?;
        if whole > 1 && self.text.as_bytes()[first] == b'0' {
            return self.bad("a number that begins with 0");
        }
        let mut plain = true;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
            plain = false;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
            plain = false;
        }
        let text = &self.text[start..self.at];
        match text.parse::<f64>() {
            Ok(nearest) if nearest.is_finite() => {
                let fits = |whole: &i128| {
                    let zero = negative && *whole == 0;
                    !zero && (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(whole)
                };
                let whole = text.parse().ok().filter(|whole| plain && fits(whole));
                Ok(JsonValue::Number { nearest, whole })
            }
            _ => self.bad("a number beyond all bounds"),
        }
    }

    /// At least one digit; how many.
    fn digits(&mut self) -> Result<usize, String> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.bad("no digit") } else { Ok(self.at - start) }
    }

    /// From its quotation mark on.
    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| byte != b'"' && byte != b'\\' && byte >= b' ') {
                self.at += 1;
            }
            // both ends are next to ASCII, so characters stay whole
            out.push_str(&self.text[start..self.at]);
            match self.next() {
                Some(b'"') => return Ok(out),
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return self.bad("a control character in a text"),
                None => return self.bad("the end inside a text"),
            }
        }
    }

    /// Behind the backslash.
    fn escape(&mut self) -> Result<char, String> {
        Ok(match self.next() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return self.bad("an unknown escape"),
        })
    }

    /// Behind `\u`: four digits, or a pair of surrogates.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.hex()?;
        let mut code = first;
        if (0xd800..0xdc00).contains(&first) {
            if !self.text[self.at..].starts_with("\\u") {
                return self.bad("half a pair of surrogates");
            }
            self.at += 2;
            let second = self.hex()?;
            code = 0x1_0000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff);
            if !(0xdc00..0xe000).contains(&second) {
                return self.bad("half a pair of surrogates");
            }
        }
        match char::from_u32(code) {
            Some(character) => Ok(character),
            None => self.bad("half a pair of surrogates"),
        }
    }

    fn hex(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            match self.next().and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => code = code * 16 + digit,
                None => return self.bad("no hexadecimal digit"),
            }
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether serde_json has the same value.
    fn same(ours: &JsonValue, theirs: &serde_json::Value) -> bool {
        match ours {
            JsonValue::Null => theirs.is_null(),
            JsonValue::Bool(value) => theirs.as_bool() == Some(*value),
            JsonValue::Number { nearest, whole } => {
                let theirs_whole = theirs.as_u64().map(i128::from).or(theirs.as_i64().map(i128::from));
                theirs.as_f64().map(f64::to_bits) == Some(nearest.to_bits()) && theirs_whole == *whole
            }
            JsonValue::Text(text) => theirs.as_str() == Some(text),
            JsonValue::List(items) => theirs.as_array().is_some_and(|other| {
                other.len() == items.len() && items.iter().zip(other).all(|(ours, theirs)| same(ours, theirs))
            }),
            JsonValue::Object(fields) => theirs.as_object().is_some_and(|other| {
                let found = |(name, value): &(String, JsonValue)| {
                    other.get(name).is_some_and(|other| same(value, other))
                };
                other.len() == fields.len() && fields.iter().all(found)
            }),
        }
    }

    #[test]
    fn texts_are_read_as_serde_json_reads_them() {
        for text in [
            "null",
            " [ ] ",
            "{}",
            "[1,0,-1,-0,-9223372036854775808,-9223372036854775809,18446744073709551615,18446744073709551616,1.5e-3,-0.0,0.1,1E5,9007199254740993]",
            r#"{"a":[true,{"b":""}],"ab":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 上衣"}"#,
            "0.30000001192092896",
            "5e-324",
            "\"\u{7f}\"",
        ] {
            let value = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(same(&value, &serde_json::from_str(text).unwrap()), "{text}: {value:?}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            " ",
            "nul",
            "tru",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{1:1}",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "--1",
            "1e999",
            "NaN",
            "[1",
            "{\"a\":1",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\n\"",
            "1 2",
            "[]]",
            "\u{feff}1",
        ] {
            assert!(parse(text).is_err(), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text} is JSON");
        }
        // stricter than most: which of two fields is meant must not depend on the reader
        assert!(parse(r#"{"a":1,"a":2}"#).unwrap_err().contains("second time"));
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&deep(DEEPEST)).is_ok());
        assert!(parse(&deep(DEEPEST + 1)).unwrap_err().contains("too deep"));
        assert!(parse(&"[".repeat(1 << 20)).is_err());
    }

    proptest! {
        /// Whatever a text holds, both readers agree whether it is JSON, and nothing panics.
        #[test]
        fn any_text(text in r#"[ \[\]{}:,"\\u0-9a-f.eE+-]{0,24}"#) {
            let expected = serde_json::from_str::<serde_json::Value>(&text);
            match (parse(&text), expected) {
                (Ok(value), Ok(expected)) => prop_assert!(same(&value, &expected), "{:?}", value),
                (Err(error), Ok(_)) => prop_assert!(error.contains("second time"), "{}", error),
                (Ok(_), Err(error)) => prop_assert!(false, "{}", error),
                (Err(_), Err(_)) => {}
            }
        }

        #[test]
        fn any_float(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(parse(&text).unwrap().as_f64().unwrap().to_bits(), bits);
        }
    }
}
