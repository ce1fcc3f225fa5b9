//! A comparison beside a replica that runs in the same process, as the window has it. A few seconds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::time::{Duration, Instant};

use tributary_engine::{
    CompareMode, CompareOptions, CompareStage, DifferenceKind, Endpoint, Phase, Repair, RepairOutcome, ReplicaOptions,
    ReplicaSpec, SourceSpec, StartMode, compare, start,
};
use tributary_tests::server::{Server, Version};

fn spec(source: &Server, destination: &Server) -> ReplicaSpec {
    let endpoint = Endpoint::parse(&source.url()).unwrap();
    ReplicaSpec {
        id: "r".into(),
        name: "r".into(),
        destination: Endpoint::parse(&destination.url()).unwrap(),
        sources: vec![SourceSpec { id: "s".into(), name: "s".into(), endpoint, stopped: false }],
        options: ReplicaOptions::default(),
    }
}

fn options(mode: CompareMode) -> CompareOptions {
    CompareOptions { mode, settle: Duration::from_millis(300), list_limit: 3, ..CompareOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_differences_are_repaired_on_request_and_the_list_is_bounded() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    for number in 0..100 {
        source.run::<()>(&["SET", &format!("key:{number}"), "1", "EX", "3600"]);
    }
    let spec = spec(&source, &destination);
    let replica = start(spec.clone(), StartMode::Resume);
    let mut status = replica.status();
    status.wait_for(|status| status.phase == Phase::Synced).await.unwrap();
    destination.run::<()>(&["SET", "extra", "1"]);
    destination.run::<()>(&["DEL", "key:1", "key:2"]);
    destination.run::<()>(&["INCR", "key:3"]);
    destination.run::<()>(&["PERSIST", "key:4"]);

    let mut comparison = compare(spec, options(CompareMode::Full), Some(replica.status()));
    let end = comparison.finished().await;
    assert_eq!((end.stage, end.differences, end.equal), (CompareStage::Done, 5, 96), "{end:?}");
    assert_eq!((end.by_kind.missing, end.by_kind.extra, end.by_kind.value, end.by_kind.expiry), (2, 1, 1, 1));
    assert_eq!((end.keys_done, end.left_ms, end.settling), (end.keys_total, Some(0), 0));
    let found = comparison.differences();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|one| one.repaired.is_none()));

    let one = found[1].clone();
    let asked = Instant::now();
    assert!(comparison.repair(Repair::Keys(vec![(one.db, one.key.clone()), (9, b"no such".to_vec())])));
    let end = comparison.finished().await;
    assert_eq!((end.stage, end.repairs, end.repaired), (CompareStage::Done, 1, 1), "{end:?}");
    let repaired: Vec<_> = comparison.differences().into_iter().filter(|one| one.repaired.is_some()).collect();
    assert_eq!((repaired.len(), &repaired[0].key), (1, &one.key));
    assert!(comparison.repair(Repair::All));
    let end = comparison.finished().await;
    assert_eq!((end.repairs, end.repaired, end.not_repaired), (3, 3, 0), "{:?}", comparison.differences());
    // The status knows that there is nothing to wait for, which the checkpoints say up to 10 s later.
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    for one in comparison.differences() {
        assert_eq!(one.repaired, Some(RepairOutcome::Repaired));
        let there = source.run::<u64>(&["EXISTS", &String::from_utf8(one.key.clone()).unwrap()]) == 1;
        assert_eq!(there, one.kind != DifferenceKind::Extra);
        let ttl = destination.run::<i64>(&["TTL", &String::from_utf8(one.key).unwrap()]);
        assert!(if there { ttl > 3_000_000_000 } else { ttl == -2 }, "held back as the replica does: {ttl}");
    }
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_stopped_keeps_what_it_found_and_can_still_repair_it() {
    let (source, destination) = (Server::start(Version::Redis70), Server::start(Version::Redis70));
    for number in 0..2000 {
        source.run::<()>(&["SET", &format!("key:{number}"), "1"]);
    }
    let slow = CompareOptions { keys_per_second: Some(200), settle: Duration::ZERO, ..CompareOptions::default() };
    let mut comparison = compare(spec(&source, &destination), slow, None);
    comparison.progress().wait_for(|progress| progress.differences > 0).await.unwrap();
    comparison.stop();
    let end = comparison.finished().await;
    assert_eq!((end.stage, end.failure), (CompareStage::Stopped, None));
    let found = comparison.differences();
    assert!(!found.is_empty() && found.len() < 2000, "{}", found.len());
    assert!(comparison.repair(Repair::All));
    assert!(comparison.finished().await.stage == CompareStage::Stopped);
    assert_eq!(destination.run::<usize>(&["DBSIZE"]), found.len());
}
