//! From bytes to messages, with a bound on memory: an empty message takes two bytes in a file and a hundred in memory, so
//! messages are counted before any is made.

use prost::DecodeError;
use prost::Message;
use prost::bytes::Bytes;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::onnx::proto::ModelProto;

/// Fields of all messages together, at most: forty times those of a ResNet-152 from PyTorch. None takes more than about
/// 200 bytes besides its contents.
const MOST_FIELDS: usize = 1_000_000;

/// A kind of message: the numbers of its fields that are messages themselves.
struct Kind(&'static [(u32, Kind)]);

const LEAF: Kind = Kind(&[]);
const TENSOR: Kind = Kind(&[(13, LEAF)]);
const NODE: Kind = Kind(&[(5, Kind(&[(5, TENSOR)]))]);
/// A value with its type, the tensor in that, its shape, and the sizes in that.
const VALUE: Kind = Kind(&[(2, Kind(&[(1, Kind(&[(2, Kind(&[(1, LEAF)]))]))]))]);
const GRAPH: Kind = Kind(&[(1, NODE), (5, TENSOR), (11, VALUE), (12, VALUE)]);
const MODEL: Kind = Kind(&[(7, GRAPH), (8, LEAF), (14, LEAF)]);

/// Why a file is none.
const UNREADABLE: &str = "its fields cannot be told apart";

/// The message in `bytes`; an error says what is wrong with it.
pub(super) fn decode(bytes: Bytes) -> Result<ModelProto, String> {
    let mut left = MOST_FIELDS;
    count(&bytes, &MODEL, &mut left).map_err(|error| match error {
        Uncounted::Wrong => UNREADABLE.to_owned(),
        Uncounted::TooMany => format!("it has more than {MOST_FIELDS} parts"),
    })?;
    // tensors become slices of `bytes`
    ModelProto::decode(bytes).map_err(|_| UNREADABLE.to_owned())
}

enum Uncounted {
    Wrong,
    TooMany,
}

impl From<DecodeError> for Uncounted {
    fn from(_: DecodeError) -> Self {
        Uncounted::Wrong
    }
}

/// Takes the fields of one message from `left`, and those of the messages in it. As deep as [`MODEL`], no deeper.
fn count(mut bytes: &[u8], kind: &Kind, left: &mut usize) -> Result<(), Uncounted> {
    while !bytes.is_empty() {
        *left = left.checked_sub(1).ok_or(Uncounted::TooMany)?;
        let (tag, wire) = decode_key(&mut bytes)?;
        match kind.0.iter().find(|(field, _)| *field == tag) {
            Some((_, inner)) if wire == WireType::LengthDelimited => {
                let length = decode_varint(&mut bytes)?;
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
                // a length beyond the end is the decoder's to report
                let (message, rest) = bytes.split_at(length);
                count(message, inner, left)?;
                bytes = rest;
            }
            _ => skip_field(wire, tag, &mut bytes, DecodeContext::default())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_empty_messages_is_refused() {
        // a graph (field 7) of empty nodes (field 1)
        let nodes = [0x0a, 0].repeat(MOST_FIELDS);
        let mut file = vec![0x3a];
        prost::encoding::encode_varint(nodes.len() as u64, &mut file);
        file.extend(nodes);
        assert!(decode(file.into()).unwrap_err().contains("more than"));
    }

    #[test]
    fn lengths_beyond_the_end_are_errors() {
        for bytes in [&[0x3a, 0xff][..], &[0x3a, 0x05, 0x0a], &[0x3a, 0x02, 0x0a, 0x7f], &[0x0b]] {
            assert!(decode(Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
    }
}
