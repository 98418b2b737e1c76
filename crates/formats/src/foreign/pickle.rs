//! What a pickle describes, as values that do nothing: a class is a pair of names, an object is what it would have been
//! made of. Nothing is looked up, called or imported. `unpickle.rs` builds them.
//!
//! Values lie in one list and name each other by their place in it, as Python's objects refer to each other: what is
//! met twice is held once, and what contains itself is no trouble to hold. Who walks along them must count steps.

/// The place of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Id(pub(super) u32);

/// A value of Python.
#[derive(Debug)]
pub(super) enum PickleValue {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits.
    Huge,
    Float(f64),
    Text(Box<str>),
    /// Bytes, which say nothing about tensors.
    Bytes,
    /// A list or a set.
    List(Vec<Id>),
    Tuple(Box<[Id]>),
    Dict(Vec<(Id, Id)>),
    Class(Box<Class>),
    Object(Box<Object>),
    /// What the program that wrote the pickle keeps outside of it, by whatever it calls that.
    Outside(Id),
}

/// A class or a function, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Class {
    pub(super) module: String,
    pub(super) name: String,
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.module, self.name)
    }
}

/// What an object would be made of.
#[derive(Debug)]
pub(super) struct Object {
    /// What would be called.
    pub(super) maker: Id,
    /// With what.
    pub(super) args: Id,
    /// What would be given to it afterwards, mostly its attributes.
    pub(super) state: Option<Id>,
    /// Items appended to it.
    pub(super) list: Vec<Id>,
    /// Items set in it.
    pub(super) dict: Vec<(Id, Id)>,
}

/// All values of a pickle.
#[derive(Debug)]
pub(super) struct Pickle {
    pub(super) values: Vec<PickleValue>,
    pub(super) root: Id,
}

impl Pickle {
    pub(super) fn get(&self, id: Id) -> &PickleValue {
        &self.values[id.0 as usize]
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            PickleValue::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn int(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            PickleValue::Int(value) => Some(*value),
            PickleValue::Bool(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    /// An integer that counts something.
    pub(super) fn count(&self, id: Id) -> Option<usize> {
        self.int(id).and_then(|value| value.try_into().ok())
    }

    /// The values in a list, a tuple or a set; `torch.Size` is a tuple in a call.
    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            PickleValue::List(items) => Some(items),
            PickleValue::Tuple(items) => Some(items),
            PickleValue::Object(object) if !object.list.is_empty() => Some(&object.list),
            PickleValue::Object(object) => match self.get(object.args) {
                PickleValue::Tuple(args) if args.len() == 1 => match self.get(args[0]) {
                    PickleValue::List(items) => Some(items),
                    PickleValue::Tuple(items) => Some(items),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    /// The arguments of a call.
    pub(super) fn args(&self, object: &Object) -> &[Id] {
        match self.get(object.args) {
            PickleValue::Tuple(args) => args,
            _ => &[],
        }
    }

    /// What would be called to make an object; the class of one that protocols 0 and 1 rebuild.
    pub(super) fn maker(&self, object: &Object) -> Option<&Class> {
        let class = self.class(object.maker)?;
        let rebuilt = matches!(&*class.module, "copy_reg" | "copyreg")
            && matches!(&*class.name, "_reconstructor" | "__newobj__" | "__newobj_ex__");
        match self.args(object).first().filter(|_| rebuilt) {
            Some(first) => self.class(*first),
            None => Some(class),
        }
    }

    /// A class by its name, or as the oldest files of PyTorch keep it: outside, with its source.
    pub(super) fn class(&self, id: Id) -> Option<&Class> {
        match self.get(id) {
            PickleValue::Class(class) => Some(class),
            PickleValue::Outside(what) => match (self.get(*what), self.sequence(*what)) {
                (PickleValue::Tuple(_), Some([tag, class, ..])) if self.text(*tag) == Some("module") => {
                    match self.get(*class) {
                        PickleValue::Class(class) => Some(class),
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The items of a dictionary, whatever its class: pairs of key and value. `None` for what is none.
    pub(super) fn items(&self, id: Id) -> Option<Vec<(Id, Id)>> {
        let object = match self.get(id) {
            PickleValue::Dict(items) => return Some(items.clone()),
            PickleValue::Object(object) => object,
            _ => return None,
        };
        // protocols 0 and 1 hand a dictionary's contents to what rebuilds it, Python 2 pairs to an OrderedDict
        let mut all = Vec::new();
        for arg in self.args(object) {
            if let PickleValue::Dict(items) = self.get(*arg) {
                all.extend(items);
            }
        }
        if self.maker(object).is_some_and(|class| class.name == "OrderedDict")
            && let [pairs] = self.args(object)
        {
            let pairs = self.sequence(*pairs).unwrap_or_default().iter();
            all.extend(pairs.filter_map(|pair| match self.sequence(*pair) {
                Some([key, value]) => Some((*key, *value)),
                _ => None,
            }));
        }
        all.extend(&object.dict);
        let is_dict = !all.is_empty()
            || self.maker(object).is_some_and(|class| class.name.to_lowercase().ends_with("dict"));
        is_dict.then_some(all)
    }

    /// The attributes of an object: its state, if that is a dictionary, and those of slots beside it.
    pub(super) fn attributes(&self, object: &Object) -> Vec<(&str, Id)> {
        let Some(state) = object.state else { return Vec::new() };
        let parts = match self.get(state) {
            PickleValue::Dict(_) => vec![state],
            PickleValue::Tuple(parts) => parts.to_vec(),
            _ => Vec::new(),
        };
        let items = parts.into_iter().filter_map(|part| match self.get(part) {
            PickleValue::Dict(items) => Some(items),
            _ => None,
        });
        items.flatten().filter_map(|(key, value)| Some((self.text(*key)?, *value))).collect()
    }

    /// How Python names the type of a value.
    pub(super) fn type_name(&self, id: Id) -> String {
        match self.get(id) {
            PickleValue::None => "None".to_owned(),
            PickleValue::Bool(_) => "a bool".to_owned(),
            PickleValue::Int(_) | PickleValue::Huge => "an int".to_owned(),
            PickleValue::Float(_) => "a float".to_owned(),
            PickleValue::Text(_) => "a str".to_owned(),
            PickleValue::Bytes => "bytes".to_owned(),
            PickleValue::List(_) => "a list".to_owned(),
            PickleValue::Tuple(_) => "a tuple".to_owned(),
            PickleValue::Dict(_) => "a dict".to_owned(),
            PickleValue::Class(class) => format!("the name {class}"),
            PickleValue::Object(object) => match self.maker(object) {
                Some(class) => format!("a {class}"),
                None => "an object".to_owned(),
            },
            PickleValue::Outside(_) => "data outside of it".to_owned(),
        }
    }
}
