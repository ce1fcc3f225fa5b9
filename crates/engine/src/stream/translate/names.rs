//! What was decided for the names of commands, at hand for each of millions of commands.

use super::rules::Way;

/// Longer names are looked up each time.
const LONGEST: usize = 24;
/// A power of two, several times the number of names that one stream uses.
const SLOTS: usize = 128;

#[derive(Debug, Clone, Copy)]
struct Slot {
    name: [u8; LONGEST],
    len: usize,
    way: Way,
}

/// Each name has one place; of two names with the same place the later one has it.
#[derive(Debug)]
pub(super) struct Names(Box<[Slot]>);

impl Default for Names {
    fn default() -> Self {
        Self(vec![Slot { name: [0; LONGEST], len: 0, way: Way::AsItIs }; SLOTS].into_boxed_slice())
    }
}

impl Names {
    /// What was decided for a name as it is spelled, or what `decide` says of it in capitals.
    pub(super) fn way(&mut self, name: &[u8], decide: impl FnOnce(&[u8]) -> Way) -> Way {
        let (Some(first), Some(last)) = (name.first(), name.last()) else { return Way::AsItIs };
        let middle = name.get(name.len() / 2).unwrap_or(first);
        let place = name.len() ^ (usize::from(*first) * 5) ^ (usize::from(*last) * 19) ^ (usize::from(*middle) * 3);
        let Some(slot) = self.0.get_mut(place % SLOTS) else { return Way::AsItIs };
        if slot.name.get(..slot.len) == Some(name) {
            return slot.way;
        }
        let way = decide(&name.to_ascii_uppercase());
        if let Some(kept) = slot.name.get_mut(..name.len()) {
            kept.copy_from_slice(name);
            slot.len = name.len();
            slot.way = way;
        }
        way
    }
}

#[cfg(test)]
mod tests {
    use super::super::Obstacle;
    use super::*;

    #[test]
    fn a_name_is_decided_once_for_each_spelling_and_any_number_of_names_is_kept_apart() {
        let mut names = Names::default();
        let mut asked = 0;
        for _ in 0..3 {
            for name in [&b"INCR"[..], b"incr"] {
                let way = names.way(name, |capitals| {
                    assert_eq!(capitals, b"INCR");
                    asked += 1;
                    Way::Never(Obstacle::Unknown)
                });
                assert_eq!(way, Way::Never(Obstacle::Unknown));
            }
        }
        assert_eq!(asked, 2);
        for round in 0..2 {
            for number in 0..1000 {
                let name = format!("name{number}{}", "x".repeat(number % 30));
                let want = if number % 3 == 0 { Way::AsItIs } else { Way::Never(Obstacle::Form) };
                assert_eq!(names.way(name.as_bytes(), |_| want), want, "{name} in round {round}");
            }
        }
        assert_eq!(names.way(b"", |_| panic!("asked for nothing")), Way::AsItIs);
    }
}
