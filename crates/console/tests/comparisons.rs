//! Whether a destination holds what its sources hold, as the console asks it: of replicas that run, are paused or stopped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use support::{RememberingKeyring, Server, form_of, open, replica, until};
use tempfile::TempDir;
use tributary_console::Console;
use tributary_console::dto::{
    DifferenceKind, ExportFormat, KindCounts, RepairOutcome, ReplicaDefinition, Severity, VerifyLive, VerifyMode,
    VerifyOptions, VerifyStage,
};

const FULL: VerifyOptions = VerifyOptions { mode: VerifyMode::Full, keys_per_second: None };

/// A replica of 300 keys that is in step.
struct Replica {
    source: Server,
    destination: Server,
    console: Arc<Console>,
    kept: ReplicaDefinition,
    folder: TempDir,
}

impl Replica {
    async fn in_step() -> Self {
        let (source, destination) = (Server::start("s-secret").await, Server::start("d-secret").await);
        let fill = "for i = 1, 300 do redis.call('SET', 'key:' .. i, i) end";
        source.run(&["EVAL", fill, "0"]).await;
        let (folder, keyring) = (tempfile::tempdir().unwrap(), RememberingKeyring::default());
        let console = open(folder.path(), &keyring).await;
        let kept = console.create(replica("carts", &source, &destination)).await.unwrap();
        console.start(&kept.id, None).await.unwrap();
        until(&console, &kept.id, |live| live.in_step == 1).await;
        Self { source, destination, console, kept, folder }
    }

    async fn verify(&self, options: VerifyOptions) -> VerifyLive {
        let run = self.console.start_verify(&self.kept.id, options).await.unwrap();
        self.until(|verify| verify.run == run && verify.ended_at.is_some()).await
    }

    async fn until(&self, met: impl Fn(&VerifyLive) -> bool) -> VerifyLive {
        until(&self.console, &self.kept.id, |live| live.verify.as_ref().is_some_and(&met)).await.verify.unwrap()
    }

    /// What the destination alone is told: one key of each kind but the type.
    async fn disturb(&self) {
        self.destination.run(&["DEL", "key:1"]).await;
        self.destination.run(&["SET", "key:2", "other"]).await;
        self.destination.run(&["SET", "of \"nobody\",\n", "1"]).await;
    }

    /// Waits until the event log says so.
    async fn told(&self, message: &str) -> Severity {
        let looked = async {
            loop {
                let events = self.console.events(self.kept.id.clone(), 200).await.unwrap();
                if let Some(event) = events.iter().find(|event| event.message == message) {
                    return event.severity;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), looked).await {
            Ok(severity) => severity,
            Err(_) => {
                let events = self.console.events(self.kept.id.clone(), 200).await.unwrap();
                panic!("nobody said {message:?}: {:#?}", events.iter().map(|e| &e.message).collect::<Vec<_>>())
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_follows_its_source_is_equal_also_while_that_is_written_to() {
    let replica = Replica::in_step().await;
    let console = Arc::clone(&replica.console);
    let writes = async {
        for n in 0..2_000 {
            replica.source.run(&["SET", &format!("key:{}", n % 400), &n.to_string()]).await;
        }
    };
    let (ended, ()) = tokio::join!(replica.verify(FULL), writes);
    assert_eq!((ended.stage, ended.differences, ended.followed), (VerifyStage::Done, 0, true), "{ended:#?}");
    assert!(ended.equal >= 300, "{ended:#?}");
    assert_eq!(ended.keys_total, Some(ended.keys_done));
    let sides: Vec<_> = ended.sides.iter().map(|side| side.source.as_deref()).collect();
    assert_eq!(sides, [Some("origin"), None]);
    let again = replica.verify(VerifyOptions { mode: VerifyMode::Fast, keys_per_second: Some(100_000) }).await;
    assert!(again.run > ended.run);
    assert_eq!(replica.told("Verify started by the user: fast, at most 100,000 keys/s.").await, Severity::Info);
    assert_eq!(replica.told("Verified: 400 keys equal.").await, Severity::Info);
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_are_listed_by_kind_exported_and_repaired() {
    let replica = Replica::in_step().await;
    let (console, id) = (&replica.console, &replica.kept.id);
    replica.disturb().await;
    let ended = replica.verify(FULL).await;
    assert_eq!(ended.by_kind, KindCounts { missing: 1, extra: 1, value: 1, ..KindCounts::default() }, "{ended:#?}");
    assert_eq!(replica.told("Verify found 3 differences.").await, Severity::Warning);
    let all = console.differences(id, None, 0, 100).unwrap();
    assert_eq!((all.total, all.open, all.run), (3, ended.by_kind, ended.run));
    assert_eq!(console.differences(id, None, 1, 1).unwrap().differences, all.differences[1..2]);
    let extra = console.differences(id, Some(DifferenceKind::Extra), 0, 100).unwrap();
    assert_eq!((extra.total, extra.differences.len()), (1, 1));
    assert_eq!((extra.differences[0].key.as_str(), &extra.differences[0].source), ("of \\\"nobody\\\",\\n", &None));
    let value = console.differences(id, Some(DifferenceKind::Value), 0, 100).unwrap().differences.remove(0);
    assert_eq!((value.key.as_str(), value.source.as_deref(), value.db), ("key:2", Some("origin"), 0));

    let path = console.export_path(id, ExportFormat::Csv, replica.folder.path()).await.unwrap();
    let written = console.export_differences(id, ExportFormat::Csv, &path).await.unwrap();
    assert_eq!((written.differences, written.path.as_str()), (3, path.to_str().unwrap()));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("extra,0,\"of \\\"\"nobody\\\"\",\\n\",,"), "{text}");
    assert!(!text.contains("secret"));
    let refused = console.export_differences(id, ExportFormat::Csv, &path).await.unwrap_err();
    assert!(refused.to_string().ends_with("is there already: choose another name."), "{refused}");
    assert!(console.export_differences(id, ExportFormat::Csv, "here.csv".as_ref()).await.is_err());

    // One that was chosen, then the others.
    assert!(console.repair_differences(id, ended.run + 1, None).await.is_err(), "of another comparison");
    console.repair_differences(id, ended.run, Some(vec![value.id])).await.unwrap();
    replica.destination.answers(&["GET", "key:2"], "2").await;
    replica.until(|verify| verify.stage == VerifyStage::Done && verify.repair.is_some_and(|r| r.repaired == 1)).await;
    let left = console.differences(id, None, 0, 100).unwrap();
    assert_eq!((left.open.value, left.open.missing, left.open.extra), (0, 1, 1));
    assert_eq!(replica.destination.run(&["EXISTS", "key:1"]).await, Value::Int(0));
    console.repair_differences(id, ended.run, None).await.unwrap();
    replica.until(|verify| verify.repair.is_some_and(|r| (r.asked, r.repaired, r.not_repaired) == (3, 3, 0))).await;
    replica.destination.answers(&["GET", "key:1"], "1").await;
    assert_eq!(replica.destination.run(&["EXISTS", "of \"nobody\",\n"]).await, Value::Int(0));
    let outcomes = console.differences(id, None, 0, 100).unwrap().differences;
    assert!(outcomes.iter().all(|d| d.repair.as_ref().unwrap().outcome == RepairOutcome::Repaired), "{outcomes:#?}");
    replica.told("Repaired 2 differences at the destination.").await;
    let again = replica.verify(FULL).await;
    assert_eq!((again.differences, again.equal), (0, 300), "{again:#?}");
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_paused_or_stopped_is_verified_too() {
    let replica = Replica::in_step().await;
    let (console, id) = (&replica.console, &replica.kept.id);
    console.pause(id).await.unwrap();
    replica.destination.run(&["SET", "key:7", "other"]).await;
    let paused = replica.verify(FULL).await;
    assert_eq!((paused.followed, paused.stage, paused.differences), (false, VerifyStage::Done, 1), "{paused:#?}");
    console.stop(id).await.unwrap();
    replica.source.run(&["SET", "while", "stopped"]).await;
    let stopped = replica.verify(FULL).await;
    assert_eq!((stopped.followed, stopped.differences), (false, 2), "{stopped:#?}");
    assert_eq!(stopped.by_kind, KindCounts { missing: 1, value: 1, ..KindCounts::default() });
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_comparison_at_a_time_which_the_user_can_stop() {
    let replica = Replica::in_step().await;
    let (console, id) = (&replica.console, &replica.kept.id);
    let slow = VerifyOptions { mode: VerifyMode::Fast, keys_per_second: Some(10) };
    assert!(console.stop_verify(id).is_err(), "there is none");
    assert!(console.differences(id, None, 0, 10).is_err());
    let never = VerifyOptions { keys_per_second: Some(0), ..slow };
    assert!(console.start_verify(id, never).await.is_err());
    console.start_verify(id, slow).await.unwrap();
    let refused = console.start_verify(id, FULL).await.unwrap_err();
    assert_eq!(refused.to_string(), "“carts” is already being verified.");
    replica.until(|verify| verify.keys_total.is_some() && verify.keys_done > 0).await;
    console.stop_verify(id).unwrap();
    let stopped = replica.until(|verify| verify.stage == VerifyStage::Stopped).await;
    assert!(stopped.ended_at.is_some() && stopped.keys_done < 600, "{stopped:#?}");
    assert_eq!(replica.verify(FULL).await.stage, VerifyStage::Done);

    // An edit of what was compared, a deletion and the end of the app end it.
    console.start_verify(id, slow).await.unwrap();
    console.stop(id).await.unwrap();
    let mut form = form_of(&replica.kept);
    form.sources[0].endpoint.db = Some(0);
    console.update(id, form).await.unwrap();
    assert_eq!(console.verify_status(id), None);
    console.start_verify(id, slow).await.unwrap();
    let deleted = tokio::time::timeout(Duration::from_secs(20), console.delete(id)).await;
    assert!(deleted.is_ok_and(|deleted| deleted.is_ok()));
    assert!(console.start_verify(id, slow).await.is_err());
    console.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_ends_it_with_what_to_do() {
    let replica = Replica::in_step().await;
    let (console, id) = (&replica.console, &replica.kept.id);
    console.stop(id).await.unwrap();
    replica.source.run(&["CONFIG", "SET", "requirepass", "changed"]).await;
    let failed = replica.verify(FULL).await;
    assert_eq!(failed.stage, VerifyStage::Failed);
    let failure = failed.failure.unwrap();
    assert_eq!(failure.kind, "wrong_password");
    assert!(!failure.hint.is_empty());
    replica.told(&format!("Verify stopped: {}", failure.message)).await;
    console.shut_down().await;
}
