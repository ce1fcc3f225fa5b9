//! The text format of Prometheus, version 0.0.4.

use std::fmt::Write;

/// What a metric's numbers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It rises until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// One answer to a scrape, written metric by metric.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    metric: &'static str,
}

impl Page {
    /// Begins a metric; the samples that follow are its own. `help` is one line.
    pub fn metric(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Self {
        self.metric = name;
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {}", kind.word());
        self
    }

    /// Adds a number to the metric that was begun last. Labels are names and values; a value may hold anything.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.text.push_str(self.metric);
        for (index, (name, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{name}=\"");
            escape(value, &mut self.text);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
        self
    }

    /// All that was written.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

fn escape(value: &str, text: &mut String) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut page = Page::default();
        page.metric("a_bytes", Kind::Gauge, "Bytes of a.").sample(&[], 1_500_000_000_000.0).sample(&[("x", "1")], 0.25);
        page.metric("b_total", Kind::Counter, "All b.").sample(&[("x", "say \"a\\b\"\n"), ("y", "–")], 3.0);
        let want = "# HELP a_bytes Bytes of a.\n# TYPE a_bytes gauge\na_bytes 1500000000000\na_bytes{x=\"1\"} 0.25\n\
                    # HELP b_total All b.\n# TYPE b_total counter\nb_total{x=\"say \\\"a\\\\b\\\"\\n\",y=\"–\"} 3\n";
        assert_eq!(page.into_text(), want);
    }
}
