//! What there is to know before anything is started or deleted.

use std::fmt::Write as _;

use tributary_engine as engine;
use tributary_engine::{Endpoint, Examination, Failure, Finding, ReplicaSpec, Survey};

use crate::dto::{
    CheckLine, CheckVerdict, ConnectionReport, DatabaseKeys, EndpointRole, ReplicaCheckLine, Review, ReviewedSource,
    ServerFacts, ServerRole, Verdict,
};
use crate::view;

/// Tests an endpoint, telling every finding as it is found.
pub(crate) async fn test_connection(
    endpoint: &Endpoint,
    role: EndpointRole,
    tell: impl Fn(CheckLine) + Send + Sync,
) -> ConnectionReport {
    let what = "Connection".to_owned();
    tell(CheckLine {
        what,
        found: format!("dialling {}", endpoint.authority()),
        verdict: Verdict::Running,
        hint: None,
    });
    match engine::examine(endpoint, |finding| tell(line(finding))).await {
        Ok(found) => {
            if let Some(compression) = engine::check_compression(endpoint).await {
                tell(line(compression));
            }
            for extra in for_role(&found, role) {
                tell(extra);
            }
            report(&found)
        }
        Err(failure) => {
            tell(CheckLine {
                what: "Connection".into(),
                found: failure.message.clone(),
                verdict: Verdict::Problem,
                hint: Some(failure.hint.clone()),
            });
            ConnectionReport {
                reachable: false,
                facts: None,
                role: None,
                may_psync: None,
                keys_by_db: Vec::new(),
                failure: Some(view::failure(&failure)),
            }
        }
    }
}

/// Checks a replica as a whole, telling every line as it is found.
pub(crate) async fn check(spec: &ReplicaSpec, tell: impl Fn(ReplicaCheckLine) + Send + Sync) {
    engine::check(spec, |line| tell(check_line(line))).await;
}

fn check_line(line: engine::CheckLine) -> ReplicaCheckLine {
    let verdict = match line.verdict {
        engine::CheckVerdict::Ok => CheckVerdict::Ok,
        engine::CheckVerdict::Warning => CheckVerdict::Warning,
        engine::CheckVerdict::Fails => CheckVerdict::Fails,
        engine::CheckVerdict::Unknown => CheckVerdict::Unknown,
    };
    ReplicaCheckLine {
        endpoint: line.endpoint,
        source: line.source,
        what: line.what.to_owned(),
        found: line.found,
        verdict,
        hint: line.todo,
    }
}

fn line(finding: Finding) -> CheckLine {
    let verdict = match finding.verdict {
        engine::CheckVerdict::Ok => Verdict::Ok,
        engine::CheckVerdict::Warning | engine::CheckVerdict::Unknown => Verdict::Warning,
        engine::CheckVerdict::Fails => Verdict::Problem,
    };
    CheckLine { what: finding.what.to_owned(), found: finding.found, verdict, hint: finding.todo }
}

/// What matters only to a source, or only to a destination.
fn for_role(found: &Examination, role: EndpointRole) -> Vec<CheckLine> {
    let mut lines = vec![memory(found)];
    match role {
        EndpointRole::Source => lines.push(replication(found)),
        EndpointRole::Destination if found.is_replica => lines.push(CheckLine {
            what: "Writes".into(),
            found: "This server is a replica and takes no writes".into(),
            verdict: Verdict::Problem,
            hint: Some(engine::ErrorKind::ReadOnly.hint().to_owned()),
        }),
        EndpointRole::Destination => {}
    }
    lines
}

fn memory(found: &Examination) -> CheckLine {
    let limit = found.max_memory.map_or_else(|| "no limit".to_owned(), |limit| format!("of {}", bytes(limit)));
    let full = found.max_memory.is_some_and(|limit| found.used_memory >= limit);
    CheckLine {
        what: "Memory".into(),
        found: format!("{} used, {limit}", bytes(found.used_memory)),
        verdict: if full { Verdict::Warning } else { Verdict::Ok },
        hint: full.then(|| "The server has reached its memory limit: raise maxmemory or make room.".to_owned()),
    }
}

fn replication(found: &Examination) -> CheckLine {
    let (text, verdict) = match found.may_psync {
        Some(true) => ("This user may replicate (PSYNC)", Verdict::Ok),
        Some(false) => ("This user may not replicate (PSYNC)", Verdict::Problem),
        None => ("The server does not say whether this user may replicate (PSYNC)", Verdict::Warning),
    };
    let hint = (found.may_psync == Some(false)).then(|| engine::ErrorKind::NoPermission.hint().to_owned());
    CheckLine { what: "Replication".into(), found: text.into(), verdict, hint }
}

fn report(found: &Examination) -> ConnectionReport {
    ConnectionReport {
        reachable: true,
        facts: Some(facts(found)),
        role: Some(if found.is_replica { ServerRole::Replica } else { ServerRole::Master }),
        may_psync: found.may_psync,
        keys_by_db: databases(&found.keys_by_db),
        failure: None,
    }
}

pub(crate) fn facts(found: &Examination) -> ServerFacts {
    ServerFacts {
        product: found.product.name().to_owned(),
        version: found.version.clone(),
        keys: found.keys(None),
        used_memory: found.used_memory,
        max_memory: found.max_memory,
    }
}

pub(crate) fn databases(by_db: &[(u32, u64)]) -> Vec<DatabaseKeys> {
    by_db.iter().map(|(db, keys)| DatabaseKeys { db: *db, keys: *keys }).collect()
}

/// What is asked about: a start, which goes on where it can, or a restart, which always loads everything again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    Start,
    Restart,
}

/// Looks at the destination and at every source, and says what starting would do.
pub(crate) async fn review(spec: &ReplicaSpec, plan: Plan) -> Review {
    let destination = engine::survey(spec);
    // The sources are asked all at once: 32 of them behind a slow network are one wait, not 32.
    let mut asked = tokio::task::JoinSet::new();
    for (index, source) in spec.sources.iter().enumerate() {
        let endpoint = source.endpoint.clone();
        asked.spawn(async move { (index, engine::examine(&endpoint, |_| {}).await) });
    }
    let destination = destination.await;
    let mut answers: Vec<(usize, Result<Examination, Failure>)> = asked.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    let answers: Vec<_> = answers.into_iter().map(|(_, answer)| answer).collect();
    summarize(spec, plan, destination, &answers)
}

fn summarize(
    spec: &ReplicaSpec,
    plan: Plan,
    destination: Result<Survey, Failure>,
    answers: &[Result<Examination, Failure>],
) -> Review {
    let refusal = match &destination {
        Ok(survey) => same_server(spec, survey, answers),
        Err(failure) => Some(format!("{} {}", failure.message, failure.hint)),
    };
    let survey = destination.ok();
    let keys = survey.as_ref().map_or(0, |survey| survey.keys);
    let functions = survey.as_ref().map_or(0, |survey| survey.functions);
    let resumable = plan == Plan::Start && survey.as_ref().is_some_and(|survey| survey.resumable);
    let joins = joins(spec, survey.as_ref().filter(|_| plan == Plan::Start));
    let deletes = !resumable && joins.is_empty() && (keys > 0 || functions > 0);
    // What this replica put there itself, with a confirmation, it may replace at a start without another.
    let confirmed = plan == Plan::Start && survey.as_ref().is_some_and(|survey| survey.ours);
    let used_memory = survey.as_ref().map_or(0, |survey| survey.server.used_memory);
    Review {
        destination: spec.destination.address(),
        confirm_name: spec.name.clone(),
        keys,
        used_memory,
        databases: survey.as_ref().map_or_else(Vec::new, |survey| databases(&survey.keys_by_db)),
        deletes_everything: deletes && spec.destination.db.is_none(),
        functions,
        needs_typing: deletes && !confirmed,
        resumable,
        sentence: sentence(spec, survey.as_ref(), resumable, &joins),
        joins,
        sources: spec.sources.iter().zip(answers).map(|(source, answer)| reviewed(source, answer)).collect(),
        warnings: warnings(spec, answers),
        refusal,
    }
}

/// The names of the sources that would be loaded beside the others.
fn joins(spec: &ReplicaSpec, survey: Option<&Survey>) -> Vec<String> {
    let Some(survey) = survey.filter(|survey| survey.joinable) else { return Vec::new() };
    let new = |source: &&engine::SourceSpec| survey.new_sources.contains(&source.id);
    spec.sources.iter().filter(new).map(|source| source.name.clone()).collect()
}

fn reviewed(source: &engine::SourceSpec, answer: &Result<Examination, Failure>) -> ReviewedSource {
    ReviewedSource {
        name: source.name.clone(),
        url: source.endpoint.url_redacted(),
        keys: answer.as_ref().ok().map(|found| found.keys(source.endpoint.db)),
        failure: answer.as_ref().err().map(view::failure),
    }
}

/// Two names of one server are found out by the identity the server gives itself.
fn same_server(spec: &ReplicaSpec, survey: &Survey, answers: &[Result<Examination, Failure>]) -> Option<String> {
    let meets = |a: &Endpoint, b: &Endpoint| a.db.is_none() || b.db.is_none() || a.db == b.db;
    let known = || spec.sources.iter().zip(answers).filter_map(|(s, answer)| Some((s, answer.as_ref().ok()?)));
    for (index, (source, found)) in known().enumerate() {
        if found.run_id == survey.server.run_id && meets(&source.endpoint, &spec.destination) {
            let (source, destination) = (source.endpoint.address(), spec.destination.address());
            return Some(format!("{source} and the destination {destination} are the same server under two names."));
        }
        let twin = known()
            .take(index)
            .find(|(other, answer)| answer.run_id == found.run_id && meets(&source.endpoint, &other.endpoint));
        if let Some((other, _)) = twin {
            return Some(format!("“{}” and “{}” are the same server under two names.", other.name, source.name));
        }
    }
    None
}

fn warnings(spec: &ReplicaSpec, answers: &[Result<Examination, Failure>]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (source, answer) in spec.sources.iter().zip(answers) {
        match answer {
            Err(failure) => warnings.push(format!("“{}”: {}", source.name, failure.message)),
            Ok(found) if found.may_psync == Some(false) => {
                warnings.push(format!("“{}”: this user may not replicate (PSYNC).", source.name));
            }
            Ok(_) => {}
        }
    }
    warnings.extend(unverified(spec));
    warnings
}

/// The endpoints that may be anybody, by the user's own choice.
fn unverified(spec: &ReplicaSpec) -> impl Iterator<Item = String> {
    let sources = spec.sources.iter().map(|source| (format!("“{}”", source.name), &source.endpoint));
    let all = sources.chain([("The destination".to_owned(), &spec.destination)]);
    all.filter(|(_, endpoint)| endpoint.tls.as_ref().is_some_and(|tls| tls.insecure))
        .map(|(name, _)| format!("{name}: the certificate is not verified, whoever answers is believed."))
}

fn sentence(spec: &ReplicaSpec, survey: Option<&Survey>, resumable: bool, joins: &[String]) -> String {
    let address = spec.destination.address();
    let loads = match spec.sources.len() {
        1 => "loads 1 source".to_owned(),
        n => format!("loads {n} sources"),
    };
    let Some(survey) = survey else { return format!("What {address} holds is not known.") };
    if resumable {
        return format!("{address} holds the checkpoint of this replica: it goes on from there and deletes nothing.");
    }
    if !joins.is_empty() {
        let names = joins.iter().map(|name| format!("“{name}”")).collect::<Vec<_>>().join(", ");
        return format!("{address} goes on with what it has; {names} is loaded beside it. Nothing is deleted.");
    }
    let mut deleted = String::new();
    if survey.keys > 0 {
        let (keys, memory) = (thousands(survey.keys), bytes(survey.server.used_memory));
        let _ = write!(deleted, "{keys} {} ({memory})", if survey.keys == 1 { "key" } else { "keys" });
    }
    if survey.functions > 0 {
        let and = if deleted.is_empty() { "" } else { " and " };
        let word = if survey.functions == 1 { "function library" } else { "function libraries" };
        let _ = write!(deleted, "{and}{} {word}", survey.functions);
    }
    if deleted.is_empty() {
        format!("{address} is empty: this deletes nothing and {loads}.")
    } else {
        format!("This deletes {deleted} at {address}, then {loads}.")
    }
}

fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if value < 1_000.0 {
            return if unit == "B" { format!("{n} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1_000.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_engine::{Product, SourceSpec};

    fn spec(sources: &[&str]) -> ReplicaSpec {
        let at = |address: &str| Endpoint::parse(&format!("redis://{address}")).unwrap();
        let source =
            |name: &&str| SourceSpec { id: (*name).into(), name: (*name).into(), endpoint: at(name), stopped: false };
        ReplicaSpec {
            id: "r".into(),
            name: "sessions".into(),
            destination: at("d"),
            sources: sources.iter().map(source).collect(),
            options: tributary_engine::ReplicaOptions::default(),
        }
    }

    fn server(run_id: &str) -> Result<Examination, Failure> {
        Ok(Examination {
            product: Product::Redis,
            version: "7.0.15".into(),
            is_replica: false,
            may_psync: Some(true),
            keys_by_db: vec![(0, 7)],
            used_memory: 1,
            max_memory: None,
            run_id: run_id.into(),
            replica_of: None,
        })
    }

    fn holding(keys: u64, ours: bool) -> Result<Survey, Failure> {
        let server = Examination { used_memory: 2_100_000_000, ..server("dest")? };
        let keys_by_db = if keys > 0 { vec![(0, keys)] } else { Vec::new() };
        Ok(Survey {
            server,
            keys,
            keys_by_db,
            functions: 0,
            ours,
            resumable: ours,
            new_sources: Vec::new(),
            joinable: false,
        })
    }

    #[test]
    fn a_review_names_what_is_deleted_and_asks_for_the_name() {
        let answers = [server("a"), server("b"), server("c")];
        let review = summarize(&spec(&["a", "b", "c"]), Plan::Start, holding(4_112_930, false), &answers);
        assert_eq!(review.sentence, "This deletes 4,112,930 keys (2.1 GB) at d:6379, then loads 3 sources.");
        assert_eq!((review.needs_typing, review.confirm_name.as_str()), (true, "sessions"));
        assert_eq!((review.deletes_everything, review.refusal), (true, None));
    }

    #[test]
    fn what_holds_our_checkpoint_goes_on_at_start_and_is_deleted_by_a_restart() {
        let answers = [server("a")];
        let start = summarize(&spec(&["a"]), Plan::Start, holding(10, true), &answers);
        assert_eq!((start.resumable, start.needs_typing), (true, false));
        let restart = summarize(&spec(&["a"]), Plan::Restart, holding(10, true), &answers);
        assert_eq!((restart.resumable, restart.needs_typing), (false, true));
    }

    #[test]
    fn an_empty_destination_needs_no_confirmation() {
        let review = summarize(&spec(&["a"]), Plan::Start, holding(0, false), &[server("a")]);
        assert!(!review.needs_typing && !review.deletes_everything);
        assert_eq!(review.sentence, "d:6379 is empty: this deletes nothing and loads 1 source.");
    }

    #[test]
    fn endpoints_whose_certificates_are_not_verified_are_named() {
        let mut spec = spec(&["a", "b"]);
        let unverified = Endpoint::parse("rediss://h?insecure=true").unwrap();
        spec.sources[1].endpoint = Endpoint { host: "b".into(), ..unverified.clone() };
        spec.destination = unverified;
        let review = summarize(&spec, Plan::Start, holding(0, false), &[server("a"), server("b")]);
        assert!(review.warnings[0].starts_with("“b”: the certificate is not verified"), "{:?}", review.warnings);
        assert!(review.warnings[1].starts_with("The destination: "), "{:?}", review.warnings);
        assert_eq!(review.warnings.len(), 2);
    }

    #[test]
    fn one_server_under_two_names_is_refused() {
        let review = summarize(&spec(&["a"]), Plan::Start, holding(0, false), &[server("dest")]);
        assert!(review.refusal.unwrap().contains("same server under two names"));
        let review = summarize(&spec(&["a", "b"]), Plan::Start, holding(0, false), &[server("x"), server("x")]);
        assert_eq!(review.refusal.unwrap(), "“a” and “b” are the same server under two names.");
    }

    #[test]
    fn a_destination_that_cannot_be_read_is_never_called_empty() {
        let failure =
            Failure::new(tributary_engine::ErrorKind::Unreachable, "d:6379", "d:6379 refused the connection.");
        let review = summarize(&spec(&["a"]), Plan::Start, Err(failure), &[server("a")]);
        assert!(review.refusal.unwrap().starts_with("d:6379 refused the connection."));
        assert_eq!(review.sentence, "What d:6379 holds is not known.");
    }
}
