//! The attributes of one node: each is taken once, and one that nobody takes is an error, because it may change what
//! the node computes.

use crate::onnx::constants::LONGEST_LIST;
use crate::onnx::proto::{Attribute, Node, Tensor, kind};

/// What is left of a node's attributes.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    left: Vec<&'a Attribute>,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
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
    pub(super) fn tensor(&mut self, name: &str) -> Option<&'a Tensor> {
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

    /// Padding that is the same on both sides, vertical and horizontal.
    pub(super) fn padding(&mut self) -> Result<[usize; 2], String> {
        match self.text("auto_pad")? {
            None | Some("NOTSET") => {}
            Some("VALID") => {
                self.ignore(&["pads"]);
                return Ok([0, 0]);
            }
            Some(other) => {
                return Err(format!("attribute auto_pad is {other:?}; only explicit padding is understood"));
            }
        }
        match self.sizes::<4>("pads")? {
            None => Ok([0, 0]),
            Some([top, left, bottom, right]) if top == bottom && left == right => Ok([top, left]),
            Some(pads) => Err(format!(
                "attribute pads is {pads:?}; only the same padding above and below, left and right is understood"
            )),
        }
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
