//! The stack machine that pickles are programs of, protocols 0 to 5 (Python's `pickletools` lists the opcodes). Of what it
//! is told to look up and to call it only takes notes ([`Pickle`]).
//!
//! Each opcode makes one value at most, and values that are met again are not copied: memory is bounded by the length of
//! the pickle, and beyond that by [`most_values`].

use std::collections::HashMap;
use std::io::Read;

use super::pickle::{Class, Id, Object, Pickle, PickleValue};
use super::scalars::{Bytes, long, whole};

/// Bytes that a value takes, about, with what refers to it.
const VALUE: u64 = 40;

/// So many values a file of any size may have: a few hundred megabytes in memory.
const FREE: u64 = 8 << 20;

/// Most values of a file of `size` bytes: they take no more memory than the file does on disk.
pub(super) fn most_values(size: u64) -> u64 {
    (size / VALUE).max(FREE)
}

/// Reads the pickle that begins at `bytes` and stops behind its end; `most` values may be made.
///
/// The error says what is wrong with it.
pub(super) fn read(bytes: &mut impl Read, most: u64) -> Result<Pickle, String> {
    let mut machine = Machine::new(bytes, most);
    loop {
        let opcode = machine.bytes.byte()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            return Ok(Pickle { values: machine.values, root });
        }
        machine.step(opcode)?;
    }
}

/// What is pushed so often that one value does for all.
const NONE: Id = Id(0);
const TRUE: Id = Id(1);
const FALSE: Id = Id(2);
const EMPTY: Id = Id(3);

struct Machine<'r, R> {
    bytes: Bytes<'r, R>,
    values: Vec<PickleValue>,
    stack: Vec<Id>,
    /// Heights of the stack at open marks.
    marks: Vec<u32>,
    memo: HashMap<u32, Id>,
    left: u64,
}

impl<'r, R: Read> Machine<'r, R> {
    fn new(bytes: &'r mut R, most: u64) -> Self {
        let values = vec![
            PickleValue::None,
            PickleValue::Bool(true),
            PickleValue::Bool(false),
            PickleValue::Tuple(Box::default()),
        ];
        Self {
            bytes: Bytes(bytes),
            values,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            left: most,
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            // the protocol, and the lengths of frames, tell a reader nothing that it needs
            0x80 => self.bytes.skip(1),
            0x95 => self.bytes.skip(8),
            b'(' => self.mark(),
            b'0' => match self.marks.last() {
                Some(&mark) if mark as usize == self.stack.len() => {
                    self.marks.pop();
                    Ok(())
                }
                _ => self.pop().map(|_| ()),
            },
            b'1' => self.marked().map(|_| ()),
            b'2' => {
                let top = self.top()?;
                self.push(top)
            }
            b'N' => self.push(NONE),
            0x88 => self.push(TRUE),
            0x89 => self.push(FALSE),
            b')' => self.push(EMPTY),
            b'I' | b'L' | b'F' | b'S' | b'V' | b'J' | b'K' | b'M' | 0x8a | 0x8b | b'G' => self.scalar(opcode),
            b'U' | b'T' | b'X' | 0x8c | 0x8d | b'C' | b'B' | 0x8e | 0x96 => self.string(opcode),
            b']' | 0x8f => self.make(PickleValue::List(Vec::new())),
            b'}' => self.make(PickleValue::Dict(Vec::new())),
            b'l' | 0x91 => {
                let items = self.marked()?;
                self.make(PickleValue::List(items))
            }
            b't' => {
                let items = self.marked()?;
                self.make(PickleValue::Tuple(items.into()))
            }
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(opcode - 0x84)).ok_or_else(short)?;
                if self.floor() > from {
                    return Err(short());
                }
                let items = self.stack.split_off(from);
                self.make(PickleValue::Tuple(items.into()))
            }
            b'd' => {
                let items = self.marked()?;
                self.make(PickleValue::Dict(pairs(&items)))
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])
            }
            b'e' | 0x90 => {
                let items = self.marked()?;
                self.append(&items)
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[(key, value)])
            }
            b'u' => {
                let items = self.marked()?;
                self.set(&pairs(&items))
            }
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.memory(opcode),
            b'c' | 0x93 | b'i' | b'o' | b'R' | 0x81 | 0x92 | b'b' => self.object(opcode),
            b'P' => {
                let name = self.bytes.line()?;
                self.make(PickleValue::Text(name.into()))?;
                let id = self.pop()?;
                self.make(PickleValue::Outside(id))
            }
            b'Q' => {
                let id = self.pop()?;
                self.make(PickleValue::Outside(id))
            }
            0x82..=0x84 | 0x97 | 0x98 => {
                Err("it refers to names or data that only the program which wrote it knows".to_owned())
            }
            other => Err(format!("{other:#04x} stands where an instruction should")),
        }
    }

    // numbers and texts

    fn scalar(&mut self, opcode: u8) -> Result<(), String> {
        let value = match opcode {
            b'I' | b'L' => {
                let line = self.bytes.line()?;
                match (opcode, line.as_str()) {
                    (b'I', "00") => PickleValue::Bool(false),
                    (b'I', "01") => PickleValue::Bool(true),
                    _ => whole(line.trim_end_matches('L'))?,
                }
            }
            b'F' => {
                let line = self.bytes.line()?;
                PickleValue::Float(line.parse().map_err(|_| format!("`{line}` is no number"))?)
            }
            b'S' | b'V' => {
                let line = self.bytes.line()?;
                let quoted = line.len() > 1 && opcode == b'S' && line.ends_with(['"', '\'']);
                PickleValue::Text(if quoted { line[1..line.len() - 1].into() } else { line.into() })
            }
            b'J' => PickleValue::Int(i32::from_le_bytes(self.bytes.array()?).into()),
            b'K' => PickleValue::Int(self.bytes.byte()?.into()),
            b'M' => PickleValue::Int(u16::from_le_bytes(self.bytes.array()?).into()),
            b'G' => PickleValue::Float(f64::from_be_bytes(self.bytes.array()?)),
            _ => {
                let length = self.bytes.length(if opcode == 0x8a { 1 } else { 4 })?;
                long(&self.bytes.take(length)?)
            }
        };
        self.make(value)
    }

    fn string(&mut self, opcode: u8) -> Result<(), String> {
        let width = match opcode {
            b'U' | 0x8c | b'C' => 1,
            b'T' | b'X' | b'B' => 4,
            _ => 8,
        };
        let length = self.bytes.length(width)?;
        let bytes = self.bytes.take(length)?;
        let value = match opcode {
            b'C' | b'B' | 0x8e | 0x96 => PickleValue::Bytes,
            // Python 2 kept bytes in its texts; Python 3 may have half of a pair of surrogates in one
            b'U' | b'T' => match String::from_utf8(bytes) {
                Ok(text) => PickleValue::Text(text.into()),
                Err(_) => PickleValue::Bytes,
            },
            _ => PickleValue::Text(String::from_utf8_lossy(&bytes).into()),
        };
        self.make(value)
    }

    // objects

    fn object(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            b'c' => {
                let (module, name) = (self.bytes.line()?, self.bytes.line()?);
                self.make(PickleValue::Class(Class { module, name }.into()))
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |id: Id| match &self.values[id.0 as usize] {
                    PickleValue::Text(text) => Ok(text.to_string()),
                    _ => Err("the name of a class is no text".to_owned()),
                };
                let class = Class { module: text(module)?, name: text(name)? };
                self.make(PickleValue::Class(class.into()))
            }
            b'i' => {
                let (module, name) = (self.bytes.line()?, self.bytes.line()?);
                let args = self.marked()?;
                self.make(PickleValue::Class(Class { module, name }.into()))?;
                let maker = self.pop()?;
                self.call(maker, args)
            }
            b'o' => {
                let mut args = self.marked()?;
                if args.is_empty() {
                    return Err(short());
                }
                let maker = args.remove(0);
                self.call(maker, args)
            }
            b'R' | 0x81 => {
                let (args, maker) = (self.pop()?, self.pop()?);
                self.make(made(maker, args))
            }
            0x92 => {
                let (_keywords, args, maker) = (self.pop()?, self.pop()?, self.pop()?);
                self.make(made(maker, args))
            }
            _ => {
                let (state, target) = (self.pop()?, self.top()?);
                if let PickleValue::Object(object) = &mut self.values[target.0 as usize] {
                    object.state = Some(state);
                }
                Ok(())
            }
        }
    }

    fn call(&mut self, maker: Id, args: Vec<Id>) -> Result<(), String> {
        self.make(PickleValue::Tuple(args.into()))?;
        let args = self.pop()?;
        self.make(made(maker, args))
    }

    fn append(&mut self, items: &[Id]) -> Result<(), String> {
        let target = self.top()?;
        match &mut self.values[target.0 as usize] {
            PickleValue::List(list) => list.extend(items),
            PickleValue::Object(object) => object.list.extend(items),
            _ => return Err("something is appended to what is no list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[(Id, Id)]) -> Result<(), String> {
        let target = self.top()?;
        match &mut self.values[target.0 as usize] {
            PickleValue::Dict(dict) => dict.extend(items),
            PickleValue::Object(object) => object.dict.extend(items),
            _ => return Err("something is set in what is no dictionary".to_owned()),
        }
        Ok(())
    }

    fn memory(&mut self, opcode: u8) -> Result<(), String> {
        let index = match opcode {
            b'p' | b'g' => self.bytes.line()?.parse().map_err(|_| "a reference is no number".to_owned())?,
            b'q' | b'h' => self.bytes.byte()?.into(),
            b'r' | b'j' => u32::from_le_bytes(self.bytes.array()?),
            _ => self.memo.len() as u32,
        };
        if matches!(opcode, b'g' | b'h' | b'j') {
            let id = *self.memo.get(&index).ok_or("it refers to a value that it has not")?;
            return self.push(id);
        }
        let top = self.top()?;
        self.count()?;
        self.memo.insert(index, top);
        Ok(())
    }

    // the stack

    fn count(&mut self) -> Result<(), String> {
        self.left = self.left.checked_sub(1).ok_or("it describes more values than its size allows")?;
        Ok(())
    }

    fn make(&mut self, value: PickleValue) -> Result<(), String> {
        self.count()?;
        let id = u32::try_from(self.values.len()).map_err(|_| "it describes too many values")?;
        self.values.push(value);
        self.push(Id(id))
    }

    fn push(&mut self, id: Id) -> Result<(), String> {
        self.stack.push(id);
        Ok(())
    }

    fn mark(&mut self) -> Result<(), String> {
        self.marks.push(u32::try_from(self.stack.len()).map_err(|_| "its stack is too high")?);
        Ok(())
    }

    /// What is below an open mark is out of reach.
    fn floor(&self) -> usize {
        self.marks.last().map_or(0, |mark| *mark as usize)
    }

    fn top(&self) -> Result<Id, String> {
        self.stack[self.floor().min(self.stack.len())..].last().copied().ok_or_else(short)
    }

    fn pop(&mut self) -> Result<Id, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn marked(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or_else(short)? as usize;
        if mark > self.stack.len() {
            return Err(short());
        }
        Ok(self.stack.split_off(mark))
    }
}

fn made(maker: Id, args: Id) -> PickleValue {
    PickleValue::Object(Object { maker, args, state: None, list: Vec::new(), dict: Vec::new() }.into())
}

fn pairs(items: &[Id]) -> Vec<(Id, Id)> {
    items.as_chunks::<2>().0.iter().map(|[key, value]| (*key, *value)).collect()
}

fn short() -> String {
    "it takes a value that it has not put there".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Pickle, String> {
        super::read(&mut &bytes[..], most_values(0))
    }

    #[test]
    fn values_of_all_protocols() {
        for pickle in [
            // {"a.b": 1, "f": [0.5, True], 7: (2**40, 2**70)} of protocols 0, 2 and 4
            &b"(dp0\nVa.b\np1\nI1\nsVf\np2\n(lp3\nF0.5\naI01\nasI7\n(L1099511627776L\nL1180591620717411303424L\ntp4\ns."[..],
            b"\x80\x02}q\x00(X\x03\x00\x00\x00a.bq\x01K\x01X\x01\x00\x00\x00fq\x02]q\x03(G?\xe0\x00\x00\x00\x00\x00\x00\x88eK\x07\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@\x86q\x04u.",
            b"\x80\x04\x95\x38\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x03a.b\x94K\x01\x8c\x01f\x94]\x94(G?\xe0\x00\x00\x00\x00\x00\x00\x88eK\x07\x8a\x06\x00\x00\x00\x00\x00\x01\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@\x86\x94u.",
        ] {
            let saved = read(pickle).unwrap();
            let items = saved.items(saved.root).unwrap();
            let [(a, one), (f, list), (seven, big)] = items[..] else { panic!("{items:?}") };
            assert_eq!((saved.text(a), saved.int(one)), (Some("a.b"), Some(1)));
            let list = saved.sequence(list).unwrap();
            assert!(matches!(saved.get(list[0]), PickleValue::Float(0.5)) && saved.int(list[1]) == Some(1));
            assert_eq!((saved.text(f), saved.int(seven)), (Some("f"), Some(7)));
            let big = saved.sequence(big).unwrap();
            assert!(saved.int(big[0]) == Some(1 << 40) && matches!(saved.get(big[1]), PickleValue::Huge));
        }
    }

    #[test]
    fn objects_are_noted_and_not_made() {
        // collections.OrderedDict with an item and a state; what was kept is the same object
        let ordered = b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x01\x00\x00\x00aK\x01s}X\x01\x00\x00\x00bK\x02sb0h\x01.";
        let saved = read(ordered).unwrap();
        let PickleValue::Object(object) = saved.get(saved.root) else { panic!() };
        assert_eq!(saved.maker(object).unwrap().to_string(), "collections.OrderedDict");
        assert_eq!(saved.items(saved.root).unwrap().len(), 1);
        let attributes = saved.attributes(object);
        assert!(matches!(attributes[..], [("b", two)] if saved.int(two) == Some(2)));
        // an instance of protocol 0
        let saved = read(b"(i__main__\nNet\np0\n(dp1\nVx\nI3\nsb.").unwrap();
        assert_eq!(saved.type_name(saved.root), "a __main__.Net");
        // a list in itself
        let saved = read(b"\x80\x02]q\x00h\x00a.").unwrap();
        assert_eq!(saved.sequence(saved.root).unwrap(), [saved.root]);
    }

    #[test]
    fn what_is_no_pickle_is_refused() {
        for bytes in [
            &b""[..],
            b"\x80\x02",
            b"\xff.",
            b"X\xff\xff\xff\xff.",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
            b"cposix\n.",
            b".",
            b"K\x01(.",
            b"(K\x01\x86.",
            b"h\x05.",
            b"K\x01K\x02a.",
            b"R.",
            b"K\x01b.",
            b"\x82\x01.",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        // a reference to a value far away asks for no memory
        assert!(read(b"Nr\xff\xff\xff\xffj\xff\xff\xff\xff.").is_ok());
        let many = [b"(".as_slice(), &b"]".repeat(100), b"t."].concat();
        assert!(super::read(&mut &many[..], 50).unwrap_err().contains("more values"));
    }
}
