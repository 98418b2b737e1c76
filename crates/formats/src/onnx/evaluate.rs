//! What depends only on constants and shapes is computed once, while a file is read. The number of images stays a symbol.
//! Exporters write a dozen such nodes where a program says `x.view(x.size(0), -1)`.

use std::rc::Rc;

use crate::onnx::arithmetic::Cast;
use crate::onnx::array::{Array, Elements, strides};
use crate::onnx::attributes::Attributes;
use crate::onnx::builder::{Builder, Value};
use crate::onnx::layout::{MOST_AXES, place};
use crate::onnx::moves::{SliceRange, reshaped, squeezed, unsqueezed};
use crate::onnx::number::Number;
use crate::onnx::proto;

impl<'a> Builder<'a> {
    /// The values of a node that depends only on constants and shapes; `None` for another one.
    pub(super) fn computed(
        &mut self,
        node: &'a proto::NodeProto,
        a: &mut Attributes<'a>,
    ) -> Result<Option<Vec<Value<'a>>>, String> {
        let op = node.op_type.as_deref().unwrap_or_default();
        match op {
            "Constant" => return self.constant(a).map(|value| Some(vec![value])),
            "Shape" => {
                let sizes = self.sizes(node)?;
                let rank = sizes.len() as i64;
                let [start, end] = [a.int("start", 0)?, a.int("end", rank)?];
                let span = SliceRange { axis: 0, start, end, step: 1 }.of(sizes.len())?;
                let part = sizes[span.first..span.first + span.count].to_vec();
                return Ok(Some(vec![Array::list(part).into()]));
            }
            "Size" => {
                let sizes = self.sizes(node)?;
                let all = sizes.into_iter().try_fold(Number::of(1.0), Number::times)?;
                return Ok(Some(vec![Array::scalar(all, true).into()]));
            }
            _ => {}
        }
        if op == "CastLike" && !matches!(self.input(node, 0)?, Value::Map(_)) {
            let whole = !matches!(self.input(node, 1)?, Value::Map(_)) && self.array(node, 1)?.whole;
            a.ignore(&["saturate", "round_mode"]);
            let x = self.array(node, 0)?;
            let made = self.constants.cast(&x, if whole { Cast::Whole } else { Cast::Float })?;
            return Ok(Some(vec![made.into()]));
        }
        let given = node.input.iter().filter(|name| !name.is_empty());
        let constant =
            given.clone().all(|name| !matches!(self.values.get(name.as_str()), None | Some(Value::Map(_))));
        if given.count() == 0 || !constant {
            return Ok(None);
        }
        if let ("Identity" | "Dropout", [..]) = (op, &node.input[..]) {
            a.ignore(&["ratio", "seed", "is_test"]);
            return self.input(node, 0).map(|value| Some(vec![value]));
        }
        if op == "Split" {
            return self.parts(node, a).map(Some);
        }
        let made = match op {
            "Cast" => {
                let to = cast(a)?;
                let x = self.array(node, 0)?;
                self.constants.cast(&x, to)?
            }
            "ConstantOfShape" => self.filled(node, a)?,
            "Gather" => {
                let (x, indices) = (self.array(node, 0)?, self.array(node, 1)?);
                self.constants.gathered(&x, &indices, a.int("axis", 0)?)?
            }
            "Slice" => {
                let cuts = self.cuts(node, a)?;
                let x = self.array(node, 0)?;
                self.constants.sliced(&x, &cuts)?
            }
            "Concat" => {
                let axis = a.int("axis", 1)?;
                let all = self.arrays(node)?;
                self.constants.joined(&all.iter().map(Rc::as_ref).collect::<Vec<_>>(), axis)?
            }
            "Transpose" => {
                let x = self.array(node, 0)?;
                let order = order(a, x.dims.len())?;
                self.constants.transposed(&x, &order)?
            }
            "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => self.in_other_sizes(node, a)?,
            "Expand" => {
                let (x, wanted) = (self.array(node, 0)?, self.number_list(node, 1)?);
                self.constants.expanded(&x, &wanted)?
            }
            "Tile" => {
                let (x, repeats) = (self.array(node, 0)?, self.int_list(node, 1)?);
                self.constants.tiled(&x, &repeats)?
            }
            "Range" => self.range(node)?,
            "NonZero" => self.non_zero(node)?,
            "ReduceProd" | "ReduceSum" | "ReduceMin" | "ReduceMax" | "ReduceMean" => {
                let kept = a.int("keepdims", 1)? != 0;
                let empty = a.int("noop_with_empty_axes", 0)? != 0;
                let axes = self.setting(node, a, "axes", 1)?.unwrap_or_default();
                let x = self.array(node, 0)?;
                if axes.is_empty() && empty {
                    return Ok(Some(vec![Value::Array(x)]));
                }
                let rank = x.dims.len();
                let axes = axes.into_iter().map(|axis| place(axis, rank)).collect::<Result<Vec<_>, _>>()?;
                let axes = if axes.is_empty() { (0..rank).collect() } else { axes };
                self.constants.reduced(op, &x, &axes, kept)?
            }
            _ => {
                let inputs = self.arrays_of(node, op)?;
                let Some(inputs) = inputs else { return Ok(None) };
                if op == "Mod" {
                    a.expect("fmod", 0)?;
                }
                let inputs: Vec<&Array> = inputs.iter().map(Rc::as_ref).collect();
                match self.constants.elementwise(op, &inputs)? {
                    Some(made) => made,
                    None => return Ok(None),
                }
            }
        };
        Ok(Some(vec![made.into()]))
    }

    /// All inputs, if `op` is one that goes element by element: others do not read weights for nothing.
    fn arrays_of(&mut self, node: &'a proto::NodeProto, op: &str) -> Result<Option<Vec<Rc<Array>>>, String> {
        const KNOWN: [&str; 24] = [
            "Add",
            "Sum",
            "Sub",
            "Mul",
            "Div",
            "Mod",
            "Pow",
            "Min",
            "Max",
            "Equal",
            "Less",
            "LessOrEqual",
            "Greater",
            "GreaterOrEqual",
            "And",
            "Abs",
            "Floor",
            "Ceil",
            "Round",
            "Sqrt",
            "Reciprocal",
            "Not",
            "Neg",
            "Where",
        ];
        if KNOWN.contains(&op) { self.arrays(node).map(Some) } else { Ok(None) }
    }

    fn arrays(&mut self, node: &'a proto::NodeProto) -> Result<Vec<Rc<Array>>, String> {
        (0..node.input.len()).map(|position| self.array(node, position)).collect()
    }

    /// The sizes of whatever a node reads first.
    fn sizes(&self, node: &'a proto::NodeProto) -> Result<Vec<Number>, String> {
        match self.input(node, 0)? {
            Value::Map(map) => map.layout.sizes(),
            Value::Array(array) => Ok(array.dims.clone()),
            Value::Tensor(tensor) if tensor.dims.len() <= MOST_AXES => {
                Ok(tensor.dims.iter().map(|size| Number::of(*size as f64)).collect())
            }
            Value::Tensor(tensor) => Err(format!("its input has {} sizes", tensor.dims.len())),
        }
    }

    fn constant(&mut self, a: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        if let Some(tensor) = a.tensor("value") {
            return Ok(Value::Tensor(tensor));
        }
        let many = a.numbers("value_ints")?.map(|list| (list, true));
        if let Some((list, whole)) = many.or(a.numbers("value_floats")?.map(|list| (list, false))) {
            self.constants.spend(list.len())?;
            return Ok(Array::computed(&[list.len()], list, whole).into());
        }
        for (name, whole) in [("value_int", true), ("value_float", false)] {
            if let Some(number) = a.number(name)? {
                return Ok(Array::scalar(number, whole).into());
            }
        }
        Err("only constants of numbers are understood".to_owned())
    }

    /// One number repeated.
    fn filled(&mut self, node: &'a proto::NodeProto, a: &mut Attributes<'a>) -> Result<Array, String> {
        let dims = self.number_list(node, 0)?;
        if dims.len() > MOST_AXES {
            return Err(format!("it makes {} axes", dims.len()));
        }
        let value = match a.tensor("value") {
            Some(tensor) => self.constants.array(tensor)?,
            None => Array::scalar(Number::of(0.0), false),
        };
        let number =
            value.uniform().filter(|_| value.count() == Ok(1)).ok_or("its value is not one number")?;
        Ok(Array { dims, elements: Elements::Same(number), whole: value.whole })
    }

    fn in_other_sizes(
        &mut self,
        node: &'a proto::NodeProto,
        a: &mut Attributes<'a>,
    ) -> Result<Array, String> {
        let dims = self.sizes(node)?;
        let made = match node.op_type.as_deref().unwrap_or_default() {
            "Reshape" => {
                let zeros = a.int("allowzero", 0)? != 0;
                let wanted = self.wanted_sizes(node, a)?;
                reshaped(&dims, &wanted, zeros)?
            }
            "Squeeze" => squeezed(&dims, self.setting(node, a, "axes", 1)?.as_deref())?,
            "Unsqueeze" => {
                let axes = self.setting(node, a, "axes", 1)?.ok_or("it has no axes")?;
                unsqueezed(&dims, &axes)?
            }
            _ => {
                let axis = a.int("axis", 1)?;
                let at = if axis == dims.len() as i64 { dims.len() } else { place(axis, dims.len())? };
                let product =
                    |sizes: &[Number]| sizes.iter().copied().try_fold(Number::of(1.0), Number::times);
                vec![product(&dims[..at])?, product(&dims[at..])?]
            }
        };
        let x = self.array(node, 0)?;
        if matches!(x.elements, Elements::Numbers(_) | Elements::Floats(_)) {
            self.constants.spend(x.count()?)?;
        }
        x.with_dims(made)
    }

    /// From a start to before a limit.
    fn range(&mut self, node: &'a proto::NodeProto) -> Result<Array, String> {
        let all = self.arrays(node)?;
        let [start, limit, step] = &all[..] else { return Err("it lacks an input".to_owned()) };
        if all.iter().any(|one| one.count() != Ok(1)) {
            return Err("its limits are not single numbers".to_owned());
        }
        let [first, end, by] = [start, limit, step].map(|one| one.at(0));
        if end.known().is_none() {
            // as many as there are images, or a multiple of it
            let count = end.minus(first).over(by, true)?;
            let steps = vec![by];
            return Ok(Array {
                dims: vec![count],
                elements: Elements::Counted { first, steps },
                whole: start.whole,
            });
        }
        let [first, end, by] = [first, end, by].map(Number::known);
        let known = || "its limits depend on the number of images".to_owned();
        let (first, end, by) = (first.ok_or_else(known)?, end.ok_or_else(known)?, by.ok_or_else(known)?);
        let count = ((end - first) / by).ceil().max(0.0);
        if !count.is_finite() {
            return Err(format!("it counts from {first} to {end} in steps of {by}"));
        }
        let count = count as usize;
        self.constants.spend(count)?;
        let numbers = (0..count).map(|at| Number::of(first + by * at as f64)).collect();
        Ok(Array::computed(&[count], numbers, start.whole))
    }

    /// The places of what is not 0: a row for each axis.
    fn non_zero(&mut self, node: &'a proto::NodeProto) -> Result<Array, String> {
        let x = self.array(node, 0)?;
        let (dims, count) = (x.dims()?, x.count()?);
        self.constants.spend(count.saturating_mul(dims.len().max(1)))?;
        let found: Vec<usize> = (0..count).filter(|at| !x.at(*at).is(0.0)).collect();
        let apart = strides(&dims);
        let row = |axis: usize| found.iter().map(move |at| (*at, axis));
        let places = (0..dims.len()).flat_map(row);
        let numbers = places.map(|(at, axis)| Number::size(at / apart[axis] % dims[axis])).collect();
        Ok(Array::computed(&[dims.len(), found.len()], numbers, true))
    }

    /// Parts of a constant.
    fn parts(
        &mut self,
        node: &'a proto::NodeProto,
        a: &mut Attributes<'a>,
    ) -> Result<Vec<Value<'a>>, String> {
        let axis = a.int("axis", 0)?;
        a.ignore(&["num_outputs"]);
        let sizes = self.setting(node, a, "split", 1)?;
        let x = self.array(node, 0)?;
        let dims = x.dims()?;
        let all = dims[place(axis, dims.len())?];
        let equal = || {
            // the last is smaller where they do not come out even
            let part = all.div_ceil(node.output.len().max(1)).max(1);
            (0..node.output.len()).map(|at| part.min(all.saturating_sub(at * part))).collect()
        };
        let sizes = match sizes {
            Some(sizes) => sizes
                .iter()
                .map(|size| usize::try_from(*size).map_err(|_| format!("it makes a part of {size}")))
                .collect::<Result<Vec<_>, _>>()?,
            None => equal(),
        };
        Ok(self.constants.divided(&x, axis, &sizes)?.into_iter().map(Value::from).collect())
    }

    /// The sizes that Reshape asks for.
    pub(super) fn wanted_sizes(
        &mut self,
        node: &'a proto::NodeProto,
        a: &mut Attributes<'a>,
    ) -> Result<Vec<Number>, String> {
        match a.ints("shape")? {
            Some(sizes) => Ok(sizes.iter().map(|size| Number::of(*size as f64)).collect()),
            None => self.number_list(node, 1),
        }
    }

    /// What Slice takes, by attributes before operators of version 10, by inputs since.
    pub(super) fn cuts(
        &mut self,
        node: &'a proto::NodeProto,
        a: &mut Attributes<'a>,
    ) -> Result<Vec<SliceRange>, String> {
        let starts = self.setting(node, a, "starts", 1)?.ok_or("it has no starts")?;
        let ends = self.setting(node, a, "ends", 2)?.ok_or("it has no ends")?;
        let axes = self.setting(node, a, "axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = self.setting(node, a, "steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
        if [&ends, &axes, &steps].iter().any(|list| list.len() != starts.len()) {
            return Err("its starts, ends, axes and steps are not equally many".to_owned());
        }
        let cut =
            |at: usize| SliceRange { axis: axes[at], start: starts[at], end: ends[at], step: steps[at] };
        Ok((0..starts.len()).map(cut).collect())
    }
}

impl From<Array> for Value<'_> {
    fn from(array: Array) -> Self {
        Value::Array(Rc::new(array))
    }
}

/// What Cast makes.
pub(super) fn cast(a: &mut Attributes<'_>) -> Result<Cast, String> {
    a.ignore(&["saturate", "round_mode"]);
    let kind = a.int("to", 0)?;
    let kind = i32::try_from(kind).unwrap_or_default();
    match kind {
        proto::FLOAT | proto::FLOAT16 | proto::DOUBLE | proto::BFLOAT16 => Ok(Cast::Float),
        proto::INT64 | proto::INT32 | proto::INT16 | proto::INT8 | proto::UINT8 | proto::UINT16 => {
            Ok(Cast::Whole)
        }
        proto::BOOL => Ok(Cast::Truth),
        _ => {
            let name = crate::onnx::constants::type_name(Some(kind));
            Err(format!("attribute to asks for {name}, which is not understood"))
        }
    }
}

/// The order in which Transpose leaves `rank` axes.
pub(super) fn order(a: &mut Attributes<'_>, rank: usize) -> Result<Vec<usize>, String> {
    let Some(stated) = a.ints("perm")? else { return Ok((0..rank).rev().collect()) };
    let order = stated.iter().map(|axis| place(*axis, rank)).collect::<Result<Vec<_>, _>>()?;
    let all = (0..rank).all(|axis| order.contains(&axis)) && order.len() == rank;
    if all { Ok(order) } else { Err(format!("attribute perm is {stated:?}, of {rank} axes")) }
}
