//! The attributes of one node: each is taken once, and one that nobody takes is an error, because it may change what
//! the node computes.

use crate::onnx::constants::LONGEST_LIST;
use crate::onnx::number::Number;
use crate::onnx::proto::{Attribute, NodeProto, TensorProto, kind};

/// What is left of a node's attributes.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    left: Vec<&'a Attribute>,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(node: &'a NodeProto) -> Self {
        Self { left: node.attribute.iter().collect() }
    }

    fn take(&mut self, name: &str) -> Option<&'a Attribute> {
        let position = self.left.iter().position(|attribute| attribute.name.as_deref() == Some(name))?;
        Some(self.left.swap_remove(position))
    }

    /// A whole number.
    pub(super) fn int(&mut self, name: &str, default: i64) -> Result<i64, String> {
        match self.take(name) {
            None => Ok(default),
            Some(Attribute { i: Some(value), .. }) => Ok(*value),
            Some(_) => Err(format!("attribute {name} is no whole number")),
        }
    }

    /// A number.
    pub(super) fn float(&mut self, name: &str, default: f32) -> Result<f32, String> {
        match self.take(name) {
            None => Ok(default),
            Some(Attribute { f: Some(value), .. }) => Ok(*value),
            Some(_) => Err(format!("attribute {name} is no number")),
        }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<&'a str>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(attribute) => {
                let text = attribute.s.as_deref().and_then(|text| std::str::from_utf8(text).ok());
                text.map(Some).ok_or_else(|| format!("attribute {name} is no text"))
            }
        }
    }

    /// A short list of whole numbers.
    pub(super) fn ints(&mut self, name: &str) -> Result<Option<&'a [i64]>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(attribute) if attribute.kind.is_some_and(|found| found != kind::INTS) => {
                Err(format!("attribute {name} is no list of whole numbers"))
            }
            Some(attribute) if attribute.ints.len() > LONGEST_LIST => {
                Err(format!("attribute {name} is a list of {} numbers", attribute.ints.len()))
            }
            Some(attribute) => Ok(Some(&attribute.ints)),
        }
    }

    /// A number of either kind, if it is there.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<Number>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute { i: Some(value), .. }) => Ok(Some(Number::of(*value as f64))),
            Some(Attribute { f: Some(value), .. }) => Ok(Some(Number::of(f64::from(*value)))),
            Some(_) => Err(format!("attribute {name} is no number")),
        }
    }

    /// A list of numbers of either kind, however long.
    pub(super) fn numbers(&mut self, name: &str) -> Result<Option<Vec<Number>>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(list) if list.kind == Some(kind::FLOATS) => {
                Ok(Some(list.floats.iter().map(|value| Number::of(f64::from(*value))).collect()))
            }
            Some(list) if list.kind.is_none_or(|found| found == kind::INTS) => {
                Ok(Some(list.ints.iter().map(|value| Number::of(*value as f64)).collect()))
            }
            Some(_) => Err(format!("attribute {name} is no list of numbers")),
        }
    }

    /// A list of so many sizes.
    pub(super) fn sizes<const N: usize>(&mut self, name: &str) -> Result<Option<[usize; N]>, String> {
        let Some(values) = self.ints(name)? else { return Ok(None) };
        let wrong = || format!("attribute {name} is {values:?}, expected {N} sizes");
        let values = <[i64; N]>::try_from(values).map_err(|_| wrong())?;
        // sizes of maps and windows: the model refuses far smaller ones, and no sum of these overflows
        match values.iter().all(|value| (0..=i64::from(i32::MAX)).contains(value)) {
            true => Ok(Some(values.map(|value| value as usize))),
            false => Err(wrong()),
        }
    }

    /// A tensor.
    pub(super) fn tensor(&mut self, name: &str) -> Option<&'a TensorProto> {
        self.take(name)?.t.as_deref()
    }

    /// Refuses any value of a whole number but one.
    pub(super) fn expect(&mut self, name: &str, only: i64) -> Result<(), String> {
        match self.int(name, only)? {
            value if value == only => Ok(()),
            value => Err(format!("attribute {name} is {value}, only {only} is understood")),
        }
    }

    /// Takes attributes that change nothing here.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        self.left.retain(|attribute| !names.iter().any(|name| attribute.name.as_deref() == Some(name)));
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.left.first() {
            None => Ok(()),
            Some(attribute) => {
                let name = attribute.name.as_deref().unwrap_or("without a name");
                Err(format!("its attribute {name} is not understood"))
            }
        }
    }
}
