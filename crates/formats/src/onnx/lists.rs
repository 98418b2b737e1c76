//! Lists of whole numbers that a file computes from constants: PyTorch's older exporter turns the order of a padding around
//! with a dozen nodes (its list of pairs, from the last axis to the first, becomes one of beginnings and one of ends).

use crate::onnx::attributes::Attributes;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::constants::{LONGEST_LIST, int_list};
use crate::onnx::proto;

/// A short list, or a table of that many numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    numbers: [i64; LONGEST_LIST],
    count: usize,
    /// Columns of a table; none if it is a list.
    columns: Option<usize>,
}

impl List {
    fn new(numbers: &[i64]) -> Result<Self, String> {
        let mut list = Self { numbers: [0; LONGEST_LIST], count: numbers.len(), columns: None };
        let places = list.numbers.get_mut(..numbers.len());
        places.ok_or("it makes a longer list than any sizes or axes could be")?.copy_from_slice(numbers);
        Ok(list)
    }

    /// The numbers, row by row.
    pub(super) fn numbers(&self) -> &[i64] {
        &self.numbers[..self.count]
    }

    /// The numbers of a list that is no table.
    pub(super) fn plain(&self) -> Option<&[i64]> {
        self.columns.is_none().then(|| self.numbers())
    }

    fn table(&self) -> Result<(Vec<&[i64]>, usize), String> {
        let columns = self.columns.ok_or("it takes a list where a table was expected")?;
        Ok((self.numbers().chunks_exact(columns).collect(), columns))
    }
}

impl<'a> Builder<'a> {
    /// The value of a node that computes a list; `None` for one that does not.
    pub(super) fn list(
        &mut self,
        node: &'a proto::Node,
        a: &mut Attributes<'a>,
    ) -> Result<Option<Value<'a>>, String> {
        let op = node.op_type.as_deref().unwrap_or_default();
        if !["ConstantOfShape", "Concat", "Cast", "Reshape", "Slice", "Transpose"].contains(&op) {
            return Ok(None);
        }
        let Some(list) = self.given(node, 0)? else { return Ok(None) };
        let made = match op {
            "ConstantOfShape" => {
                let value = a.tensor("value").map(int_list).transpose()?.unwrap_or_default();
                match (list.plain(), &value[..]) {
                    (Some([count]), [value]) if (0..=LONGEST_LIST as i64).contains(count) => {
                        List::new(&vec![*value; *count as usize])?
                    }
                    _ => return Err("it makes no short list of whole numbers".to_owned()),
                }
            }
            "Concat" => {
                a.expect("axis", 0)?;
                let mut all = Vec::new();
                for position in 0..node.input.len().min(LONGEST_LIST) {
                    let part = self.given(node, position)?.ok_or("it joins constants and other values")?;
                    all.extend_from_slice(part.plain().ok_or("it joins tables")?);
                }
                List::new(&all)?
            }
            "Cast" => {
                a.expect("to", i64::from(proto::INT64))?;
                list
            }
            "Reshape" => {
                a.ignore(&["allowzero"]);
                let columns = match self.int_list(node, 1)?[..] {
                    [-1] => None,
                    [-1, columns] if columns > 0 && list.count.is_multiple_of(columns as usize) => {
                        Some(columns as usize)
                    }
                    ref other => return Err(format!("it makes a list of sizes {other:?}")),
                };
                List { columns, ..list }
            }
            "Slice" => {
                let lists = [1, 2, 3, 4].map(|position| self.int_list(node, position));
                let [starts, ends, axes, steps] = lists;
                let (rows, _) = list.table()?;
                let backwards = starts? == [-1] && ends?.iter().all(|end| *end < -(rows.len() as i64));
                if !backwards || axes? != [0] || steps? != [-1] {
                    return Err("of a table, only all of its rows in reverse are understood".to_owned());
                }
                let turned: Vec<i64> = rows.into_iter().rev().flatten().copied().collect();
                List { columns: list.columns, ..List::new(&turned)? }
            }
            _ => {
                if a.ints("perm")?.is_some_and(|perm| *perm != [1, 0]) {
                    return Err("of a table, only rows and columns can change places".to_owned());
                }
                let (rows, columns) = list.table()?;
                let turned: Vec<i64> =
                    (0..columns).flat_map(|column| rows.iter().map(move |row| row[column])).collect();
                List { columns: Some(rows.len().max(1)), ..List::new(&turned)? }
            }
        };
        Ok(Some(Value::List(made)))
    }

    /// An input as a list, if it is constant and one of whole numbers.
    fn given(&self, node: &'a proto::Node, position: usize) -> Result<Option<List>, String> {
        Ok(match self.input(node, position)? {
            Value::List(list) => Some(list),
            Value::Ints(numbers) => Some(List::new(numbers)?),
            Value::Tensor(tensor) if tensor.data_type == Some(proto::INT64) => {
                Some(List::new(&int_list(tensor)?)?)
            }
            _ => None,
        })
    }
}
