//! JSON whose bytes depend on nothing but its contents: keys sorted, numbers in their shortest form.

use plusx_weights::JsonValue;
use serde_json::{Map, Number, Value};

/// `value` as text with the keys of every object sorted, whatever map type serde_json was built with.
pub(crate) fn sorted(value: &Value) -> String {
    sort(value).to_string()
}

fn sort(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            Value::Object(
                entries.into_iter().map(|(key, value)| (key.clone(), sort(value))).collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(sort).collect()),
        other => other.clone(),
    }
}

/// What a weight file's own reader found, as serde_json has it: with the same numbers.
pub(crate) fn value(found: JsonValue) -> Value {
    match found {
        JsonValue::Null => Value::Null,
        JsonValue::Bool(value) => Value::Bool(value),
        JsonValue::Number { nearest, whole } => match whole {
            Some(whole) => Number::from_i128(whole).map_or(Value::Null, Value::Number),
            None => Value::from(nearest),
        },
        JsonValue::Text(text) => Value::String(text),
        JsonValue::List(items) => items.into_iter().map(value).collect(),
        JsonValue::Object(fields) => fields.into_iter().map(|(name, field)| (name, value(field))).collect(),
    }
}

/// A number that prints as the shortest decimal of the `f32` (0.3, not 0.30000001192092896) where that decimal
/// reads back as the same `f32`.
pub(crate) fn short(value: f32) -> Value {
    match value.to_string().parse::<f64>() {
        Ok(decimal) if decimal as f32 == value => Value::from(decimal),
        _ => Value::from(f64::from(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({"b": [{"z": 1, "a": 2}], "a": {"d": null, "c": 0.5}});
        assert_eq!(sorted(&value), r#"{"a":{"c":0.5,"d":null},"b":[{"a":2,"z":1}]}"#);
    }

    #[test]
    fn short_numbers_keep_their_bits() {
        for value in [0.3_f32, 1.0 / 255.0, 1e-5, f32::MAX, f32::MIN_POSITIVE, -0.1] {
            assert_eq!(short(value).as_f64().unwrap() as f32, value);
        }
        assert_eq!(short(0.3).to_string(), "0.3");
    }
}
