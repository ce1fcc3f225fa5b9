//! Commands that reach beyond the keys of one database, or beyond one source's.

use tributary_resp::{parse_int, write};

use super::super::command::{CopyTo, Kind};
use super::Apply;
use crate::checkpoint;
use crate::link::SessionEnd;

impl Apply<'_> {
    /// FLUSHALL, FLUSHDB and SWAPDB: they reach beyond keys.
    pub(super) fn database_command(
        &mut self,
        kind: Kind,
        swapped: (Option<i64>, Option<i64>),
        raw: &[u8],
    ) -> Result<(), SessionEnd> {
        let only = self.ctx.source.endpoint.db;
        let concerned = match (kind, only) {
            (_, None) | (Kind::FlushAll, _) => true,
            (Kind::FlushDb, Some(db)) => db == self.place.db,
            (_, Some(db)) => [swapped.0, swapped.1].contains(&Some(i64::from(db))),
        };
        if !concerned {
            return Ok(());
        }
        let name = self.ctx.source.endpoint.authority();
        if self.ctx.spec.sources.len() > 1 || (kind == Kind::SwapDb && only.is_some()) {
            let what = match kind {
                Kind::FlushAll => "FLUSHALL",
                Kind::FlushDb => "FLUSHDB",
                _ => "SWAPDB",
            };
            return Err(SessionEnd::NeedsFull(format!("{name} executed {what}")));
        }
        if let (Kind::FlushAll, Some(db)) = (kind, only) {
            self.transaction.begin(self.ctx.spec.destination.db.unwrap_or(db), self.arrived);
            write::command(&mut self.transaction.out, &[b"FLUSHDB"]);
            self.transaction.added(1);
            self.transaction.put_back(&self.kept);
            return Ok(());
        }
        self.pass_on(raw, Kind::Write)?;
        let home = i64::from(checkpoint::home_db(&self.ctx.spec));
        // The checkpoint's key went along with its database; the new one is written where it belongs.
        for (from, to) in [swapped, (swapped.1, swapped.0)] {
            if let (Kind::SwapDb, Some(to), true) = (kind, to.and_then(|db| u32::try_from(db).ok()), from == Some(home))
            {
                self.transaction.remove_keys_from(to, &self.kept);
            }
        }
        self.transaction.put_back(&self.kept);
        Ok(())
    }

    /// Libraries of several sources stand side by side at the destination, so that a source may take away more than it gave.
    ///
    /// # Errors
    /// The need for a full resync when all libraries go: as with FLUSHALL, those of the other sources are loaded again.
    pub(super) fn function(&mut self, args: &[&[u8]]) -> Result<(), SessionEnd> {
        let is = |at: usize, word: &[u8]| args.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word));
        let name = self.ctx.source.endpoint.authority();
        if is(1, b"FLUSH") {
            return Err(SessionEnd::NeedsFull(format!("{name} executed FUNCTION FLUSH")));
        }
        // FUNCTION RESTORE payload [FLUSH | APPEND | REPLACE]
        if is(1, b"RESTORE") && is(3, b"FLUSH") {
            return Err(SessionEnd::NeedsFull(format!("{name} executed FUNCTION RESTORE … FLUSH")));
        }
        if is(1, b"DELETE") && !std::mem::replace(&mut self.told_of_library, true) {
            let library = args.get(2).map(|library| library.escape_ascii().to_string()).unwrap_or_default();
            let destination = self.ctx.spec.destination.authority();
            self.ctx.event_warning(&format!(
                "{name} deleted the function library “{library}”, and so does {destination}, whichever source it is from."
            ));
        }
        Ok(())
    }

    /// What MOVE or COPY … DB means to the one database that is copied.
    pub(super) fn across(&self, kind: Kind, args: &[&[u8]]) -> Result<Across, SessionEnd> {
        let Some(only) = self.ctx.source.endpoint.db.map(i64::from) else { return Ok(Across::Stays) };
        let here = i64::from(self.place.db);
        let to = match kind {
            Kind::Move => args.get(2).copied().and_then(parse_int),
            _ => CopyTo::of(args).db.map_or(Some(here), parse_int),
        };
        Ok(match (here == only, to == Some(only)) {
            (true, true) => Across::Stays,
            (true, false) if kind == Kind::Move => Across::Leaves,
            (false, true) => {
                let name = self.ctx.source.endpoint.authority();
                let reason = format!("{name} moved a key into database {only} from one that is not copied");
                return Err(SessionEnd::NeedsFull(reason));
            }
            _ => Across::Elsewhere,
        })
    }
}

/// What a command with two databases means to the one that is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Across {
    /// It works within the database.
    Stays,
    /// It takes a key away.
    Leaves,
    /// It does not concern the database.
    Elsewhere,
}
