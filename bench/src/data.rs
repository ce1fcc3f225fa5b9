//! The data set: a million strings of 100 bytes and 50,000 collections of 20.

use tributary_tests::server::Server;

const STRINGS: u64 = 1_000_000;
const COLLECTIONS: u64 = 50_000;
const ELEMENTS: u64 = 20;
const PER_PIPELINE: usize = 1000;

/// Writes it: how many keys there are.
pub fn fill(source: &Server) -> u64 {
    let mut connection = source.connect();
    let numbers: Vec<u64> = (0..STRINGS + COLLECTIONS).collect();
    for part in numbers.chunks(PER_PIPELINE) {
        let mut pipe = redis::pipe();
        for &number in part {
            if number < STRINGS { string(&mut pipe, number) } else { collection(&mut pipe, number) }
        }
        pipe.query::<()>(&mut connection).expect("the data set");
    }
    STRINGS + COLLECTIONS
}

fn string(pipe: &mut redis::Pipeline, number: u64) {
    let value = format!("{:0>100}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    pipe.cmd("SET").arg(format!("string:{number}")).arg(value).ignore();
}

fn collection(pipe: &mut redis::Pipeline, number: u64) {
    let (command, pairs) = match number % 4 {
        0 => ("RPUSH", false),
        1 => ("SADD", false),
        2 => ("ZADD", true),
        _ => ("HSET", true),
    };
    let command = pipe.cmd(command).arg(format!("collection:{number}"));
    for element in 0..ELEMENTS {
        if pairs {
            command.arg(element);
        }
        command.arg(format!("element {element} of {number}"));
    }
    command.ignore();
}
