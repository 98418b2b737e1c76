//! The stream that `torch.save` wrote from PyTorch 0.1.10 to 1.5: pickles one after another, then the numbers.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::container::{BIG_ENDIAN, Container, Unread, is_little_endian, key_of, next};
use super::numbers::Type;
use super::pickle::{Pickle, PickleValue};
use super::storage::Storages;
use super::unpickle::{self, most_values};

/// What the protocol's number is in every stream.
const PROTOCOL: i64 = 1001;

/// Opens the stream.
pub(super) fn open(path: &Path) -> Result<Container, Unread> {
    let mut storages = Storages::of(path)?;
    let most = most_values(storages.size());
    let mut file = BufReader::new(File::open(path)?);
    // the magic number, which told the kind of the file
    unpickle::read(&mut file, most)?;
    let protocol = unpickle::read(&mut file, most)?;
    if protocol.int(protocol.root) != Some(PROTOCOL) {
        return Err("its protocol is none that is known".into());
    }
    let system = unpickle::read(&mut file, most)?;
    if !is_little_endian(&system)? {
        return Err(BIG_ENDIAN.into());
    }
    let saved = unpickle::read(&mut file, most)?;
    let keys = unpickle::read(&mut file, most)?;
    let sizes = sizes(&saved);
    let Some(order) = keys.sequence(keys.root) else {
        return Err("the list of its storages is none".into());
    };
    for key in order {
        let key = key_of(&keys, *key).ok_or("a storage has no name")?;
        let size = *sizes.get(&key).ok_or_else(|| format!("no tensor uses storage {key}"))?;
        let place = next(&mut file, size, storages.size())?;
        storages.places.insert(key, place);
    }
    Ok(Container { saved, storages, tensors: HashMap::new() })
}

/// Bytes of a number in each storage that a pickle refers to.
fn sizes(saved: &Pickle) -> HashMap<String, usize> {
    let outside = saved.values.iter().filter_map(|value| match value {
        PickleValue::Outside(id) => saved.sequence(*id),
        _ => None,
    });
    let storages = outside.filter_map(|parts| match parts {
        [tag, class, key, ..] if saved.text(*tag) == Some("storage") => {
            let size = Type::of_storage(&saved.class(*class)?.name)?.size;
            Some((key_of(saved, *key)?, size))
        }
        _ => None,
    });
    storages.collect()
}
