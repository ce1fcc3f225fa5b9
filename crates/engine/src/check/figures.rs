//! Figures as a person reads them.

/// A number of bytes.
pub(super) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if value < 1_000.0 {
            let decimals = usize::from(unit != "B" && value < 10.0);
            return format!("{value:.decimals$} {unit}");
        }
        value /= 1_000.0;
    }
    format!("{value:.1} TB")
}

/// A rate of bytes.
pub(super) fn rate(per_second: f64) -> String {
    format!("{}/s", bytes(whole(per_second)))
}

/// A time in seconds.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// A count with its noun.
pub(super) fn count(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// A floating number as a whole one; what is out of range comes to the nearest end.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is what is wanted")]
pub(super) fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_carry_one_unit() {
        assert_eq!([bytes(999), bytes(1_048_576), bytes(85_300)], ["999 B", "1.0 MB", "85 KB"]);
        assert_eq!([time(12.3), time(7_100.0), time(90_000.0)], ["12 s", "118 min", "25 h"]);
        assert_eq!([count(1, "key"), count(0, "key")], ["1 key", "0 keys"]);
        assert_eq!((whole(-3.0), whole(f64::NAN), whole(2.9)), (0, 0, 2));
    }
}
