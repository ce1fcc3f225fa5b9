//! Product and version, each alone and both ways.

use super::line::Found;
use crate::Product;
use crate::control::Info;
use crate::dialect::numbers;

const WHAT: &str = "Version";
/// The oldest destination that is written to.
const OLDEST_DESTINATION: (u32, u32) = (4, 0);
/// The first version with PSYNC.
const OLDEST_SOURCE: (u32, u32) = (2, 8);
/// The newest major versions that the tests copy from and to.
const NEWEST: [(Product, u32); 2] = [(Product::Redis, 8), (Product::Valkey, 9)];

/// Which server it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    pub product: Product,
    /// As the server writes it.
    pub version: String,
    /// The product's own version.
    pub own: (u32, u32),
    /// The version of Redis that it is compatible with: Valkey says 7.2.
    pub redis: (u32, u32),
}

impl Release {
    /// The release, where INFO says it.
    pub(super) fn of(info: &Info) -> Option<Self> {
        let redis = info.get("redis_version")?;
        let valkey = info.get("valkey_version");
        let version = valkey.unwrap_or(redis).to_owned();
        let product = if valkey.is_some() { Product::Valkey } else { Product::Redis };
        Some(Self { product, own: numbers(&version), redis: numbers(redis), version })
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.product.name(), self.version)
    }

    /// At least this version of Redis, or, for Valkey, of Valkey.
    fn has(&self, redis: (u32, u32), valkey: (u32, u32)) -> bool {
        match self.product {
            Product::Redis => self.own >= redis,
            Product::Valkey => self.own >= valkey,
        }
    }
}

/// The first two numbers of a version.
type Number = (u32, u32);

/// What came with a version: its name, the first Redis and the first Valkey that has it.
const FEATURES: [(&str, Number, Number); 6] = [
    ("streams", (5, 0), (7, 2)),
    ("commands such as GETDEL, COPY and LMOVE", (6, 2), (7, 2)),
    ("function libraries", (7, 0), (7, 2)),
    ("fields of hashes that expire", (7, 4), (9, 0)),
    ("vector sets", (8, 0), NEVER),
    ("DELIFEQ and numbered databases in a cluster", NEVER, (9, 0)),
];
const NEVER: Number = (u32::MAX, 0);

pub(super) fn source(release: &Release) -> Found {
    if release.redis < OLDEST_SOURCE {
        let todo = "Upgrade it to 2.8 or later.";
        return Found::fails(WHAT, format!("{} has no partial replication (PSYNC)", release.name()), todo);
    }
    known(release)
}

pub(super) fn destination(release: &Release) -> Found {
    if release.redis < OLDEST_DESTINATION {
        let found = format!("{}; a destination has to be 4.0 or later", release.name());
        return Found::fails(WHAT, found, "Choose a newer destination.");
    }
    known(release)
}

fn known(release: &Release) -> Found {
    let newest = NEWEST.iter().find(|(product, _)| *product == release.product).map_or(0, |(_, major)| *major);
    if release.own.0 > newest {
        let found = format!("{} is newer than what Tributary was tested with", release.name());
        return Found::warning(WHAT, found, "Try it with data that you can load again.");
    }
    Found::ok(WHAT, release.name())
}

/// Whether what the source holds fits the destination.
pub(super) fn pair(source: &Release, destination: &Release) -> Found {
    const WHAT: &str = "Versions";
    let missing: Vec<&str> = FEATURES
        .iter()
        .filter(|(_, redis, valkey)| source.has(*redis, *valkey) && !destination.has(*redis, *valkey))
        .map(|(name, ..)| *name)
        .collect();
    let older = source.product == destination.product && destination.own < source.own;
    let both = format!("{} to {}", source.name(), destination.name());
    if missing.is_empty() && !older {
        return Found::ok(WHAT, both);
    }
    let what = if missing.is_empty() { "commands that came in between".to_owned() } else { missing.join(", ") };
    Found::warning(
        WHAT,
        format!("{both}: what the destination does not know stops the sync: {what}"),
        "Upgrade the destination, or make sure that the source does not use these.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::CheckVerdict;
    use super::*;

    fn redis(version: &str) -> Release {
        Release::of(&Info::parse(&format!("redis_version:{version}\r\n"))).unwrap()
    }

    fn valkey(version: &str) -> Release {
        Release::of(&Info::parse(&format!("redis_version:7.2.4\r\nvalkey_version:{version}\r\n"))).unwrap()
    }

    #[test]
    fn an_older_destination_is_told_what_it_lacks() {
        let found = pair(&redis("8.2.3"), &redis("6.2.14"));
        assert_eq!(found.verdict, CheckVerdict::Warning);
        assert!(found.found.contains("function libraries") && found.found.contains("vector sets"), "{found:?}");
        assert!(!found.found.contains("streams"));
        assert_eq!(pair(&redis("6.2.14"), &redis("8.2.3")).verdict, CheckVerdict::Ok);
        assert_eq!(pair(&redis("7.0.15"), &redis("7.0.1")).verdict, CheckVerdict::Ok);
        assert_eq!(pair(&redis("7.4.0"), &redis("7.2.0")).verdict, CheckVerdict::Warning);
    }

    #[test]
    fn the_two_products_are_compared_by_what_each_has() {
        assert_eq!(pair(&redis("7.2.4"), &valkey("8.1.0")).verdict, CheckVerdict::Ok);
        assert!(pair(&redis("7.4.1"), &valkey("8.1.0")).found.contains("fields of hashes"));
        assert_eq!(pair(&redis("7.4.1"), &valkey("9.0.0")).verdict, CheckVerdict::Ok);
        assert_eq!(pair(&valkey("8.1.0"), &redis("7.0.0")).verdict, CheckVerdict::Ok);
    }

    #[test]
    fn a_destination_before_4_and_a_source_before_psync_fail() {
        assert_eq!(destination(&redis("3.2.0")).verdict, CheckVerdict::Fails);
        assert_eq!(destination(&redis("4.0.14")).verdict, CheckVerdict::Ok);
        assert_eq!(source(&redis("2.6.17")).verdict, CheckVerdict::Fails);
        assert_eq!(source(&valkey("10.0.0")).verdict, CheckVerdict::Warning);
        assert!(Release::of(&Info::parse("role:master\r\n")).is_none());
    }
}
