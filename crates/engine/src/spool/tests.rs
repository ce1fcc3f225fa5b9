use std::time::SystemTime;

use super::*;
use crate::meters::unix_ms;

const REPLID: &str = "0123456789abcdef0123456789abcdef01234567";

struct Rig {
    input: SpoolIn,
    output: SpoolOut,
    meters: Arc<Meters>,
    pause: watch::Sender<bool>,
    _folder: Option<tempfile::TempDir>,
}

fn rig(quota: Option<u64>) -> Rig {
    let folder = quota.map(|_| tempfile::tempdir().unwrap());
    let disk = folder.as_ref().zip(quota).map(|(f, quota)| Disk::open(f.path(), Arc::new(Quota::new(quota))).unwrap());
    let meters = Arc::new(Meters::default());
    let (pause, paused) = watch::channel(false);
    let (input, output) = spool(disk, meters.clone(), paused);
    Rig { input, output, meters, pause, _folder: folder }
}

fn place(offset: u64) -> Checkpoint {
    Checkpoint { replid: REPLID.into(), offset, db: 0, checked: offset }
}

fn piece(bytes: impl Into<Bytes>) -> Piece {
    Piece { bytes: bytes.into(), arrived_ms: unix_ms(SystemTime::now()), arrived: Instant::now() }
}

/// Bytes that tell their own position.
fn pattern(from: u64, length: usize) -> Vec<u8> {
    (from..from + length as u64).map(|at| (at % 251) as u8 ^ (at / 65_536) as u8).collect()
}

async fn push(rig: &Rig, from: u64, length: usize) {
    for at in (0..length).step_by(200_000) {
        rig.input.push(piece(pattern(from + at as u64, (length - at).min(200_000)))).await;
    }
}

/// Begins a push and drops it while its bytes are being written.
async fn push_and_drop(input: &SpoolIn, at: u64) {
    let mut pushing = std::pin::pin!(input.push(piece(pattern(at, 200_000))));
    std::future::poll_fn(|cx| {
        assert!(pushing.as_mut().poll(cx).is_pending(), "it writes");
        std::task::Poll::Ready(())
    })
    .await;
}

async fn expect(output: &mut SpoolOut, from: u64, length: usize) {
    let mut got = Vec::new();
    while got.len() < length {
        got.extend_from_slice(&output.next().await.unwrap().bytes);
    }
    assert!(got.len() < length + 200_000);
    assert!(got == pattern(from, got.len()), "the bytes behind {from} came out as they went in");
}

#[tokio::test]
async fn what_was_received_before_the_end_is_still_given_out() {
    let mut rig = rig(None);
    rig.input.push(piece("abc")).await;
    rig.input.end(End::Stopping);
    assert_eq!(rig.output.next().await.unwrap().bytes, "abc");
    assert!(matches!(rig.output.next().await, Err(End::Stopping)));
}

#[tokio::test]
async fn a_full_spool_without_a_disk_makes_the_pump_wait_until_the_decoder_takes_something() {
    let mut rig = rig(None);
    push(&rig, 0, MEMORY + 1).await;
    assert!(tokio::time::timeout(Duration::from_millis(20), rig.input.room()).await.is_err());
    expect(&mut rig.output, 0, 400_000).await;
    rig.input.room().await;
}

#[tokio::test]
async fn a_pause_holds_everything_back_but_a_stop() {
    let mut rig = rig(None);
    rig.pause.send_replace(true);
    rig.input.push(piece("abc")).await;
    assert!(tokio::time::timeout(Duration::from_millis(20), rig.output.next()).await.is_err());
    rig.pause.send_replace(false);
    assert_eq!(rig.output.next().await.unwrap().bytes, "abc");
    rig.pause.send_replace(true);
    rig.input.push(piece("def")).await;
    rig.input.end(End::Stopping);
    assert!(matches!(rig.output.next().await, Err(End::Stopping)), "what is paused is not applied by a stop");
}

#[tokio::test]
async fn what_is_not_applied_is_given_out_again_to_a_destination_that_comes_back() {
    let mut rig = rig(None);
    rig.output.begin(&place(1_000), Supply::Source).await;
    assert_eq!(rig.input.next_beginning().await, place(1_000));
    push(&rig, 1_000, 500_000).await;
    expect(&mut rig.output, 1_000, 500_000).await;
    rig.meters.streaming(201_000);
    rig.input.tidy().await;
    rig.output.begin(&place(201_000), Supply::Held).await;
    expect(&mut rig.output, 201_000, 300_000).await;
    assert!(tokio::time::timeout(Duration::from_millis(20), rig.input.outdated()).await.is_err());
    // What was applied is gone; the source is asked again.
    rig.output.begin(&place(1_000), Supply::Held).await;
    assert_eq!(rig.input.next_beginning().await, place(1_000));
}

#[tokio::test]
async fn more_than_memory_takes_goes_to_disk_and_the_files_go_when_it_is_applied() {
    let mut rig = rig(Some(1 << 30));
    rig.output.begin(&place(0), Supply::Source).await;
    rig.input.next_beginning().await;
    let length = 2 * MEMORY;
    push(&rig, 0, length).await;
    let (waiting, on_disk) = rig.meters.spool();
    assert_eq!(waiting, length as u64);
    assert!(on_disk >= MEMORY as u64, "{on_disk} bytes are on disk");
    expect(&mut rig.output, 0, length - 400_000).await;
    rig.meters.streaming(length as u64 - 400_000);
    // A destination that comes back reads the files again.
    rig.output.begin(&place(length as u64 - 900_000), Supply::Held).await;
    expect(&mut rig.output, length as u64 - 900_000, 900_000).await;
    assert_eq!(rig.output.history().as_ref(), REPLID);
    rig.meters.streaming(length as u64);
    rig.input.tidy().await;
    assert_eq!(rig.meters.spool(), (0, 0), "the files are removed");
    push(&rig, length as u64, 1000).await;
    expect(&mut rig.output, length as u64, 1000).await;
}

#[tokio::test]
async fn a_quota_that_is_used_up_makes_the_pump_wait_and_nothing_is_lost() {
    let mut rig = rig(Some(4 << 20));
    rig.output.begin(&place(0), Supply::Source).await;
    rig.input.next_beginning().await;
    push(&rig, 0, MEMORY + (8 << 20)).await;
    assert!(rig.input.is_full());
    assert!(rig.input.why_full().unwrap().contains("quota"));
    expect(&mut rig.output, 0, MEMORY + (8 << 20)).await;
    rig.meters.streaming((MEMORY + (8 << 20)) as u64);
    rig.input.room().await;
}

#[tokio::test]
async fn what_a_source_that_was_promoted_does_not_know_is_cut_off() {
    let mut rig = rig(Some(1 << 30));
    rig.output.begin(&place(0), Supply::Source).await;
    rig.input.next_beginning().await;
    push(&rig, 0, MEMORY + 300_000).await;
    expect(&mut rig.output, 0, 200_000).await;
    assert!(!rig.input.cut_back(100).await, "that was taken");
    assert!(rig.input.cut_back(450_000).await);
    assert_eq!(rig.input.end_of_stream().1, 450_000);
    rig.input.push(piece("new")).await;
    let mut got = Vec::new();
    while got.len() < 250_003 {
        got.extend_from_slice(&rig.output.next().await.unwrap().bytes);
    }
    assert!(got.starts_with(&pattern(200_000, 250_000)) && got.ends_with(b"new"));
}

#[tokio::test]
async fn a_later_run_goes_on_from_the_files_and_a_torn_end_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Disk::open(folder.path(), Arc::new(Quota::new(1 << 30))).unwrap();
    let run = |disk: Disk| {
        let (pause, paused) = watch::channel(false);
        let (input, output) = spool(Some(disk), Arc::default(), paused);
        (input, output, pause)
    };
    let length = MEMORY + 1_000_000;
    let (mut input, mut output, pause) = run(open());
    output.begin(&place(5_000), Supply::Left).await;
    input.next_beginning().await;
    let mut at = 0;
    while at < length {
        input.push(piece(pattern(5_000 + at as u64, 200_000))).await;
        at += 200_000;
    }
    assert!(Disk::open(folder.path(), Arc::new(Quota::new(1))).is_err(), "one process at a time");
    drop((input, output, pause));

    let last = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some());
    let last = last.max().unwrap();
    let torn = std::fs::OpenOptions::new().write(true).open(&last).unwrap();
    torn.set_len(torn.metadata().unwrap().len() - 1).unwrap();

    let (mut input, mut output, _pause) = run(open());
    output.begin(&place(300_000), Supply::Left).await;
    let next = input.next_beginning().await;
    assert_eq!(next.offset, 5_000 + at as u64 - 200_000, "the torn record is gone");
    input.push(piece(pattern(next.offset, 10))).await;
    expect(&mut output, 300_000, usize::try_from(next.offset).unwrap() + 10 - 300_000).await;
    drop((input, output));

    // Another history, or a place before all that there is: of no use.
    let (mut input, mut output, _pause) = run(open());
    output.begin(&place(10), Supply::Left).await;
    assert_eq!(input.next_beginning().await, place(10));
}

#[tokio::test]
async fn a_history_has_the_name_of_what_was_taken_and_not_of_what_comes() {
    const PROMOTED: &str = "89abcdef0123456789abcdef0123456789abcdef";
    for quota in [None, Some(1 << 30)] {
        let mut rig = rig(quota);
        rig.output.begin(&place(1000), Supply::Source).await;
        rig.input.next_beginning().await;
        let half = if quota.is_some() { MEMORY } else { 400_000 };
        push(&rig, 1000, half).await;
        rig.input.rename(PROMOTED);
        push(&rig, 1000 + half as u64, 400_000).await;
        assert_eq!(rig.input.end_of_stream().0.as_ref(), PROMOTED);
        let (mut taken, mut renamed) = (0, false);
        while taken < half + 400_000 {
            let before = rig.output.history();
            assert_eq!(before.as_ref(), if taken < half { REPLID } else { PROMOTED }, "{taken}");
            renamed |= before.as_ref() == PROMOTED;
            taken += rig.output.next().await.unwrap().bytes.len();
        }
        assert!(renamed);
        assert_eq!(rig.output.history().as_ref(), PROMOTED);
    }
}

/// What was taken is not what the destination stands at: its checkpoint may lie before it, and it asks from there.
#[tokio::test]
async fn what_was_taken_and_has_no_checkpoint_yet_goes_to_disk_with_the_rest() {
    let mut rig = rig(Some(1 << 30));
    rig.output.begin(&place(0), Supply::Source).await;
    rig.input.next_beginning().await;
    push(&rig, 0, 400_000).await;
    expect(&mut rig.output, 0, 400_000).await;
    rig.meters.streaming(150_000);
    push(&rig, 400_000, MEMORY).await;
    assert!(rig.meters.spool().1 > 0, "it spilled");
    rig.output.begin(&place(150_000), Supply::Held).await;
    expect(&mut rig.output, 150_000, 250_000 + MEMORY).await;
}

/// PINGs and the like move what is applied past the checkpoint that is stored.
#[tokio::test]
async fn what_follows_the_stored_checkpoint_is_held_however_far_the_stream_was_applied() {
    for length in [600_000, MEMORY + 600_000] {
        let mut rig = rig(Some(1 << 30));
        rig.output.begin(&place(0), Supply::Source).await;
        rig.input.next_beginning().await;
        rig.meters.streaming(150_000);
        push(&rig, 0, length).await;
        expect(&mut rig.output, 0, length).await;
        rig.meters.executed(length as u64, 0, 0, None);
        rig.input.tidy().await;
        rig.output.begin(&place(150_000), Supply::Held).await;
        expect(&mut rig.output, 150_000, length - 150_000).await;
    }
}

/// A transaction larger than memory and quota together is taken as a whole before any of it has a checkpoint.
#[tokio::test]
async fn a_transaction_larger_than_memory_and_quota_passes() {
    for quota in [None, Some(4 << 20), Some(48 << 20)] {
        let mut rig = rig(quota);
        rig.output.begin(&place(0), Supply::Source).await;
        rig.input.next_beginning().await;
        for at in (0..4 * MEMORY).step_by(200_000) {
            tokio::time::timeout(Duration::from_secs(5), rig.input.room()).await.expect("there is room");
            push(&rig, at as u64, 200_000).await;
            expect(&mut rig.output, at as u64, 200_000).await;
        }
    }
}

/// The quota is for all sources together: what one of them keeps only because it is not durable is in the others' way.
#[tokio::test]
async fn what_is_only_not_durable_makes_room_for_another_source() {
    let quota = Arc::new(Quota::new(2 * MEMORY as u64));
    let (folders, pause) = ((tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()), watch::channel(false));
    let open = |folder: &tempfile::TempDir| {
        let meters = Arc::new(Meters::default());
        let disk = Disk::open(folder.path(), quota.clone()).unwrap();
        let (input, output) = spool(Some(disk), meters.clone(), pause.1.clone());
        Rig { input, output, meters, pause: pause.0.clone(), _folder: None }
    };
    let (mut first, mut second) = (open(&folders.0), open(&folders.1));
    for rig in [&mut first, &mut second] {
        rig.output.begin(&place(0), Supply::Source).await;
        rig.input.next_beginning().await;
    }
    let length = MEMORY + (8 << 20);
    push(&first, 0, length).await;
    expect(&mut first.output, 0, length).await;
    first.meters.streaming(length as u64);
    first.meters.durable_up_to(Some(1));
    first.input.tidy().await;
    assert!(first.meters.spool().1 >= MEMORY as u64, "it is kept while there is room");

    push(&second, 0, length).await;
    assert!(second.input.is_full());
    first.input.tidy().await;
    assert_eq!(first.meters.spool().1, 0, "it is kept no longer");
    second.input.room().await;
    expect(&mut second.output, 0, length).await;
}

/// A connection that ends drops its pump, whatever that waits for.
#[tokio::test]
async fn a_write_that_nobody_waits_for_is_known_all_the_same() {
    let mut rig = rig(Some(1 << 30));
    rig.output.begin(&place(0), Supply::Source).await;
    rig.input.next_beginning().await;
    push(&rig, 0, MEMORY).await;
    push_and_drop(&rig.input, MEMORY as u64).await;
    // The next connection goes on at once.
    let at = MEMORY as u64 + 200_000;
    push(&rig, at, 400_000).await;
    rig.input.tidy().await;
    let length = at + 400_000;
    let on_disk = rig.meters.spool().1;
    assert!((length..length + 100_000).contains(&on_disk), "{on_disk} bytes of {length} are in files");
    expect(&mut rig.output, 0, length as usize).await;
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_cut_back_with_the_rest() {
    let mut rig = rig(Some(1 << 30));
    rig.output.begin(&place(0), Supply::Source).await;
    rig.input.next_beginning().await;
    push(&rig, 0, MEMORY).await;
    push_and_drop(&rig.input, MEMORY as u64).await;
    assert!(rig.input.cut_back(MEMORY as u64 - 50_000).await);
    rig.input.push(piece(vec![b'n'; 300_000])).await;
    rig.input.tidy().await;
    expect(&mut rig.output, 0, MEMORY - 200_000).await;
    let mut got = Vec::new();
    while got.len() < 300_000 {
        got.extend_from_slice(&rig.output.next().await.unwrap().bytes);
    }
    assert!(got.ends_with(&[b'n'; 300_000]), "what the source took back is not given out");
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_gone_with_what_it_belonged_to() {
    let mut rig = rig(Some(1 << 30));
    rig.output.begin(&place(0), Supply::Source).await;
    rig.input.next_beginning().await;
    push(&rig, 0, MEMORY).await;
    push_and_drop(&rig.input, MEMORY as u64).await;
    rig.output.begin(&place(70_000), Supply::Source).await;
    rig.input.next_beginning().await;
    push(&rig, 70_000, 400_000).await;
    rig.input.tidy().await;
    assert_eq!(rig.meters.spool(), (400_000, 0), "nothing is in files");
    expect(&mut rig.output, 70_000, 400_000).await;
}

/// A source that is stopped and started again finds its folder free, and its files counted once.
#[tokio::test]
async fn a_run_that_ends_leaves_its_folder_and_its_share_of_the_quota_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let quota = Arc::new(Quota::new(MEMORY as u64 + (8 << 20)));
    let (_pause, paused) = watch::channel(false);
    let disk = Disk::open(folder.path(), quota.clone()).unwrap();
    let (input, output) = spool(Some(disk.clone()), Arc::default(), paused.clone());
    let mut first = Rig { input, output, meters: Arc::default(), pause: watch::channel(false).0, _folder: None };
    first.output.begin(&place(0), Supply::Source).await;
    first.input.next_beginning().await;
    push(&first, 0, MEMORY).await;
    push_and_drop(&first.input, MEMORY as u64).await;
    drop(first);
    disk.close().await;

    let again = Disk::open(folder.path(), quota).expect("the folder is free");
    let (mut input, mut output) = spool(Some(again), Arc::default(), paused);
    output.begin(&place(0), Supply::Left).await;
    let end = MEMORY as u64 + 200_000;
    assert_eq!(input.next_beginning().await.offset, end);
    input.push(piece(pattern(end, 200_000))).await;
    assert!(input.why_full().is_none(), "there is room for it: {:?}", input.why_full());
    expect(&mut output, 0, MEMORY + 400_000).await;
}
