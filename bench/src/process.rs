//! What a process has used, from /proc (Linux only).

use std::fs;
use std::process::Command;

use crate::Result;

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// User and system time of all its threads.
    pub cpu_seconds: f64,
    /// The most memory it ever had resident.
    pub peak_mib: f64,
}

impl Used {
    /// What was used since an earlier look. A peak has no difference.
    pub fn since(self, earlier: Self) -> Self {
        Self { cpu_seconds: self.cpu_seconds - earlier.cpu_seconds, ..self }
    }
}

/// The clock in which the kernel counts CPU time.
#[derive(Debug, Clone, Copy)]
pub struct Ticks {
    per_second: f64,
}

impl Ticks {
    /// Asks the system.
    pub fn read() -> Result<Self> {
        let output = Command::new("getconf").arg("CLK_TCK").output().map_err(|e| format!("getconf CLK_TCK: {e}"))?;
        let per_second = String::from_utf8_lossy(&output.stdout).trim().parse();
        Ok(Self { per_second: per_second.map_err(|e| format!("getconf CLK_TCK: {e}"))? })
    }

    /// What a process has used.
    pub fn used(self, pid: u32) -> Result<Used> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).map_err(|e| format!("{path}: {e}; CPU and memory are read on Linux only"))
        };
        let ticks = cpu_ticks(&read("stat")?).ok_or_else(|| format!("/proc/{pid}/stat has another form"))?;
        let peak = peak_kib(&read("status")?).ok_or_else(|| format!("/proc/{pid}/status has no VmHWM"))?;
        Ok(Used { cpu_seconds: ticks as f64 / self.per_second, peak_mib: peak as f64 / 1024.0 })
    }
}

/// utime + stime: fields 14 and 15 of proc(5). The name, field 2, may hold blanks, so we count from its last bracket.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_blanks_and_brackets() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 1234 66 0 0 20 0 3 0 500 1000 200";
        assert_eq!(cpu_ticks(stat), Some(1300));
        assert_eq!(cpu_ticks("42 (a) S 1"), None);
    }

    #[test]
    fn the_peak_is_read_in_kib() {
        assert_eq!(peak_kib("Name:\tx\nVmHWM:\t   20480 kB\nVmRSS:\t  10 kB\n"), Some(20480));
        assert_eq!(peak_kib("Name:\tx\n"), None);
    }
}
