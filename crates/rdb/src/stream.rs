//! The content of a stream (Redis' t_stream.c for the entries, rdb.c for what is around them).

use crate::cursor::Cursor;
use crate::error::{Broken, Parsed};
use crate::packed;
use crate::part::{Consumer, Entry, Group, Part, Pending, StreamId, StreamInfo};

/// An entry that was deleted within its node.
const DELETED: i64 = 1;
/// An entry with the same fields as the node's first.
const SAME_FIELDS: i64 = 2;

/// Where the decoder stands in a stream.
#[derive(Debug)]
pub(crate) struct StreamState {
    /// Generation of the format: 2 knows more of the stream and its groups, 3 more of consumers.
    generation: u8,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Start,
    Nodes(u64),
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
        Self { generation, place: Place::Start }
    }

    /// The next part; `None` at the end. What is not there yet is asked for again.
    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>, size: usize) -> Parsed<Option<Part>> {
        loop {
            let mut ahead = *cursor;
            let (place, part) = match &self.place {
                Place::Start => (Place::Nodes(ahead.length()?), None),
                Place::Nodes(0) => {
                    let info = self.info(&mut ahead)?;
                    (Place::Groups(ahead.length()?), Some(Part::StreamInfo(info)))
                }
                Place::Nodes(left) => (Place::Nodes(left - 1), Some(Part::Entries(node(&mut ahead)?))),
                Place::Groups(0) => return Ok(None),
                Place::Groups(left) => {
                    let group = self.group(&mut ahead)?;
                    (Place::Pending(left - 1, None), Some(Part::Group(group)))
                }
                Place::Pending(groups, None) => (Place::Pending(*groups, Some(ahead.length()?)), None),
                Place::Pending(groups, Some(0)) => (Place::Consumers(*groups, None), None),
                Place::Pending(groups, Some(left)) => {
                    let pending = several(&mut ahead, *left, size, pending)?;
                    let left = left - pending.len() as u64;
                    (Place::Pending(*groups, Some(left)), Some(Part::Pending(pending)))
                }
                Place::Consumers(groups, None) => (Place::Consumers(*groups, Some(ahead.length()?)), None),
                Place::Consumers(groups, Some(0)) => (Place::Groups(*groups), None),
                Place::Consumers(groups, Some(left)) => {
                    let name = ahead.string()?.into_owned();
                    ahead.take(if self.generation >= 3 { 16 } else { 8 })?;
                    let ids = ahead.length()?;
                    let consumer = Consumer { name: name.clone(), pending: Vec::new() };
                    (Place::Ids(*groups, left - 1, name, ids), Some(Part::Consumer(consumer)))
                }
                Place::Ids(groups, consumers, _, 0) => (Place::Consumers(*groups, Some(*consumers)), None),
                Place::Ids(groups, consumers, name, left) => {
                    let pending = several(&mut ahead, *left, size, raw_id)?;
                    let left = left - pending.len() as u64;
                    let consumer = Consumer { name: name.clone(), pending };
                    (Place::Ids(*groups, *consumers, name.clone(), left), Some(Part::Consumer(consumer)))
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

/// A node: its first ID, and a listpack of entries that count from it.
fn node(cursor: &mut Cursor<'_>) -> Parsed<Vec<Entry>> {
    let key = cursor.string()?;
    let base = raw_id(&mut Cursor::new(&key, 0)).map_err(|_| Broken::Malformed("a stream's node without an ID"))?;
    let elements = packed::listpack(&cursor.string()?)?;
    let mut items = Items(elements.into_iter());
    let (count, deleted, master_fields) = (items.number()?, items.number()?, items.number()?);
    let fields: Vec<Vec<u8>> = (0..master_fields).map(|_| items.text()).collect::<Parsed<_>>()?;
    items.number()?;
    let mut entries = Vec::new();
    for _ in 0..count.saturating_add(deleted) {
        let flags = items.number()?;
        let id = StreamId {
            ms: base.ms.wrapping_add_signed(items.number()?),
            seq: base.seq.wrapping_add_signed(items.number()?),
        };
        let mut pairs = Vec::new();
        if flags & SAME_FIELDS != 0 {
            for field in &fields {
                pairs.push(field.clone());
                pairs.push(items.text()?);
            }
        } else {
            for _ in 0..items.number()?.saturating_mul(2) {
                pairs.push(items.text()?);
            }
        }
        items.number()?;
        if flags & DELETED == 0 {
            entries.push(Entry { id, fields: pairs });
        }
    }
    Ok(entries)
}

/// The elements of a node's listpack, one after the other.
struct Items(std::vec::IntoIter<Vec<u8>>);

impl Items {
    fn text(&mut self) -> Parsed<Vec<u8>> {
        self.0.next().ok_or(Broken::Malformed("a stream's node that is cut off"))
    }

    fn number(&mut self) -> Parsed<i64> {
        let text = self.text()?;
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
        number.ok_or(Broken::Malformed("a stream's node with a text where a number should be"))
    }
}
