//! Which commands a destination is told in other words.

use super::{Loss, Obstacle, Reach, Told, hashes, keys, lists, restore, sorted, streams};

/// Finds the words for one command, of which the arguments are given.
pub(super) type Rule = for<'a> fn(&Reach, &[&'a [u8]]) -> Told<'a>;

/// How commands of one name are told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    AsItIs,
    /// By a rule.
    By(Rule),
    /// XADD: by a rule, unless its third argument is a number.
    Adds(Rule),
    /// SET: by a rule, where it has options.
    Sets(Rule),
    /// Not at all.
    Never(Obstacle),
    /// Not at all, as the user has agreed.
    Skipped(Loss),
}

#[cfg(test)]
impl PartialEq for Way {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

/// How commands of this name, in capitals, are told to a destination.
pub(super) fn way(name: &[u8], to: &Reach) -> Way {
    if let Some(way) = rule(name, to) {
        return way;
    }
    match (to.has(name), is_of_module(name)) {
        (true, _) => Way::AsItIs,
        (false, true) if to.unsupported.skip_module_keys => Way::Skipped(Loss::Module),
        (false, true) => Way::Never(Obstacle::Module),
        (false, false) => Way::Never(Obstacle::Unknown),
    }
}

fn rule(name: &[u8], to: &Reach) -> Option<Way> {
    let has = to.has(name);
    let rule: Rule = match name {
        b"SET" if to.before(7, 0) || !to.redis(8, 4) => return Some(Way::Sets(keys::set)),
        b"XADD" if has => return Some(Way::Adds(streams::add)),
        b"XTRIM" if has => streams::trim,
        b"XGROUP" if has && to.before(7, 0) => streams::group,
        b"XSETID" if has && to.before(7, 0) => streams::set_id,
        b"XCLAIM" if to.before(7, 0) && to.source.is_some_and(|source| source >= (7, 0)) => streams::claim,
        b"XDELEX" if !has && to.has(b"XDEL") => streams::delete,
        b"XACKDEL" if !has && to.has(b"XDEL") => streams::acknowledge,
        b"GETDEL" | b"DELIFEQ" | b"DELEX" if !has => keys::delete,
        b"GETEX" if !has => keys::get_and_expire,
        b"MSETEX" if !has || to.held_back => keys::set_many,
        b"EXPIRE" | b"PEXPIRE" | b"EXPIREAT" | b"PEXPIREAT" if to.before(7, 0) => keys::expire,
        b"COPY" if !has => keys::copy,
        b"COPY" if to.unsupported.skip_module_keys => keys::copy_what_is_there,
        b"BITOP" if !to.redis(8, 2) => keys::bitop,
        b"FLUSHALL" | b"FLUSHDB" | b"SCRIPT" if to.before(6, 2) => keys::without_sync,
        b"SPUBLISH" if !has => keys::nothing,
        b"RENAME" | b"RENAMENX" if to.unsupported.skip_module_keys => keys::rename,
        b"FUNCTION" => keys::function,
        b"RESTORE" | b"RESTORE-ASKING" => restore::restore,
        b"LMOVE" if !has => lists::r#move,
        b"LPOP" | b"RPOP" if to.before(6, 2) => lists::pop,
        b"ZADD" if to.before(6, 2) => sorted::add,
        b"ZPOPMIN" | b"ZPOPMAX" if !has => sorted::pop,
        b"ZRANGESTORE" if !has => sorted::store_range,
        b"ZDIFFSTORE" if !has => sorted::store_difference,
        b"GEOSEARCHSTORE" if !has || !to.valkey(9, 0) => sorted::store_search,
        b"HSETEX" if !has || !to.valkey(9, 0) => hashes::set,
        b"HGETDEL" if !has => hashes::delete,
        b"HGETEX" if !has => hashes::get_and_expire,
        b"HEXPIRE" | b"HPEXPIRE" | b"HEXPIREAT" | b"HPEXPIREAT" if !has => hashes::expire,
        b"HPERSIST" if !has => hashes::persist,
        _ => return None,
    };
    Some(Way::By(rule))
}

/// Names of modules' commands hold a dot; vector sets are built into Redis 8 as a module.
fn is_of_module(name: &[u8]) -> bool {
    name.contains(&b'.') || matches!(name, b"VADD" | b"VREM" | b"VSETATTR")
}
