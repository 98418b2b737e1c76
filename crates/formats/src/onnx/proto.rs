//! The messages of an ONNX file that this crate writes or reads, with the field numbers of `onnx.proto` (the ONNX
//! project's schema). Written by hand with prost's derive: of the schema's 25 messages these ten are enough, a decoder
//! skips what it does not know, and a build needs no compiler of schemas. The files that PyTorch's exporters wrote
//! (`tests/golden/onnx/`) hold the numbers to the truth.
//!
//! Two things are left out on purpose: attributes that hold graphs, so that no message can contain itself, and the
//! shapes of intermediate values, which are computed here anyway.

use prost::Message;
use prost::bytes::Bytes;

/// Data type of 32-bit floats in [`TensorProto::data_type`] and [`TensorType::elem_type`].
pub(super) const FLOAT: i32 = 1;
/// Data type of bytes.
pub(super) const UINT8: i32 = 2;
/// Other data types of integers.
pub(super) const INT8: i32 = 3;
pub(super) const UINT16: i32 = 4;
pub(super) const INT16: i32 = 5;
pub(super) const INT32: i32 = 6;
/// Data type of 64-bit integers.
pub(super) const INT64: i32 = 7;
/// Data type of truths, a byte each.
pub(super) const BOOL: i32 = 9;
/// Other data types of floats.
pub(super) const FLOAT16: i32 = 10;
pub(super) const DOUBLE: i32 = 11;
pub(super) const BFLOAT16: i32 = 16;

/// [`TensorProto::data_location`] of values in another file.
pub(super) const EXTERNAL: i32 = 1;

/// Kinds of attributes, for [`Attribute::kind`].
pub(super) mod kind {
    /// [`super::Attribute::f`]
    pub(in super::super) const FLOAT: i32 = 1;
    /// [`super::Attribute::i`]
    pub(in super::super) const INT: i32 = 2;
    /// [`super::Attribute::floats`]
    pub(in super::super) const FLOATS: i32 = 6;
    /// [`super::Attribute::ints`]
    pub(in super::super) const INTS: i32 = 7;
}

/// A whole file (`ModelProto`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct ModelProto {
    #[prost(int64, optional, tag = "1")]
    pub(super) ir_version: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(super) producer_name: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(super) producer_version: Option<String>,
    #[prost(int64, optional, tag = "5")]
    pub(super) model_version: Option<i64>,
    #[prost(message, optional, tag = "7")]
    pub(super) graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub(super) opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    pub(super) metadata_props: Vec<EntryProto>,
}

/// The version of a set of operators that the file relies on (`OperatorSetIdProto`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct OperatorSet {
    #[prost(string, optional, tag = "1")]
    pub(super) domain: Option<String>,
    #[prost(int64, optional, tag = "2")]
    pub(super) version: Option<i64>,
}

/// A key with its value (`StringStringEntryProto`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct EntryProto {
    #[prost(string, optional, tag = "1")]
    pub(super) key: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) value: Option<String>,
}

/// The network (`GraphProto`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) node: Vec<NodeProto>,
    #[prost(string, optional, tag = "2")]
    pub(super) name: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub(super) initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    pub(super) input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub(super) output: Vec<ValueInfo>,
}

/// One operation (`NodeProto`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub(super) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(super) output: Vec<String>,
    #[prost(string, optional, tag = "3")]
    pub(super) name: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(super) op_type: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub(super) attribute: Vec<Attribute>,
    #[prost(string, optional, tag = "7")]
    pub(super) domain: Option<String>,
}

/// A setting of an operation (`AttributeProto`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct Attribute {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(float, optional, tag = "2")]
    pub(super) f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub(super) i: Option<i64>,
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub(super) s: Option<Bytes>,
    #[prost(message, optional, boxed, tag = "5")]
    pub(super) t: Option<Box<TensorProto>>,
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub(super) floats: Vec<f32>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub(super) ints: Vec<i64>,
    #[prost(int32, optional, tag = "20")]
    pub(super) kind: Option<i32>,
}

/// Numbers with their shape (`TensorProto`): in `raw_data` as little-endian bytes, in a list of their type, or in
/// another file.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub(super) dims: Vec<i64>,
    #[prost(int32, optional, tag = "2")]
    pub(super) data_type: Option<i32>,
    #[prost(float, repeated, tag = "4")]
    pub(super) float_data: Vec<f32>,
    /// Integers of up to 32 bits, and floats of 16, each in the lower half of one.
    #[prost(int32, repeated, tag = "5")]
    pub(super) int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub(super) int64_data: Vec<i64>,
    #[prost(string, optional, tag = "8")]
    pub(super) name: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "9")]
    pub(super) raw_data: Option<Bytes>,
    #[prost(double, repeated, tag = "10")]
    pub(super) double_data: Vec<f64>,
    #[prost(message, repeated, tag = "13")]
    pub(super) external_data: Vec<EntryProto>,
    #[prost(int32, optional, tag = "14")]
    pub(super) data_location: Option<i32>,
}

/// An input or output (`ValueInfoProto`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueInfo {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub(super) of: Option<ValueType>,
}

/// Its type (`TypeProto`): always a tensor here.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueType {
    #[prost(message, optional, tag = "1")]
    pub(super) tensor_type: Option<TensorType>,
}

/// Type of numbers and shape (`TypeProto.Tensor`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct TensorType {
    #[prost(int32, optional, tag = "1")]
    pub(super) elem_type: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub(super) shape: Option<ShapeProto>,
}

/// Sizes, outermost first (`TensorShapeProto`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct ShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub(super) dim: Vec<Dimension>,
}

/// One size: a number, or a name for one that is not fixed (`TensorShapeProto.Dimension`).
#[derive(Clone, PartialEq, Message)]
pub(super) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub(super) dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(super) dim_param: Option<String>,
}

impl NodeProto {
    /// What it is called in messages: its name, or that of its first output.
    pub(super) fn title(&self) -> &str {
        let named = self.name.as_deref().filter(|name| !name.is_empty());
        named.or(self.output.first().map(String::as_str)).unwrap_or("without a name")
    }
}

impl Attribute {
    /// A whole number.
    pub(super) fn int(name: &str, value: i64) -> Self {
        Self { name: Some(name.to_owned()), i: Some(value), kind: Some(kind::INT), ..Self::default() }
    }

    /// A number.
    pub(super) fn float(name: &str, value: f32) -> Self {
        Self { name: Some(name.to_owned()), f: Some(value), kind: Some(kind::FLOAT), ..Self::default() }
    }

    /// A list of sizes.
    pub(super) fn ints(name: &str, values: &[usize]) -> Self {
        let ints = values.iter().map(|value| *value as i64).collect();
        Self { name: Some(name.to_owned()), ints, kind: Some(kind::INTS), ..Self::default() }
    }
}

impl TensorProto {
    /// 32-bit floats.
    pub(super) fn floats(name: String, dims: &[usize], values: &[f32]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::raw(name, dims, FLOAT, raw)
    }

    /// A list of whole numbers.
    pub(super) fn int_list(name: String, values: &[i64]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::raw(name, &[values.len()], INT64, raw)
    }

    fn raw(name: String, dims: &[usize], data_type: i32, raw: Vec<u8>) -> Self {
        Self {
            name: Some(name),
            dims: dims.iter().map(|size| *size as i64).collect(),
            data_type: Some(data_type),
            raw_data: Some(raw.into()),
            ..Self::default()
        }
    }
}

impl ValueInfo {
    /// A value of `images` times `sizes`; without a number of images that size is called `batch`, and free.
    pub(super) fn batch_of(name: &str, elem_type: i32, images: Option<usize>, sizes: &[usize]) -> Self {
        let fixed = |size: &usize| Dimension { dim_value: Some(*size as i64), dim_param: None };
        let free = Dimension { dim_param: Some("batch".to_owned()), dim_value: None };
        let batch = images.as_ref().map_or(free, fixed);
        let dim = std::iter::once(batch).chain(sizes.iter().map(fixed)).collect();
        let tensor = TensorType { elem_type: Some(elem_type), shape: Some(ShapeProto { dim }) };
        Self { name: Some(name.to_owned()), of: Some(ValueType { tensor_type: Some(tensor) }) }
    }
}
