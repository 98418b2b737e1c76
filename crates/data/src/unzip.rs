//! Files that may or may not be gzipped, read as what they contain, and the SHA-256 of that.
//!
//! Of a gzip file all members are content, one after the other (RFC 1952, section 2.2). What follows the last of them and
//! is no member, zeros with which something filled a block or a piece of another file, is ignored, as gzip does. It cannot
//! hide damage: each member carries a checksum and its length, and who reads the content knows how long it must be.

use crate::DataError;
use flate2::bufread::GzDecoder;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// First bytes of every gzip member (RFC 1952, section 2.3.1). No IDX file starts so: its first byte is 0.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Large enough that system calls cost nothing, small enough to stay in the first-level cache.
const BUFFER: usize = 64 << 10;

/// A file, read as what it contains; see [`content`].
pub(crate) struct Unzipped<'a> {
    state: State<'a>,
    ignored: bool,
}

type Raw<'a> = BufReader<Box<dyn Read + 'a>>;

enum State<'a> {
    Plain(Box<dyn Read + 'a>),
    /// Boxed, because it is large; whether another member came before.
    Member(Box<GzDecoder<Raw<'a>>>, bool),
    End,
}

/// The content of `raw`, decompressed if it starts like gzip (the name does not matter).
pub(crate) fn content<'a>(mut raw: impl Read + 'a) -> io::Result<Unzipped<'a>> {
    let mut magic = Vec::with_capacity(2);
    raw.by_ref().take(2).read_to_end(&mut magic)?;
    let zipped = magic == GZIP_MAGIC;
    let whole: Box<dyn Read + 'a> = Box::new(io::Cursor::new(magic).chain(raw));
    let state = match zipped {
        true => State::Member(Box::new(GzDecoder::new(BufReader::with_capacity(BUFFER, whole))), false),
        false => State::Plain(whole),
    };
    Ok(Unzipped { state, ignored: false })
}

impl Unzipped<'_> {
    /// Whether the end was reached and bytes after the last gzip member were ignored.
    pub(crate) fn ignored(&self) -> bool {
        self.ignored
    }
}

impl Read for Unzipped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.state {
                State::Plain(raw) => return raw.read(buffer),
                State::End => return Ok(0),
                State::Member(member, later) => match member.read(buffer) {
                    Ok(0) => {}
                    Ok(n) => return Ok(n),
                    // something that begins like a member and has no header of one
                    Err(error) if *later && member.header().is_none() && is_no_member(&error) => {
                        (self.state, self.ignored) = (State::End, true);
                        return Ok(0);
                    }
                    Err(error) => return Err(error),
                },
            }
            // the member has ended, and its checksum was right
            if let State::Member(member, _) = std::mem::replace(&mut self.state, State::End) {
                let mut rest = member.into_inner();
                match rest.fill_buf()?.first() {
                    None => {}
                    Some(&first) if first == GZIP_MAGIC[0] => {
                        self.state = State::Member(Box::new(GzDecoder::new(rest)), true);
                    }
                    Some(_) => self.ignored = true,
                }
            }
        }
    }
}

/// Whether an error of a header means that there is none.
fn is_no_member(error: &io::Error) -> bool {
    is_damage(error) || error.kind() == io::ErrorKind::UnexpectedEof
}

/// Whether an error of [`content`]'s reader means that the gzip stream is damaged, not that the disk failed.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
}

/// SHA-256 of the decompressed content of the file at `path`, as [`sha256_of`].
pub(crate) fn sha256(path: &Path, limit: u64) -> Result<String, DataError> {
    sha256_of(File::open(path).map_err(DataError::io("open", path))?, path, limit)
}

/// SHA-256 of the decompressed content of `raw`, in lower-case hexadecimal; `path` is its name in errors.
///
/// Reads `limit` decompressed bytes and one more at most, so an archive that unpacks to terabytes costs nothing: its
/// hash is that of another file already.
pub(crate) fn sha256_of(raw: impl Read, path: &Path, limit: u64) -> Result<String, DataError> {
    sha256_raw(content(raw).map_err(DataError::io("read", path))?, path, limit)
}

/// SHA-256 of the bytes of `raw` as they are, likewise.
pub(crate) fn sha256_raw(raw: impl Read, path: &Path, limit: u64) -> Result<String, DataError> {
    let mut content = raw.take(limit.saturating_add(1));
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hash.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_damage(&error) || error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(DataError::malformed(
                    path,
                    format!("damaged gzip archive ({error}); fetch it again"),
                ));
            }
            Err(error) => return Err(DataError::io("read", path)(error)),
        }
    }
    Ok(hex(&hash.finalize()))
}

/// Lower-case hexadecimal.
/// SHA-256 of the parts, one after the other, in hexadecimal.
pub(crate) fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hex(&hash.finalize())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn hash_of_plain_and_zipped_agree() {
        // FIPS 180-2, appendix B.1: "abc"
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let folder = tempfile::tempdir().unwrap();
        let (plain, zipped) = (folder.path().join("plain"), folder.path().join("zipped"));
        std::fs::write(&plain, b"abc").unwrap();
        std::fs::write(&zipped, gzip(b"abc")).unwrap();
        assert_eq!(sha256(&plain, 3).unwrap(), abc);
        assert_eq!(sha256(&zipped, 3).unwrap(), abc);
    }

    #[test]
    fn tiny_files_are_content() {
        for bytes in [&b""[..], b"\x1f", b"a", b"ab"] {
            let mut read = Vec::new();
            content(bytes).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, bytes);
        }
    }

    #[test]
    fn members_are_joined_and_what_follows_them_is_ignored() {
        let read = |bytes: &[u8]| -> io::Result<(Vec<u8>, bool)> {
            let (mut read, mut content) = (Vec::new(), content(bytes)?);
            content.read_to_end(&mut read)?;
            Ok((read, content.ignored()))
        };
        let [one, two] = [&b"one"[..], b"two"].map(gzip);
        assert_eq!(read(&[&one[..], &two].concat()).unwrap(), (b"onetwo".to_vec(), false));
        for after in
            [&[0; 512][..], b"\0", b"garbage", b"\x1f", b"\x1f\x8b", b"\x1f\x1f\x1f and so on", &two[..5]]
        {
            let whole = [&one[..], &two, after].concat();
            assert_eq!(read(&whole).unwrap(), (b"onetwo".to_vec(), true), "{after:?}");
        }
        // a member that has begun must end, and its checksum be right
        let mut wrong = two.clone();
        let at = wrong.len() - 8;
        wrong[at] ^= 1;
        for second in [&two[..two.len() - 1], &two[..12], &wrong] {
            assert!(read(&[&one[..], second].concat()).is_err(), "{second:?}");
        }
        // very many members
        let many = one.repeat(3000);
        assert_eq!(read(&many).unwrap().0.len(), 9000);
    }

    #[test]
    fn hashing_stops_at_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let bomb = folder.path().join("bomb");
        std::fs::write(&bomb, gzip(&vec![0; 8 << 20])).unwrap();
        let short = folder.path().join("short");
        std::fs::write(&short, [0; 11]).unwrap();
        assert_eq!(sha256(&bomb, 10).unwrap(), sha256(&short, 100).unwrap());
    }

    #[test]
    fn damage_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("half.gz");
        let whole = gzip(&(0..=255).cycle().take(5000).collect::<Vec<u8>>());
        std::fs::write(&path, &whole[..whole.len() - 6]).unwrap();
        let error = sha256(&path, 10_000).unwrap_err();
        assert!(matches!(error, DataError::Malformed { .. }), "{error}");
        assert!(error.to_string().contains("half.gz"), "{error}");
    }
}
