//! The deliveries of a stream's group, which come before the consumers that they are with: they have to be remembered
//! until then, and there may be tens of millions of them.

use tributary_rdb::{Pending, StreamId};

/// Entries that are packed together, and unpacked to look for one.
const BLOCK: usize = 1024;
/// What may be remembered of one group: a good ten million deliveries, for most take no more than 5 bytes.
const LIMIT: usize = 48 << 20;

/// More deliveries than are remembered; how many there were when that was noticed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany(pub u64);

/// Deliveries in the order of their IDs, each as its distance from the one before.
#[derive(Debug)]
pub(super) struct Delivered {
    /// Blocks by the ID of their first entry.
    blocks: Vec<(StreamId, Box<[u8]>)>,
    bytes: usize,
    count: u64,
    limit: usize,
    /// The block that was looked into last: consumers ask in the order of the IDs as well.
    open: Option<(usize, Vec<Pending>)>,
}

impl Default for Delivered {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl Delivered {
    fn with_limit(limit: usize) -> Self {
        Self { blocks: Vec::new(), bytes: 0, count: 0, limit, open: None }
    }

    /// Remembers what follows, in the order of the IDs.
    ///
    /// # Errors
    /// When it would be too much to hold.
    pub(super) fn remember(&mut self, pending: &[Pending]) -> Result<(), TooMany> {
        for block in pending.chunks(BLOCK) {
            let Some(first) = block.first() else { continue };
            let packed = pack(block);
            self.bytes += packed.len() + size_of::<(StreamId, Box<[u8]>)>();
            self.count += block.len() as u64;
            if self.bytes > self.limit {
                return Err(TooMany(self.count));
            }
            self.blocks.push((first.id, packed));
        }
        Ok(())
    }

    /// When an entry was delivered, and how often; `None` for one that is not there.
    pub(super) fn find(&mut self, id: StreamId) -> Option<(u64, u64)> {
        let at = self.blocks.partition_point(|(first, _)| *first <= id).checked_sub(1)?;
        if self.open.as_ref().is_none_or(|(open, _)| *open != at) {
            self.open = self.blocks.get(at).map(|(_, packed)| (at, unpack(packed)));
        }
        let (_, block) = self.open.as_ref()?;
        let found = block.get(block.binary_search_by_key(&id, |pending| pending.id).ok()?)?;
        Some((found.delivered_at_ms, found.deliveries))
    }
}

/// Numbers wrap, so that whatever a source sends comes out as it went in.
fn pack(block: &[Pending]) -> Box<[u8]> {
    let (mut out, mut last) = (Vec::new(), Pending { id: StreamId::default(), delivered_at_ms: 0, deliveries: 0 });
    for next in block {
        let later = next.id.ms.wrapping_sub(last.id.ms);
        put(&mut out, later);
        put(&mut out, if later == 0 { next.id.seq.wrapping_sub(last.id.seq) } else { next.id.seq });
        let by = next.delivered_at_ms.wrapping_sub(last.delivered_at_ms).cast_signed();
        // A time may be before the last one: the sign goes to the lowest bit.
        put(&mut out, (by.wrapping_shl(1) ^ (by >> 63)).cast_unsigned());
        put(&mut out, next.deliveries);
        last = *next;
    }
    out.into_boxed_slice()
}

fn unpack(mut bytes: &[u8]) -> Vec<Pending> {
    let (mut block, mut last) = (Vec::new(), Pending { id: StreamId::default(), delivered_at_ms: 0, deliveries: 0 });
    while !bytes.is_empty() {
        let (later, seq, by, deliveries) = (take(&mut bytes), take(&mut bytes), take(&mut bytes), take(&mut bytes));
        let ms = last.id.ms.wrapping_add(later);
        let seq = if later == 0 { last.id.seq.wrapping_add(seq) } else { seq };
        let by = (by >> 1) ^ (by & 1).wrapping_neg();
        let delivered_at_ms = last.delivered_at_ms.wrapping_add(by);
        last = Pending { id: StreamId { ms, seq }, delivered_at_ms, deliveries };
        block.push(last);
    }
    block
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    while let Some((byte, rest)) = bytes.split_first() {
        *bytes = rest;
        number |= u64::from(byte & 0x7f).wrapping_shl(shift);
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(number: u64) -> Pending {
        let id = StreamId { ms: 1_700_000_000_000 + number / 3, seq: number % 3 };
        // Now earlier, now later than the one before.
        Pending { id, delivered_at_ms: 1_700_000_100_000 + (number * 7919) % 5000, deliveries: 1 + number % 4 }
    }

    #[test]
    fn every_delivery_is_found_again() {
        let mut all: Vec<Pending> = (0..10_000).map(pending).collect();
        let id = StreamId { ms: u64::MAX, seq: u64::MAX };
        all.push(Pending { id, delivered_at_ms: u64::MAX, deliveries: u64::MAX });
        let mut delivered = Delivered::default();
        all.chunks(3_333).for_each(|part| delivered.remember(part).unwrap());
        // As two consumers ask: each in order.
        for begin in [0, 1] {
            for one in all.iter().skip(begin).step_by(2) {
                assert_eq!(delivered.find(one.id), Some((one.delivered_at_ms, one.deliveries)), "{one:?}");
            }
        }
        assert_eq!(delivered.find(StreamId { ms: 5, seq: 0 }), None);
        assert_eq!(delivered.find(StreamId { ms: 1_700_000_000_000, seq: 9 }), None);
    }

    #[test]
    fn a_delivery_takes_few_bytes_and_too_many_are_refused() {
        let all: Vec<Pending> = (0..100_000).map(pending).collect();
        let mut delivered = Delivered::default();
        delivered.remember(&all).unwrap();
        assert!(delivered.bytes < 6 * all.len(), "{}", delivered.bytes);
        let mut bounded = Delivered::with_limit(100_000);
        let TooMany(count) = bounded.remember(&all).unwrap_err();
        assert!((10_000..50_000).contains(&count), "{count}");
    }
}
