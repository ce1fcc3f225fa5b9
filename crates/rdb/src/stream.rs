//! The content of a stream (Redis' t_stream.c for the entries, rdb.c for what is around them).

use crate::cursor::{Cursor, STRING_LIMIT};
use crate::error::{Broken, Parsed};
use crate::packed::Packed;
use crate::part::{Consumer, Entry, Group, Part, Pending, StreamId, StreamInfo};

/// An entry that was deleted within its node.
const DELETED: i64 = 1;
/// An entry with the same fields as the node's first.
const SAME_FIELDS: i64 = 2;

const CUT: Broken = Broken::Malformed("a stream's node that is cut off");
const UNKNOWN_PENDING: Broken = Broken::Malformed("a consumer's pending entry that its group does not know");

/// Where the decoder stands in a stream.
#[derive(Debug)]
pub(crate) struct StreamState {
    /// Generation of the format: 2 knows more of the stream and its groups, 3 more of consumers.
    generation: u8,
    place: Place,
    /// Pending entries of the group that no consumer had so far.
    unclaimed: u64,
    /// The last ID of the nodes, or of a list of pending entries. Servers write all this in order, as their radix trees
    /// hold it; what is not in order may be there twice.
    last: Option<StreamId>,
    /// The last group's name.
    group: Option<Vec<u8>>,
    /// The last consumer's name in this group.
    consumer: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Place {
    Start,
    Nodes(u64),
    /// In a node; the nodes behind it.
    Node(u64, Node),
    Groups(u64),
    /// In a group: its pending entries are next.
    Pending(u64, Option<u64>),
    /// In a group: its consumers are next.
    Consumers(u64, Option<u64>),
    /// In a consumer: pending IDs are next.
    Ids(u64, u64, Vec<u8>, u64),
}

impl StreamState {
    pub(crate) fn new(generation: u8) -> Self {
        Self { generation, place: Place::Start, unclaimed: 0, last: None, group: None, consumer: None }
    }

    /// The next part; `None` at the end. What is not there yet is asked for again.
    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>, size: usize) -> Parsed<Option<Part>> {
        loop {
            let mut ahead = *cursor;
            let (place, part) = match &mut self.place {
                Place::Start => (Place::Nodes(ahead.count()?), None),
                Place::Nodes(0) => {
                    let info = self.info(&mut ahead)?;
                    (Place::Groups(ahead.count()?), Some(Part::StreamInfo(info)))
                }
                Place::Nodes(left) => {
                    let node = Node::open(&mut ahead)?;
                    ascending(&mut self.last, [node.base])?;
                    (Place::Node(*left - 1, node), None)
                }
                Place::Node(left, node) => match node.entries(size)? {
                    Some(entries) => return Ok(Some(Part::Entries(entries))),
                    None => (Place::Nodes(*left), None),
                },
                Place::Groups(0) => return Ok(None),
                Place::Groups(left) => {
                    let left = *left - 1;
                    let group = self.group(&mut ahead)?;
                    ascending(&mut self.group, [group.name.clone()])?;
                    self.consumer = None;
                    (Place::Pending(left, None), Some(Part::Group(group)))
                }
                Place::Pending(groups, None) => {
                    let count = ahead.count()?;
                    (self.unclaimed, self.last) = (count, None);
                    (Place::Pending(*groups, Some(count)), None)
                }
                Place::Pending(groups, Some(0)) => (Place::Consumers(*groups, None), None),
                Place::Pending(groups, Some(left)) => {
                    let pending = several(&mut ahead, *left, size, pending)?;
                    ascending(&mut self.last, pending.iter().map(|pending| pending.id))?;
                    let left = *left - pending.len() as u64;
                    (Place::Pending(*groups, Some(left)), Some(Part::Pending(pending)))
                }
                Place::Consumers(groups, None) => (Place::Consumers(*groups, Some(ahead.count()?)), None),
                Place::Consumers(_, Some(0)) if self.unclaimed > 0 => {
                    return Err(Broken::Malformed("a stream's pending entries of no consumer"));
                }
                Place::Consumers(groups, Some(0)) => (Place::Groups(*groups), None),
                Place::Consumers(groups, Some(left)) => {
                    let name = ahead.string()?.into_owned();
                    ahead.take(if self.generation >= 3 { 16 } else { 8 })?;
                    let ids = ahead.count()?;
                    ascending(&mut self.consumer, [name.clone()])?;
                    self.unclaimed = self.unclaimed.checked_sub(ids).ok_or(UNKNOWN_PENDING)?;
                    self.last = None;
                    let consumer = Consumer { name: name.clone(), pending: Vec::new() };
                    (Place::Ids(*groups, *left - 1, name, ids), Some(Part::Consumer(consumer)))
                }
                Place::Ids(groups, consumers, _, 0) => (Place::Consumers(*groups, Some(*consumers)), None),
                Place::Ids(groups, consumers, name, left) => {
                    let pending = several(&mut ahead, *left, size, raw_id)?;
                    ascending(&mut self.last, pending.iter().copied())?;
                    let left = *left - pending.len() as u64;
                    let consumer = Consumer { name: name.clone(), pending };
                    (Place::Ids(*groups, *consumers, std::mem::take(name), left), Some(Part::Consumer(consumer)))
                }
            };
            self.place = place;
            *cursor = ahead;
            if part.is_some() {
                return Ok(part);
            }
        }
    }

    fn info(&self, cursor: &mut Cursor<'_>) -> Parsed<StreamInfo> {
        let length = cursor.length()?;
        let last_id = id(cursor)?;
        if self.generation < 2 {
            return Ok(StreamInfo { length, last_id, max_deleted_id: None, entries_added: None });
        }
        let _first = id(cursor)?;
        let max_deleted_id = Some(id(cursor)?);
        Ok(StreamInfo { length, last_id, max_deleted_id, entries_added: Some(cursor.length()?) })
    }

    fn group(&self, cursor: &mut Cursor<'_>) -> Parsed<Group> {
        let name = cursor.string()?.into_owned();
        let last_id = id(cursor)?;
        // -1 where the server itself does not know.
        let read = if self.generation >= 2 { i64::try_from(cursor.length()?).ok() } else { None };
        Ok(Group { name, last_id, entries_read: read.and_then(|n| u64::try_from(n).ok()) })
    }
}

/// As many items as are there, up to a part's size; at least one, or the need for more.
fn several<T>(
    cursor: &mut Cursor<'_>,
    left: u64,
    size: usize,
    read: impl Fn(&mut Cursor<'_>) -> Parsed<T>,
) -> Parsed<Vec<T>> {
    let begin = cursor.at;
    let mut items = Vec::new();
    while (items.len() as u64) < left && cursor.at - begin < size {
        let mut ahead = *cursor;
        match read(&mut ahead) {
            Ok(item) => items.push(item),
            Err(Broken::Need) if !items.is_empty() => break,
            Err(broken) => return Err(broken),
        }
        *cursor = ahead;
    }
    Ok(items)
}

/// An ID as two lengths.
fn id(cursor: &mut Cursor<'_>) -> Parsed<StreamId> {
    Ok(StreamId { ms: cursor.length()?, seq: cursor.length()? })
}

/// An ID as 16 bytes, big endian.
fn raw_id(cursor: &mut Cursor<'_>) -> Parsed<StreamId> {
    Ok(StreamId { ms: u64::from_be_bytes(cursor.array()?), seq: u64::from_be_bytes(cursor.array()?) })
}

fn pending(cursor: &mut Cursor<'_>) -> Parsed<Pending> {
    Ok(Pending {
        id: raw_id(cursor)?,
        delivered_at_ms: u64::from_le_bytes(cursor.array()?),
        deliveries: cursor.length()?,
    })
}

/// IDs or names that must each be greater than the one before.
fn ascending<T: PartialOrd>(last: &mut Option<T>, items: impl IntoIterator<Item = T>) -> Parsed<()> {
    for item in items {
        if last.as_ref().is_some_and(|last| *last >= item) {
            return Err(Broken::Malformed("a part of a stream that is there twice, or not in order"));
        }
        *last = Some(item);
    }
    Ok(())
}

/// A node whose entries are being read.
#[derive(Debug)]
struct Node {
    /// The first ID: the entries' IDs count from it.
    base: StreamId,
    packed: Packed,
    /// Fields that most of its entries have.
    fields: Vec<Vec<u8>>,
    /// Entries that were not read, deleted ones included.
    left: u64,
}

impl Node {
    /// Its first ID, and the beginning of its listpack.
    fn open(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let mut ahead = *cursor;
        ahead.skip_bounded()?;
        ahead.skip_bounded()?;
        let key = cursor.string()?;
        let base = raw_id(&mut Cursor::new(&key, 0)).ok().filter(|_| key.len() == 16);
        let base = base.ok_or(Broken::Malformed("a stream's node without an ID"))?;
        let packed = Packed::listpack(cursor.string()?)?;
        let mut node = Self { base, packed, fields: Vec::new(), left: 0 };
        let (count, deleted) = (node.count()?, node.count()?);
        node.left = count.saturating_add(deleted);
        let fields = node.count()?;
        node.fields = node.texts(fields)?;
        node.number()?;
        Ok(node)
    }

    /// As many entries as make a part; `None` when there are no more.
    fn entries(&mut self, size: usize) -> Parsed<Option<Vec<Entry>>> {
        let (mut entries, mut held) = (Vec::new(), 0);
        while self.left > 0 && held < size {
            self.left -= 1;
            if let Some(entry) = self.entry()? {
                held += entry.fields.iter().map(|text| memory(text)).sum::<usize>() + size_of::<Entry>();
                entries.push(entry);
            }
        }
        if self.left == 0 && entries.is_empty() && self.packed.next()?.is_some() {
            return Err(Broken::Malformed("a stream's node with more than its entries"));
        }
        Ok((!entries.is_empty()).then_some(entries))
    }

    /// The next entry; `None` for a deleted one.
    fn entry(&mut self) -> Parsed<Option<Entry>> {
        let flags = self.number()?;
        let (ms, seq) = (self.number()?, self.number()?);
        let id = StreamId { ms: self.base.ms.wrapping_add_signed(ms), seq: self.base.seq.wrapping_add_signed(seq) };
        let fields = if flags & SAME_FIELDS != 0 {
            let values = self.texts(self.fields.len() as u64)?;
            self.fields.iter().cloned().zip(values).flat_map(|(field, value)| [field, value]).collect()
        } else {
            let pairs = self.count()?;
            self.texts(pairs.saturating_mul(2))?
        };
        // How many elements the entry has, for walking backwards.
        self.number()?;
        Ok((flags & DELETED == 0).then_some(Entry { id, fields }))
    }

    fn text(&mut self) -> Parsed<Vec<u8>> {
        self.packed.next()?.ok_or(CUT)
    }

    /// So many texts, which cannot come in parts.
    fn texts(&mut self, count: u64) -> Parsed<Vec<Vec<u8>>> {
        let (mut texts, mut held) = (Vec::new(), 0);
        for _ in 0..count {
            let text = self.text()?;
            held += memory(&text) as u64;
            if held > STRING_LIMIT {
                return Err(Broken::TooLarge(held, STRING_LIMIT));
            }
            texts.push(text);
        }
        Ok(texts)
    }

    fn number(&mut self) -> Parsed<i64> {
        let item = self.packed.item()?.ok_or(CUT)?;
        item.number().ok_or(Broken::Malformed("a stream's node with a text where a number should be"))
    }

    fn count(&mut self) -> Parsed<u64> {
        u64::try_from(self.number()?).map_err(|_| Broken::Malformed("a stream's node with a negative count"))
    }
}

/// The memory that a text takes, about: most are short, and an allocation has a least size.
fn memory(text: &[u8]) -> usize {
    size_of::<Vec<u8>>() + text.len().max(32)
}
