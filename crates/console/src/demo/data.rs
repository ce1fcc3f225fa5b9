//! The data set: a small shop's, in all six types.

use redis::Pipeline;
use redis::aio::MultiplexedConnection;

const KEYS: u64 = 200_000;
const BATCH: u64 = 1_000;
const A_DAY: u64 = 86_400;

pub(super) async fn fill(connection: &mut MultiplexedConnection) -> Result<(), redis::RedisError> {
    for first in (0..KEYS).step_by(BATCH as usize) {
        let mut pipeline = redis::pipe();
        for n in first..KEYS.min(first + BATCH) {
            add(&mut pipeline, n);
        }
        pipeline.query_async::<()>(connection).await?;
    }
    Ok(())
}

fn add(pipeline: &mut Pipeline, n: u64) {
    let text = format!("{n:08}-{}", "abcdefghijklmnopqrstuvwxyz".repeat(3));
    match n % 10 {
        0..=4 => pipeline.cmd("SET").arg(format!("page:{n}")).arg(&text).ignore(),
        5 => pipeline.cmd("SET").arg(format!("session:{n}")).arg(&text).arg("EX").arg(A_DAY + n % A_DAY).ignore(),
        6 => {
            let fields = (0..12).flat_map(|field| [format!("field{field}"), text.clone()]);
            pipeline.cmd("HSET").arg(format!("user:{n}")).arg(fields.collect::<Vec<_>>()).ignore()
        }
        7 => {
            let items = (0..20).map(|item| format!("{text}{item}"));
            pipeline.cmd("RPUSH").arg(format!("orders:{n}")).arg(items.collect::<Vec<_>>()).ignore()
        }
        8 if n % 20 == 8 => {
            let members = (0..20).map(|member| n * 31 + member);
            pipeline.cmd("SADD").arg(format!("tags:{n}")).arg(members.collect::<Vec<_>>()).ignore()
        }
        8 => {
            let scores = (0..20).flat_map(|member| [member * 7, n + member]);
            pipeline.cmd("ZADD").arg(format!("ranking:{n}")).arg(scores.collect::<Vec<_>>()).ignore()
        }
        _ => pipeline.cmd("XADD").arg(format!("visits:{n}")).arg("*").arg("page").arg(&text).ignore(),
    };
}
