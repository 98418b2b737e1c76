//! What `torch.save` wrote: from the values of a pickle to tensors by name. Dictionaries, lists and objects are walked for
//! them whatever their class; what is no tensor is of no interest. A pickled module gives what its `state_dict()` would.

use std::collections::HashMap;
use std::path::Path;

use super::container::{self, Container};
use super::kind::FileKind;
use super::modules::{Module, Said};
use super::numbers::Type;
use super::pickle::{Id, Object, Pickle, PickleValue};
use super::sections::{Section, Sections};
use super::storage::View;
use super::unread::{TensorContent, UnreadTensor};
use super::weights::ForeignWeights;
use super::{stream, tar, zip};
use crate::error::FormatError;

/// Deepest nesting that is walked; Python itself pickles no deeper.
const DEEPEST: usize = 1000;

/// Steps of the walk for each value: what is met again is walked again, and a small pickle can meet one value very often.
const STEPS: u64 = 16;
/// Steps that any walk may take.
const FREE_STEPS: u64 = 1 << 20;

/// Reads a file of one of PyTorch's kinds: all tensors in it under their whole names, the keys that lead to them included.
pub(super) fn read(path: &Path, kind: FileKind) -> Result<ForeignWeights, FormatError> {
    open(path, kind)?.read()
}

/// What a file of one of PyTorch's kinds holds; no numbers are read yet.
fn open(path: &Path, kind: FileKind) -> Result<Sections, FormatError> {
    let opened = match kind {
        FileKind::TorchStream => stream::open(path),
        FileKind::TorchTar => tar::open(path),
        _ => zip::open(path),
    };
    let container = opened.map_err(|error| error.of(path, kind))?;
    let steps = (container.saved.values.len() as u64).saturating_mul(STEPS).saturating_add(FREE_STEPS);
    let mut walk = Walk { container: &container, open: Vec::new(), path: Vec::new(), all: Vec::new(), steps };
    walk.visit(container.saved.root).map_err(|reason| FormatError::broken(path, kind, reason))?;
    let all = walk.all;
    if all.is_empty() {
        let what = container.saved.type_name(container.saved.root);
        let what = format!("a file of torch.save that holds {what} and no tensor");
        return Err(FormatError::other_kind(path, what, "save the state_dict of the network"));
    }
    Ok(Sections { path: path.into(), kind, all, storages: container.storages })
}

/// A walk through all that was saved.
struct Walk<'c> {
    container: &'c Container,
    /// What is being walked, the outermost first: a value may contain itself.
    open: Vec<Id>,
    path: Vec<String>,
    all: Vec<Section>,
    steps: u64,
}

impl<'c> Walk<'c> {
    fn saved(&self) -> &'c Pickle {
        &self.container.saved
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps = self.steps.checked_sub(1).ok_or("its values refer to each other too often")?;
        Ok(())
    }

    fn visit(&mut self, id: Id) -> Result<(), String> {
        self.step()?;
        if !matches!(
            self.saved().get(id),
            PickleValue::List(_) | PickleValue::Tuple(_) | PickleValue::Dict(_) | PickleValue::Object(_)
        ) || self.open.len() >= DEEPEST
            || self.open.contains(&id)
        {
            return Ok(());
        }
        self.open.push(id);
        let done = self.inside(id);
        self.open.pop();
        done
    }

    fn inside(&mut self, id: Id) -> Result<(), String> {
        let saved = self.saved();
        if let PickleValue::Object(object) = saved.get(id) {
            if let Some(module) = Module::of(saved, object) {
                let mut section =
                    Section { path: self.path.clone(), tensors: Vec::new(), said: Some(Said::default()) };
                self.module(&module, "", &mut section)?;
                if !section.tensors.is_empty() {
                    self.all.push(section);
                }
                return Ok(());
            }
            // a tensor that was saved alone
            if self.open.len() == 1
                && let Some(entry) = self.tensor(id, String::new())?
            {
                self.all.push(Section { path: Vec::new(), tensors: vec![entry], said: None });
                return Ok(());
            }
        }
        let children: Vec<(String, Id)> = match (saved.items(id), saved.get(id)) {
            (Some(items), _) => {
                let keyed = |(key, value)| Some((container::key_of(saved, key)?, value));
                items.into_iter().filter_map(keyed).collect()
            }
            (None, PickleValue::Object(object)) if object.list.is_empty() => {
                let attributes = saved.attributes(object).into_iter();
                attributes.map(|(name, value)| (name.to_owned(), value)).collect()
            }
            _ => {
                let items = saved.sequence(id).unwrap_or_default().iter();
                items.enumerate().map(|(index, value)| (index.to_string(), *value)).collect()
            }
        };
        let (mut tensors, mut known): (Vec<UnreadTensor>, HashMap<String, usize>) = Default::default();
        for (key, value) in children {
            self.step()?;
            match self.tensor(value, key.clone())? {
                // of two values under one key Python keeps the last
                Some(entry) => match known.get(&key) {
                    Some(at) => tensors[*at] = entry,
                    None => {
                        known.insert(key, tensors.len());
                        tensors.push(entry);
                    }
                },
                None => {
                    self.path.push(key);
                    self.visit(value)?;
                    self.path.pop();
                }
            }
        }
        if !tensors.is_empty() {
            self.all.push(Section { path: self.path.clone(), tensors, said: None });
        }
        Ok(())
    }

    /// Adds a module and those in it, as `state_dict()` lists them: parameters, buffers, then module by module.
    fn module(&mut self, module: &Module<'_>, at: &str, section: &mut Section) -> Result<(), String> {
        let first = section.tensors.len();
        for (name, value) in module.tensors() {
            self.step()?;
            if let Some(entry) = self.tensor(value, dotted(at, &name))? {
                section.tensors.push(entry);
            }
        }
        let own = &section.tensors[first..];
        let given = module.given(at, own);
        if let Some(said) = &mut section.said {
            said.add(module, at, !own.is_empty());
        }
        section.tensors.extend(given);
        for (name, child) in module.children() {
            self.step()?;
            let PickleValue::Object(object) = self.saved().get(child) else { continue };
            if self.open.len() >= DEEPEST || self.open.contains(&child) {
                continue;
            }
            if let Some(inner) = Module::of(self.saved(), object) {
                self.open.push(child);
                let done = self.module(&inner, &dotted(at, &name), section);
                self.open.pop();
                done?;
            }
        }
        Ok(())
    }

    /// The tensor that a value is, if it is one.
    fn tensor(&self, id: Id, name: String) -> Result<Option<UnreadTensor>, String> {
        let saved = self.saved();
        let entry = |dims: Vec<usize>, content| Some(UnreadTensor { name: name.clone(), dims, content });
        match saved.get(id) {
            PickleValue::Outside(key) => {
                let found = container::key_of(saved, *key).and_then(|key| self.container.tensors.get(&key));
                Ok(found.and_then(|(kind, view)| entry(view.dims.clone(), held(*kind, view.clone()))))
            }
            PickleValue::Object(object) => match rebuilt(saved, object) {
                None => Ok(None),
                // what is wrapped may be a tensor of an archive of the first kind
                Some(Rebuilt::Same(inner)) if self.open.len() < DEEPEST => self.tensor_below(inner, name),
                Some(Rebuilt::Same(_)) => Ok(None),
                Some(Rebuilt::Unknown(what)) => Ok(entry(Vec::new(), TensorContent::Other(what))),
                Some(Rebuilt::View(call, kind)) => match view(saved, call, kind) {
                    Ok((dims, content)) => Ok(entry(dims, content)),
                    Err(reason) if name.is_empty() => Err(reason),
                    Err(reason) => Err(format!("tensor {name}: {reason}")),
                },
            },
            _ => Ok(None),
        }
    }

    /// Parameters are wrapped once; twice would be somebody's joke, and a thousand times an attack.
    fn tensor_below(&self, id: Id, name: String) -> Result<Option<UnreadTensor>, String> {
        match self.saved().get(id) {
            PickleValue::Object(object)
                if matches!(rebuilt(self.saved(), object), Some(Rebuilt::Same(_))) =>
            {
                Ok(None)
            }
            _ => self.tensor(id, name),
        }
    }
}

fn dotted(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

fn held(kind: Type, view: View) -> TensorContent {
    match kind.number {
        Some(number) => TensorContent::Floats(number, view),
        None => TensorContent::Other(kind.name.to_owned()),
    }
}

/// Arguments by which PyTorch describes a tensor.
#[derive(Clone, Copy)]
enum Call {
    /// Storage, offset, dimensions, strides.
    Plain,
    /// Likewise; the seventh is the type.
    Typed,
}

/// What a call of PyTorch's makes.
enum Rebuilt<'p> {
    /// A tensor of these arguments.
    View(&'p [Id], Call),
    /// The same as another value.
    Same(Id),
    /// A tensor whose numbers cannot be read: what it is.
    Unknown(String),
}

/// What would be made of an object if it is a tensor.
fn rebuilt<'p>(saved: &'p Pickle, object: &Object) -> Option<Rebuilt<'p>> {
    let class = saved.class(object.maker)?;
    if !class.module.starts_with("torch") {
        return None;
    }
    let args = saved.args(object);
    let unknown = |what: &str| Some(Rebuilt::Unknown(what.to_owned()));
    match &*class.name {
        "_rebuild_tensor" | "_rebuild_tensor_v2" => Some(Rebuilt::View(args, Call::Plain)),
        "_rebuild_tensor_v3" => Some(Rebuilt::View(args, Call::Typed)),
        "_rebuild_parameter" | "_rebuild_parameter_with_state" | "Parameter" | "Variable" => {
            Some(Rebuilt::Same(*args.first()?))
        }
        // function, class, its arguments
        "_rebuild_from_type_v2" | "_rebuild_from_type" => {
            let [function, _, inner, ..] = args else { return None };
            let PickleValue::Tuple(inner) = saved.get(*inner) else { return None };
            match saved.class(*function).map(|class| &*class.name) {
                Some("_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Rebuilt::View(inner, Call::Plain)),
                Some("_rebuild_tensor_v3") => Some(Rebuilt::View(inner, Call::Typed)),
                Some("_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                    Some(Rebuilt::Same(*inner.first()?))
                }
                _ => unknown("a tensor of a class of its own"),
            }
        }
        "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor" => unknown("a sparse tensor"),
        "_rebuild_qtensor" => unknown("a quantised tensor"),
        "_rebuild_nested_tensor" => unknown("a nested tensor"),
        "_rebuild_meta_tensor_no_storage" => unknown("a meta tensor, which has no numbers"),
        "_rebuild_device_tensor_from_numpy"
        | "_rebuild_device_tensor_from_cpu_tensor"
        | "_rebuild_xla_tensor" => {
            unknown("a tensor of another device; move it to the CPU before it is saved")
        }
        "_rebuild_wrapper_subclass" => unknown("a tensor of a class of its own"),
        "UninitializedParameter" | "UninitializedBuffer" => unknown("a parameter that never got its numbers"),
        _ => None,
    }
}

/// Dimensions and contents of a tensor by the arguments of the call that rebuilds it.
fn view(saved: &Pickle, args: &[Id], call: Call) -> Result<(Vec<usize>, TensorContent), String> {
    let said = || "what it says about a tensor cannot be understood".to_owned();
    let [storage, offset, dims, strides, rest @ ..] = args else { return Err(said()) };
    let counts = |id: Id| saved.sequence(id)?.iter().map(|id| saved.count(*id)).collect::<Option<Vec<_>>>();
    let dims = counts(*dims).or_else(|| none(saved, *dims)).ok_or_else(said)?;
    let strides = counts(*strides).or_else(|| none(saved, *strides)).ok_or_else(said)?;
    let offset = saved.count(*offset).ok_or_else(said)?;
    let PickleValue::Outside(id) = saved.get(*storage) else { return Err(said()) };
    let Some([_, class, key, _, _, whole @ ..]) = saved.sequence(*id) else { return Err(said()) };
    let class = saved.class(*class).ok_or_else(said)?;
    let dtype = match call {
        // gradient, hooks, then the type
        Call::Typed => Some(saved.class(*rest.get(2).ok_or_else(said)?).ok_or_else(said)?),
        Call::Plain => None,
    };
    let kind = match dtype {
        Some(dtype) => Type::of_dtype(&dtype.name),
        None => Type::of_storage(&class.name),
    };
    let Some(kind) = kind else {
        let named = dtype.unwrap_or(class).name.clone();
        return Ok((dims, TensorContent::Other(named)));
    };
    // the oldest files have storages that are parts of others: name, first number, how many
    let part = whole.first().and_then(|part| saved.sequence(*part)).and_then(|part| match part {
        [_, first, _] => saved.count(*first),
        _ => None,
    });
    let offset = offset.checked_add(part.unwrap_or(0)).ok_or_else(said)?;
    let key = container::key_of(saved, *key).ok_or_else(said)?;
    Ok((dims.clone(), held(kind, View { key, offset, dims, strides })))
}

/// The dimensions of a single number: `torch.Size(())`.
fn none(saved: &Pickle, id: Id) -> Option<Vec<usize>> {
    match saved.get(id) {
        PickleValue::Object(object) if saved.args(object).is_empty() => Some(Vec::new()),
        _ => None,
    }
}
