//! The tar archive that `torch.save` wrote before 0.1.10. Its entries: `sys_info`, `pickle`, `tensors`, which says of each
//! tensor in what storage it lies and how, and `storages`, the numbers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::container::{Container, Unread, is_little_endian, key_of, next};
use super::numbers::Type;
use super::pickle::{Id, Pickle};
use super::storage::{Storages, StoredRange, View};
use super::unpickle::{self, most_values};

/// Bytes of a record.
const RECORD: u64 = 512;

/// Most dimensions of a tensor; PyTorch's own limit.
const MOST_DIMS: i32 = 64;

/// Opens the archive.
pub(super) fn open(path: &Path) -> Result<Container, Unread> {
    let mut storages = Storages::of(path)?;
    let parts = parts(path)?;
    let most = most_values(storages.size());
    let part = |name: &str| -> Result<(BufReader<File>, u64), Unread> {
        let Some((at, length)) = parts.get(name) else {
            let first = parts.keys().min().map_or(String::new(), |name| format!(" ({name} is in it)"));
            return Err(match parts.contains_key("pickle") || parts.contains_key("storages") {
                true => format!("its entry {name} is missing").into(),
                false => Unread::Other(
                    format!("a tar archive that torch.save did not write{first}"),
                    "unpack it, and give the file with the weights",
                ),
            });
        };
        let mut file = BufReader::new(File::open(path)?);
        file.seek(SeekFrom::Start(*at))?;
        Ok((file, at + length))
    };
    // files of the first days have no such entry
    if parts.contains_key("sys_info") {
        let system = unpickle::read(&mut part("sys_info")?.0, most)?;
        if !is_little_endian(&system)? {
            return Err(
                "its numbers have their highest byte first; load it with PyTorch and save it again".into()
            );
        }
    }
    let (mut file, end) = part("storages")?;
    let types = numbers(&mut file, end, most, &mut storages)?;
    let tensors = tensors(&mut part("tensors")?.0, most, &types)?;
    let saved = unpickle::read(&mut part("pickle")?.0, most)?;
    Ok(Container { saved, storages, tensors })
}

/// Where the entries lie: names, offsets, lengths. Entries that are no plain files can claim more than they hold.
fn parts(path: &Path) -> Result<HashMap<String, (u64, u64)>, Unread> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let (mut at, mut parts) = (0, HashMap::new());
    while at + RECORD <= size {
        let mut record = [0; RECORD as usize];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut record)?;
        if record.iter().all(|byte| *byte == 0) {
            break;
        }
        if !matches!(record[156], b'0' | 0 | b'5') {
            return Err("it has an entry that is no plain file".into());
        }
        let length = octal(&record[124..136]).ok_or("an entry has no length")?;
        let name = String::from_utf8_lossy(&record[..100]);
        let name = name.trim_end_matches('\0').trim_start_matches("./").to_owned();
        at += RECORD;
        if at.checked_add(length).is_none_or(|end| end > size) {
            return Err(format!("it ends before its entry {name} does").into());
        }
        parts.insert(name, (at, length));
        at += length.div_ceil(RECORD) * RECORD;
    }
    Ok(parts)
}

/// A number as headers spell it: octal digits, then a blank or zero.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches([' ', '\0']), 8).ok()
}

/// Notes where the storages lie; returns the types of their numbers.
fn numbers(
    file: &mut BufReader<File>,
    end: u64,
    most: u64,
    storages: &mut Storages,
) -> Result<HashMap<String, Type>, Unread> {
    let mut types = HashMap::new();
    for _ in 0..count(file, most)? {
        let about = unpickle::read(file, most)?;
        let [key, _, class] = fields(&about)?;
        let class = about.class(class).ok_or("a storage has no type")?;
        let number = Type::of_storage(&class.name)
            .ok_or_else(|| format!("storages of the type {class} are not known"))?;
        let key = key_of(&about, key).ok_or("a storage has no name")?;
        let place = next(file, number.size, end)?;
        storages.places.insert(key.clone(), place);
        types.insert(key, number);
    }
    // storages that are parts of others: their name, the other's, the first number, how many
    let views = unpickle::read(file, most)?;
    for view in views.sequence(views.root).ok_or("its list of views is none")? {
        let Some([key, whole, offset, length]) = views.sequence(*view) else {
            return Err("a view of a storage has no four parts".into());
        };
        let (key, whole) =
            key_of(&views, *key).zip(key_of(&views, *whole)).ok_or("a view of a storage has no name")?;
        let (place, number) = storages
            .places
            .get(&whole)
            .copied()
            .zip(types.get(&whole).copied())
            .ok_or_else(|| format!("storage {key} is a part of {whole}, which is missing"))?;
        let bytes = |id: Id| (views.count(id)? as u64).checked_mul(number.size as u64);
        let part = bytes(*offset)
            .zip(bytes(*length))
            .filter(|(offset, length)| offset.checked_add(*length).is_some_and(|end| end <= place.length));
        let (offset, length) = part.ok_or_else(|| format!("storage {key} is no part of {whole}"))?;
        storages.places.insert(key.clone(), StoredRange { at: place.at + offset, length, crc: None });
        types.insert(key, number);
    }
    Ok(types)
}

/// The tensors by their names in the pickle.
fn tensors(
    file: &mut BufReader<File>,
    most: u64,
    types: &HashMap<String, Type>,
) -> Result<HashMap<String, (Type, View)>, Unread> {
    let mut tensors = HashMap::new();
    for _ in 0..count(file, most)? {
        let about = unpickle::read(file, most)?;
        let [name, key, _] = fields(&about)?;
        let (name, key) =
            key_of(&about, name).zip(key_of(&about, key)).ok_or("a tensor or its storage has no name")?;
        let mut four = [0; 4];
        file.read_exact(&mut four)?;
        let rank = i32::from_le_bytes(four);
        if !(0..=MOST_DIMS).contains(&rank) {
            return Err(format!("tensor {name} has {rank} dimensions").into());
        }
        // the number of dimensions once had eight bytes
        file.read_exact(&mut four)?;
        let dims = (0..rank).map(|_| number(file)).collect::<Result<_, _>>()?;
        let strides = (0..rank).map(|_| number(file)).collect::<Result<_, _>>()?;
        let offset = number(file)?;
        let kind = *types.get(&key).ok_or_else(|| format!("storage {key} of tensor {name} is missing"))?;
        tensors.insert(name, (kind, View { key, offset, dims, strides }));
    }
    Ok(tensors)
}

fn number(file: &mut impl Read) -> Result<usize, Unread> {
    let mut eight = [0; 8];
    file.read_exact(&mut eight)?;
    i64::from_le_bytes(eight).try_into().map_err(|_| "a size is negative".into())
}

fn count(file: &mut impl Read, most: u64) -> Result<usize, Unread> {
    let count = unpickle::read(file, most)?;
    count.count(count.root).ok_or_else(|| "it does not say how many tensors it has".into())
}

/// A pickled tuple of three.
fn fields(about: &Pickle) -> Result<[Id; 3], Unread> {
    let fields = about.sequence(about.root).and_then(|fields| fields.try_into().ok());
    fields.ok_or_else(|| "what it says about a tensor has no three parts".into())
}
