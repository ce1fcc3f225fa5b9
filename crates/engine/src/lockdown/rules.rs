//! A user's ACL rules as `ACL LIST` writes them, and the ones that make it read-only.

/// What is taken from a user for as long as a replica runs: all that writes, and DEBUG, which can empty a server without
/// being a write. REPLICAOF and FAILOVER stay: a Sentinel that logs in as such a user demotes a primary with them.
pub(super) const DENIED: [&str; 2] = ["-@write", "-debug"];

/// A user of the server. Its password hashes are left out while it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub name: String,
    pub enabled: bool,
    /// Its rules for commands, and its selectors.
    pub rules: Rules,
}

/// What a user may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// `+@all`, `-debug`, …: the commands of the user itself. Keys, channels and passwords are not ours to touch.
    pub commands: Vec<String>,
    /// Whole selectors (7.0 and later), without parentheses: they can be replaced but not changed.
    pub selectors: Vec<Vec<String>>,
}

impl User {
    /// Reads `user <name> on nopass ~* &* +@all (~x -@all +get)`.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        if words.next()? != "user" {
            return None;
        }
        let name = words.next()?.to_owned();
        let rest: Vec<&str> = words.collect();
        Some(Self { name, enabled: rest.contains(&"on"), rules: Rules::parse(rest.iter().copied()) })
    }
}

impl Rules {
    /// Keeps rules for commands and selectors; all else, hashes of passwords first of all, is dropped.
    pub(super) fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut rules = Self::default();
        let mut open: Option<Vec<String>> = None;
        for word in words {
            // A pattern cannot begin with a parenthesis, and none that ends with one can stand in a selector.
            let (word, opens) = word.strip_prefix('(').filter(|_| open.is_none()).map_or((word, false), |w| (w, true));
            if opens {
                open = Some(Vec::new());
            }
            let Some(selector) = &mut open else {
                if is_command(word) {
                    rules.commands.push(word.to_owned());
                }
                continue;
            };
            let (word, closes) = word.strip_suffix(')').map_or((word, false), |word| (word, true));
            if !word.is_empty() {
                selector.push(word.to_owned());
            }
            if closes {
                rules.selectors.extend(open.take());
            }
        }
        rules
    }

    /// The same without anything that writes: `denied` comes last everywhere.
    pub(super) fn read_only(&self, denied: &[&str]) -> Self {
        let deny = |words: &Vec<String>| {
            let kept = words.iter().map(String::as_str).filter(|word| !denied.contains(word));
            kept.chain(denied.iter().copied()).map(str::to_owned).collect()
        };
        Self { commands: deny(&self.commands), selectors: self.selectors.iter().map(deny).collect() }
    }

    /// The arguments of `ACL SETUSER <name>` that bring a user to these rules, in one step.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut words = self.commands.clone();
        if !self.selectors.is_empty() {
            words.push("clearselectors".to_owned());
            words.extend(self.selectors.iter().map(|selector| format!("({})", selector.join(" "))));
        }
        words
    }

    /// Whether writes were taken from these rules, by us or by somebody else.
    pub(super) fn deny_writes(&self) -> bool {
        self.commands.iter().any(|word| word == "-@write")
    }

    /// The rules as they are recorded and shown.
    pub(super) fn text(&self) -> String {
        let selectors = self.selectors.iter().map(|selector| format!("({})", selector.join(" ")));
        self.commands.iter().cloned().chain(selectors).collect::<Vec<_>>().join(" ")
    }
}

fn is_command(word: &str) -> bool {
    word.starts_with(['+', '-']) || matches!(word, "allcommands" | "nocommands")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_without_password_hashes_and_keys() {
        let line = "user bob on sanitize-payload #30c952fab1 ~a:* resetchannels -@all +get +config|get \
                    (~b:* resetchannels -@all +@write) (%R~c &x -@all +set)";
        let user = User::parse(line).unwrap();
        assert!(user.enabled && user.name == "bob");
        assert_eq!(user.rules.text(), "-@all +get +config|get (~b:* resetchannels -@all +@write) (%R~c &x -@all +set)");
        assert_eq!(Rules::parse(user.rules.text().split(' ')), user.rules);
        assert!(!format!("{user:?}").contains("30c9"));
        assert!(!User::parse("user old off nopass ~* +@all").unwrap().enabled);
        assert_eq!(User::parse("nonsense"), None);
    }

    #[test]
    fn read_only_rules_deny_writes_last_everywhere_and_twice_is_once() {
        let rules = Rules::parse("+@all (~b:* -@all +@write)".split(' '));
        let locked = rules.read_only(&DENIED);
        let want = ["+@all", "-@write", "-debug", "clearselectors", "(~b:* -@all +@write -@write -debug)"];
        assert_eq!(locked.arguments(), want);
        assert_eq!(locked.read_only(&DENIED), locked);
        assert_eq!(rules.arguments(), ["+@all", "clearselectors", "(~b:* -@all +@write)"]);
    }
}
