//! Constants computed with each other, element by element, and reduced.

use crate::onnx::array::{Array, Elements, Places, count, known};
use crate::onnx::constants::Constants;
use crate::onnx::moves::{broadcast, spread};
use crate::onnx::number::Number;

/// A function of two numbers; whole ones are divided as such.
type Binary = fn(Number, Number, bool) -> Result<Number, String>;

/// The operations of two inputs, and whether their result is a truth.
const BINARY: [(&str, Binary, bool); 15] = [
    ("Add", |x, y, _| Ok(x.plus(y)), false),
    ("Sum", |x, y, _| Ok(x.plus(y)), false),
    ("Sub", |x, y, _| Ok(x.minus(y)), false),
    ("Mul", |x, y, _| x.times(y), false),
    ("Div", |x, y, whole| x.over(y, whole), false),
    ("Mod", |x, y, _| x.rest(y), false),
    ("Pow", |x, y, _| power(x, y), false),
    ("Min", |x, y, _| Ok(if x.compared(y)?.is_le() { x } else { y }), false),
    ("Max", |x, y, _| Ok(if x.compared(y)?.is_ge() { x } else { y }), false),
    ("Equal", |x, y, _| truth(x == y || x.compared(y)?.is_eq()), true),
    ("Less", |x, y, _| truth(x.compared(y)?.is_lt()), true),
    ("LessOrEqual", |x, y, _| truth(x.compared(y)?.is_le()), true),
    ("Greater", |x, y, _| truth(x.compared(y)?.is_gt()), true),
    ("GreaterOrEqual", |x, y, _| truth(x.compared(y)?.is_ge()), true),
    ("And", |x, y, _| x.times(y), true),
];

/// A function of one number, and whether whole multiples of the number of images pass it unchanged.
type Unary = (fn(f64) -> f64, bool);

/// The operations of one input.
const UNARY: [(&str, Unary); 7] = [
    ("Abs", (f64::abs, true)),
    ("Floor", (f64::floor, true)),
    ("Ceil", (f64::ceil, true)),
    ("Round", (f64::round_ties_even, true)),
    ("Sqrt", (f64::sqrt, false)),
    ("Reciprocal", (f64::recip, false)),
    ("Not", (|x| f64::from(u8::from(x == 0.0)), false)),
];

fn truth(holds: bool) -> Result<Number, String> {
    Ok(Number::of(f64::from(u8::from(holds))))
}

fn power(x: Number, y: Number) -> Result<Number, String> {
    match y.known() {
        Some(y) => x.map(|x| x.powf(y), y == 1.0),
        None => Err(format!("the power {y} depends on the number of images N")),
    }
}

/// What Cast makes of a constant: `None` for a kind of numbers that is not understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cast {
    Float,
    Whole,
    Truth,
}

impl Constants<'_> {
    /// The result of an operation that goes element by element; `None` for another operation.
    pub(super) fn elementwise(&mut self, op: &str, inputs: &[&Array]) -> Result<Option<Array>, String> {
        if let (Some((_, unary)), [x]) = (UNARY.iter().find(|(name, _)| *name == op), inputs) {
            let (function, rounding) = *unary;
            return self.each(x, x.whole, |x| x.map(function, rounding)).map(Some);
        }
        if let ("Neg", [x]) = (op, inputs) {
            return self.each(x, x.whole, |x| Ok(x.negative())).map(Some);
        }
        if let ("Where", [condition, x, y]) = (op, inputs) {
            return self.chosen(condition, x, y).map(Some);
        }
        let Some((_, binary, truth)) = BINARY.iter().find(|(name, ..)| *name == op) else { return Ok(None) };
        let [first, others @ ..] = inputs else { return Err("it has no input".to_owned()) };
        let mut made = (*first).clone();
        for other in others {
            let whole = made.whole && other.whole;
            if [&made, *other].iter().any(|array| matches!(array.elements, Elements::Counted { .. })) {
                made = counted(op, &made, other)?;
                continue;
            }
            made = self.both(&made, other, whole || *truth, |x, y| binary(x, y, whole))?;
        }
        Ok(Some(made))
    }

    fn each(
        &mut self,
        x: &Array,
        whole: bool,
        function: impl Fn(Number) -> Result<Number, String>,
    ) -> Result<Array, String> {
        if let Elements::Same(number) = x.elements {
            let elements = Elements::Same(function(number)?);
            return Ok(Array { elements, whole, ..x.clone() });
        }
        let count = x.count()?;
        self.spend(count)?;
        let numbers = (0..count).map(|at| function(x.at(at))).collect::<Result<_, _>>()?;
        Ok(Array::computed(&x.dims()?, numbers, whole))
    }

    fn both(
        &mut self,
        x: &Array,
        y: &Array,
        whole: bool,
        function: impl Fn(Number, Number) -> Result<Number, String>,
    ) -> Result<Array, String> {
        let dims = broadcast(&x.dims, &y.dims)?;
        if let (Elements::Same(x), Elements::Same(y)) = (&x.elements, &y.elements) {
            return Ok(Array { dims, elements: Elements::Same(function(*x, *y)?), whole });
        }
        let (mine, theirs) = (x.dims()?, y.dims()?);
        let made = known(&dims)?;
        self.spend(count(&made)?)?;
        let places = |own: &[usize]| Places::new(&made, spread(own, made.len()), 0);
        let pairs = places(&mine).zip(places(&theirs));
        let numbers = pairs.map(|(at, other)| function(x.at(at), y.at(other)));
        Ok(Array::computed(&made, numbers.collect::<Result<_, _>>()?, whole))
    }

    /// Elements of `x` where the condition is 1, else those of `y`.
    fn chosen(&mut self, condition: &Array, x: &Array, y: &Array) -> Result<Array, String> {
        let whole = x.whole && y.whole;
        let dims = broadcast(&condition.dims, &broadcast(&x.dims, &y.dims)?)?;
        if let Some(holds) = condition.uniform() {
            let chosen = if holds.is(0.0) { y } else { x };
            return self.expanded(chosen, &dims);
        }
        let made = known(&dims)?;
        self.spend(count(&made)?)?;
        let places = |array: &Array| array.dims().map(|own| Places::new(&made, spread(&own, made.len()), 0));
        let places = places(condition)?.zip(places(x)?.zip(places(y)?));
        let numbers =
            places.map(|(at, (left, right))| if condition.at(at).is(0.0) { y.at(right) } else { x.at(left) });
        Ok(Array::computed(&made, numbers.collect(), whole))
    }

    pub(super) fn cast(&mut self, x: &Array, to: Cast) -> Result<Array, String> {
        match to {
            Cast::Float if !x.whole => Ok(x.clone()),
            Cast::Whole if x.whole => Ok(x.clone()),
            Cast::Float => self.each(x, false, Ok),
            Cast::Whole => self.each(x, true, |x| x.map(f64::trunc, true)),
            Cast::Truth => self.each(x, true, |x| truth(!x.is(0.0))),
        }
    }

    /// One of ReduceProd, ReduceSum, ReduceMin, ReduceMax and ReduceMean over `axes`; `kept` says whether these stay with
    /// size 1.
    pub(super) fn reduced(
        &mut self,
        op: &str,
        x: &Array,
        axes: &[usize],
        kept: bool,
    ) -> Result<Array, String> {
        let dims = x.dims()?;
        self.spend(count(&dims)?)?;
        let over: Vec<bool> = (0..dims.len()).map(|axis| axes.contains(&axis)).collect();
        let by = |sizes: bool| {
            dims.iter().zip(&over).filter(move |(_, over)| **over == sizes).map(|(size, _)| *size)
        };
        let (outer, inner): (Vec<usize>, Vec<usize>) = (by(false).collect(), by(true).collect());
        // what is reduced becomes the innermost
        let order: Vec<usize> = (0..dims.len())
            .filter(|axis| !over[*axis])
            .chain((0..dims.len()).filter(|axis| over[*axis]))
            .collect();
        let turned = self.transposed(x, &order)?;
        let length = count(&inner)?;
        let name = match op {
            "ReduceProd" => "Mul",
            "ReduceSum" | "ReduceMean" => "Add",
            "ReduceMin" => "Min",
            _ => "Max",
        };
        let (_, function, _) =
            BINARY.iter().find(|(known, ..)| *known == name).ok_or("it is not understood")?;
        let mut numbers = Vec::new();
        for start in 0..count(&outer)? {
            let mut row = (0..length).map(|at| turned.at(start * length + at));
            let first = row.next().ok_or("it reduces nothing")?;
            let made = row.try_fold(first, |one, other| function(one, other, x.whole))?;
            numbers.push(match op {
                "ReduceMean" => made.over(Number::size(length), x.whole)?,
                _ => made,
            });
        }
        let sizes = dims.iter().zip(&over).filter(|(_, over)| kept || !**over);
        let sizes: Vec<usize> = sizes.map(|(size, over)| if *over { 1 } else { *size }).collect();
        Ok(Array::computed(&sizes, numbers, x.whole))
    }
}

/// Sums and multiples of numbers that go in steps do, too.
fn counted(op: &str, x: &Array, y: &Array) -> Result<Array, String> {
    let dims = broadcast(&x.dims, &y.dims)?;
    let refused = || "it computes with places in a batch, which is not understood".to_owned();
    let steps = |array: &Array| {
        let (first, own) = array.counted()?;
        let step = |axis: usize| (axis + own.len()).checked_sub(dims.len()).map(|axis| own[axis]);
        Some((first, (0..dims.len()).map(|axis| step(axis).unwrap_or(Number::of(0.0))).collect::<Vec<_>>()))
    };
    let ((first, mut up), (other, more)) = (steps(x).ok_or_else(refused)?, steps(y).ok_or_else(refused)?);
    let first = match (op, x.uniform(), y.uniform()) {
        ("Add" | "Sum", ..) => {
            up.iter_mut().zip(&more).for_each(|(step, more)| *step = step.plus(*more));
            first.plus(other)
        }
        ("Sub", ..) => {
            up.iter_mut().zip(&more).for_each(|(step, less)| *step = step.minus(*less));
            first.minus(other)
        }
        ("Mul", None, Some(by)) | ("Mul", Some(by), None) => {
            for (step, more) in up.iter_mut().zip(&more) {
                *step = step.plus(*more).times(by)?;
            }
            first.times(other)?
        }
        _ => return Err(refused()),
    };
    Ok(Array { dims, elements: Elements::Counted { first, steps: up }, whole: x.whole && y.whole })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::number::IMAGES;

    fn list(values: &[f64]) -> Array {
        Array::list(values.iter().copied().map(Number::of).collect())
    }

    #[test]
    fn shape_arithmetic_with_a_free_batch() {
        let mut constants = Constants::new(0, None);
        let shape = Array::list(vec![IMAGES, Number::of(-1.0), Number::of(4.0)]);
        let mut run = |op: &str, inputs: &[&Array]| constants.elementwise(op, inputs).unwrap().unwrap();
        // sizes of -1 become those that are there, as expand has it
        let open = run("Equal", &[&shape, &list(&[-1.0])]);
        let sizes = run("Where", &[&open, &list(&[7.0, 8.0, 9.0]), &shape]);
        assert_eq!(sizes.numbers().unwrap(), [IMAGES, Number::of(8.0), Number::of(4.0)]);
        let halves = run("Div", &[&list(&[7.0, 8.0]), &list(&[2.0])]);
        assert_eq!(halves, list(&[3.0, 4.0]));
        let floats = constants.cast(&list(&[7.0]), Cast::Float).unwrap();
        let half = constants.elementwise("Div", &[&floats, &list(&[2.0])]).unwrap().unwrap();
        assert_eq!(half.elements, Elements::Floats(vec![3.5]));
        let down = constants.elementwise("Floor", &[&half]).unwrap().unwrap();
        assert_eq!(constants.cast(&down, Cast::Whole).unwrap(), list(&[3.0]));
    }

    #[test]
    fn places_in_a_flattened_batch() {
        // what is left of a view of channels_last images: a place for each of eight channels
        let mut constants = Constants::new(0, None);
        let images = Array {
            dims: vec![IMAGES, Number::of(1.0)],
            elements: Elements::Counted {
                first: Number::of(0.0),
                steps: vec![Number::of(1.0), Number::of(0.0)],
            },
            whole: true,
        };
        let channels = list(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let mut run = |op: &str, inputs: &[&Array]| constants.elementwise(op, inputs).unwrap().unwrap();
        let starts = run("Mul", &[&images, &list(&[8.0])]);
        let places = run("Add", &[&starts, &channels]);
        assert!(places.is_in_order() && !run("Add", &[&images, &channels]).is_in_order());
        assert!(constants.elementwise("Mod", &[&images, &channels]).is_err());
    }

    #[test]
    fn reductions_over_any_axis() {
        let mut constants = Constants::new(0, None);
        let table =
            list(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).with_dims(vec![Number::size(2), Number::size(3)]).unwrap();
        let mut run = |op: &str, axes: &[usize], kept| constants.reduced(op, &table, axes, kept).unwrap();
        assert_eq!(run("ReduceProd", &[0], false), list(&[4.0, 10.0, 18.0]));
        assert_eq!(run("ReduceMax", &[1], true).dims().unwrap(), [2, 1]);
        assert_eq!(run("ReduceSum", &[0, 1], false).at(0), Number::of(21.0));
    }
}
