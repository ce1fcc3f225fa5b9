//! Medians and ratios as a plain table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::thread;

use crate::args::Scale;
use crate::decode::{self, Depth, Set};
use crate::links::{Link, Sample, WAYS, Way};
use crate::pacer;
use crate::replica::Kind;
use crate::stream::COMMANDS;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    FullSync,
    Stream(&'static str),
    IdleP50,
    IdleP99,
    LoadedP50,
    LoadedP99,
    Load,
    SyncCpu,
    StreamCpu(&'static str),
    /// The decoder alone.
    Decode(Set, Depth),
}

impl Metric {
    /// In the order of the table.
    fn all() -> Vec<Self> {
        let mut all = vec![Self::FullSync];
        all.extend(COMMANDS.map(Self::Stream));
        all.extend([Self::IdleP50, Self::IdleP99, Self::LoadedP50, Self::LoadedP99, Self::Load, Self::SyncCpu]);
        all.extend(COMMANDS.map(Self::StreamCpu));
        all.extend(decode::ALL.map(|(set, depth)| Self::Decode(set, depth)));
        all
    }

    fn label(self, scale: Scale) -> String {
        let rate = grouped(pacer::RATE);
        match self {
            Self::FullSync => format!("full sync of {} keys, s", grouped(scale.keys() as u64)),
            Self::Stream(command) => format!("stream of {command}, commands/s"),
            Self::IdleP50 => "visible when idle, p50, ms".into(),
            Self::IdleP99 => "visible when idle, p99, ms".into(),
            Self::LoadedP50 => format!("visible at {rate} SET/s, p50, ms"),
            Self::LoadedP99 => format!("visible at {rate} SET/s, p99, ms"),
            Self::Load => "  load that was reached, SET/s".into(),
            Self::SyncCpu => "engine CPU per million keys, s".into(),
            Self::StreamCpu(command) => format!("engine CPU per streamed {command}, us"),
            Self::Decode(Set::Strings, Depth::Raw) => "decoding strings, GB/s".into(),
            Self::Decode(Set::Strings, Depth::Content) => "  with their content, GB/s".into(),
            Self::Decode(Set::Collections, Depth::Raw) => "decoding collections, GB/s".into(),
            Self::Decode(Set::Collections, Depth::Content) => "  with their elements, GB/s".into(),
        }
    }

    fn decimals(self) -> usize {
        match self {
            Self::Stream(_) | Self::Load => 0,
            _ => 2,
        }
    }

    /// A ratio of the loads would say nothing about replication.
    fn has_ratio(self) -> bool {
        self != Self::Load
    }
}

/// All samples of a run.
#[derive(Debug)]
pub struct Report {
    scale: Scale,
    native: BTreeMap<Metric, Vec<f64>>,
    ours: BTreeMap<Metric, Vec<f64>>,
    peak_mib: f64,
    /// Each with its number of documents.
    links: Vec<(Link, Way, u64, Sample)>,
}

impl Report {
    /// An empty report.
    pub fn new(scale: Scale) -> Self {
        Self { scale, native: BTreeMap::new(), ours: BTreeMap::new(), peak_mib: 0.0, links: Vec::new() }
    }

    /// Adds one round's figure.
    pub fn add(&mut self, kind: Kind, metric: Metric, value: f64) {
        let side = match kind {
            Kind::Native => &mut self.native,
            Kind::Tributary => &mut self.ours,
        };
        side.entry(metric).or_default().push(value);
    }

    /// Adds one engine's peak memory; the table shows the highest of all.
    pub fn peak(&mut self, mib: f64) {
        self.peak_mib = self.peak_mib.max(mib);
    }

    /// Adds what one link gave.
    pub fn link(&mut self, link: Link, way: Way, documents: u64, sample: Sample) {
        self.peak(sample.engine.peak_mib);
        self.links.push((link, way, documents, sample));
    }

    /// What compression gains and costs.
    fn links(&self, table: &mut String) {
        for link in [Link::Distant, Link::Fast] {
            let of = |way: Way| self.links.iter().find(|(of, went, ..)| *of == link && *went == way);
            let samples: Vec<&Sample> = WAYS.into_iter().filter_map(|way| Some(&of(way)?.3)).collect();
            let (Some((_, _, documents, _)), [plain, gzip, alone]) = (of(Way::Plain), samples.as_slice()) else {
                continue;
            };
            let name = if link == Link::Distant { "20 Mbit/s, 80 ms" } else { "loopback" };
            let title = format!("{name}: {} documents of 1 KB", grouped(*documents));
            let heads = ["plain", "gzip", "gain", "gzip (1)", "gain"];
            let _ = writeln!(table, "\n{title:<42}{}", heads.map(|head| format!("{head:>10}")).concat());
            let figure = |value: f64| if value.is_nan() { "-".to_owned() } else { format!("{value:.2}") };
            let each = |of: fn(&Sample) -> f64| [of(plain), of(gzip), of(alone)];
            for (label, [plain, gzip, alone], gains) in [
                ("  full sync, s", each(|sample| sample.full_sync), true),
                ("  as many again in the stream, s", each(|sample| sample.stream), true),
                ("  engine CPU of both, s", each(|sample| sample.engine.cpu_seconds), true),
                ("  relay CPU of both, s", each(|sample| sample.relay.unwrap_or(f64::NAN)), false),
                ("  bytes for each byte on the wire", each(|sample| sample.ratio.unwrap_or(f64::NAN)), false),
            ] {
                let gain = |of: f64| if gains { plain / of } else { f64::NAN };
                let values = [plain, gzip, gain(gzip), alone, gain(alone)];
                let shown = values.map(|value| format!("{:>10}", figure(value))).concat();
                let _ = writeln!(table, "{label:<42}{shown}");
            }
        }
        if !self.links.is_empty() {
            table.push_str(
                "(1) rdbcompression no at the source: its snapshots are not compressed twice. gain = plain / gzip\n",
            );
        }
    }

    /// The table.
    pub fn table(&self, server: &str, rounds: usize) -> String {
        let cores = thread::available_parallelism().map_or_else(|_| "?".to_owned(), |cores| cores.to_string());
        let mut table = format!(
            "redis-server {server}, {cores} cores, medians of {rounds} round(s), streams of {} commands\n\
             ratio = tributary / native: below 1 is better for times, above 1 for commands/s\n\n",
            grouped(self.scale.commands)
        );
        row(&mut table, "", "native", "tributary", "ratio");
        for metric in Metric::all() {
            let figure = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.*}", metric.decimals()));
            let (native, ours) = (median(self.native.get(&metric)), median(self.ours.get(&metric)));
            if native.or(ours).is_none() {
                continue;
            }
            let ratio = native.zip(ours).filter(|_| metric.has_ratio()).map(|(native, ours)| ours / native);
            let ratio = ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"));
            row(&mut table, &metric.label(self.scale), &figure(native), &figure(ours), &ratio);
        }
        if self.peak_mib > 0.0 {
            row(&mut table, "engine peak memory, MiB", "-", &format!("{:.0}", self.peak_mib), "-");
        }
        self.links(&mut table);
        table.truncate(table.trim_end().len());
        table
    }
}

fn row(table: &mut String, label: &str, native: &str, ours: &str, ratio: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(table, "{label:<34}{native:>12}{ours:>12}{ratio:>8}");
}

fn median(values: Option<&Vec<f64>>) -> Option<f64> {
    let mut values = values.filter(|values| !values.is_empty())?.clone();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// The value that `percent` of all do not exceed (nearest rank); 0 of none.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100);
    values.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_middle_of_two() {
        assert_eq!(median(Some(&vec![3.0, 1.0, 2.0])), Some(2.0));
        assert_eq!(median(Some(&vec![4.0, 1.0, 2.0, 3.0])), Some(2.5));
        assert_eq!(median(Some(&vec![])), None);
        assert_eq!(median(None), None);
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let mut values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut values, 50), 100.0);
        assert_eq!(percentile(&mut values, 99), 198.0);
        assert_eq!(percentile(&mut [7.0], 99), 7.0);
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([5, 999, 1_000, 1_050_000].map(grouped), ["5", "999", "1,000", "1,050,000"]);
    }
}
