//! What kind a weight file is of, told by its first bytes and never by its name.

/// How a file of MXNet starts: the magic number of lists and the reserved zeros.
pub(super) const GLUON_MAGIC: [u8; 16] = [0x12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What wrote a file, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A safetensors file.
    Safetensors,
    /// `torch.save` since 1.6: a zip archive.
    TorchZip,
    /// `torch.save` from 0.1.10 to 1.5: pickles one after another, then the numbers.
    TorchStream,
    /// `torch.save` before 0.1.10: a tar archive.
    TorchTar,
    /// MXNet: `save_parameters` and `export` of Gluon, `mx.nd.save`.
    Gluon,
    /// An ONNX file: a whole network.
    Onnx,
}

impl std::fmt::Display for FileKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FileKind::Safetensors => "safetensors",
            FileKind::TorchZip => "PyTorch (zip)",
            FileKind::TorchStream => "PyTorch (legacy stream)",
            FileKind::TorchTar => "PyTorch (tar)",
            FileKind::Gluon => "MXNet",
            FileKind::Onnx => "ONNX",
        })
    }
}

/// So many bytes tell every kind: the mark of a tar archive ends at byte 262.
pub(super) const FIRST_BYTES: u64 = 262;

impl FileKind {
    /// The kind of a file that starts with `first`, if it is one that is read.
    pub fn of(first: &[u8]) -> Option<Self> {
        /// `torch.save`'s magic number as a pickle holds it, and as the oldest protocols spell it.
        const STREAM: [&[u8]; 2] =
            [&[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19], b"119547037146038801333356"];
        let has = |mark: &&[u8]| first[..first.len().min(64)].windows(mark.len()).any(|part| part == *mark);
        if first.starts_with(b"PK\x03\x04") {
            Some(FileKind::TorchZip)
        } else if first.get(257..262) == Some(b"ustar") {
            Some(FileKind::TorchTar)
        } else if first.starts_with(&GLUON_MAGIC) {
            Some(FileKind::Gluon)
        } else if is_safetensors(first) {
            Some(FileKind::Safetensors)
        } else if STREAM.iter().any(has) {
            Some(FileKind::TorchStream)
        } else {
            is_onnx(first).then_some(FileKind::Onnx)
        }
    }
}

/// Whether a file begins with the length of a header, and the header; texts of JSON have a brace there, too, but as a
/// length their letters are too large.
fn is_safetensors(first: &[u8]) -> bool {
    let length = first.first_chunk::<8>().map(|length| u64::from_le_bytes(*length));
    first.get(8) == Some(&b'{') && length.is_some_and(|length| length <= plusx_weights::LARGEST_HEADER)
}

/// Whether a protocol buffer begins as ONNX files do: field 1, the version of the format, in one byte, then one of the
/// fields 2 to 8 (the producer and its version, the domain, a version, a text, the graph, the operators), none of which may
/// stand before it.
fn is_onnx(first: &[u8]) -> bool {
    const TAGS: [u8; 7] = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42];
    matches!(first, [0x08, 1..=0x7f, tag, ..] if TAGS.contains(tag))
}
