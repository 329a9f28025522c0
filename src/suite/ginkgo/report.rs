//! Ginkgo's own JSON report, as far as bellwether reads it. The raw form: plan and results are made
//! from it elsewhere, and are two types.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A report file.
#[derive(Clone, Debug, Default)]
pub struct ReportFile {
    /// Its suites; a `go test` binary has one.
    pub suites: Vec<RawSuite>,
    /// Where and why reading stopped, when the file is not whole. What was read is kept.
    pub truncated: Option<String>,
}

/// One suite.
#[derive(Clone, Debug, Default)]
pub struct RawSuite {
    /// Whether it was a dry run, in which selected specs are marked `passed`.
    pub dry_run: Option<bool>,
    /// How many specs it holds, and how many it said it would run.
    pub stats: Option<RawStats>,
    /// `Suite Timeout Elapsed` and the like.
    pub special_failures: Vec<String>,
    /// Its specs and suite-level nodes.
    pub specs: Vec<RawSpec>,
}

/// `PreRunStats`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RawStats {
    /// All specs.
    pub total_specs: u32,
    /// Selected ones.
    pub specs_that_will_run: u32,
}

/// One spec or suite-level node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RawSpec {
    /// Texts of its containers, outermost first.
    #[serde(deserialize_with = "nullable")]
    pub container_hierarchy_texts: Vec<String>,
    /// Labels of each container.
    #[serde(deserialize_with = "nullable")]
    pub container_hierarchy_labels: Vec<Option<Vec<String>>>,
    /// `It`, or a suite-level node's type.
    pub leaf_node_type: String,
    /// Its text.
    pub leaf_node_text: String,
    /// Whether it runs alone, with no other spec beside it.
    pub is_serial: bool,
    /// Whether a container of it keeps its specs in order.
    pub is_in_ordered_container: bool,
    /// Its own labels.
    #[serde(deserialize_with = "nullable")]
    pub leaf_node_labels: Vec<String>,
    /// Where it is.
    #[serde(deserialize_with = "nullable")]
    pub leaf_node_location: RawLocation,
    /// `passed`, `failed`, …
    pub state: String,
    /// RFC 3339.
    pub start_time: String,
    /// RFC 3339.
    pub end_time: String,
    /// Nanoseconds.
    pub run_time: f64,
    /// From 1.
    pub parallel_process: u32,
    /// 0 when it never ran.
    pub num_attempts: u32,
    /// What it said.
    pub failure: Option<RawFailure>,
}

/// `Failure`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RawFailure {
    /// The message.
    pub message: String,
    /// Where the assertion is.
    pub location: RawLocation,
    /// The value of a panic.
    pub forwarded_panic: String,
}

/// A code location.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RawLocation {
    /// The file.
    pub file_name: String,
    /// The line.
    pub line_number: u64,
}

impl RawLocation {
    /// `file:line`; empty when unknown.
    #[must_use]
    pub fn text(&self) -> String {
        match self.file_name.as_str() {
            "" => String::new(),
            file => format!("{file}:{}", self.line_number),
        }
    }
}

impl RawSpec {
    /// Whether it is a spec.
    #[must_use]
    pub fn is_spec(&self) -> bool {
        self.leaf_node_type == "It"
    }

    /// Container texts and own text, joined by one space.
    #[must_use]
    pub fn name(&self) -> String {
        let mut texts: Vec<&str> = self
            .container_hierarchy_texts
            .iter()
            .map(String::as_str)
            .collect();
        texts.push(&self.leaf_node_text);
        texts.join(" ").trim().to_owned()
    }

    /// What it must stay together with. The report does not say which of its containers is the ordered one, so that is
    /// all of the outermost.
    #[must_use]
    pub fn group(&self) -> Option<String> {
        let whole = self.is_serial || self.is_in_ordered_container;
        let outermost = self.container_hierarchy_texts.first();
        outermost.filter(|_| whole).cloned()
    }

    /// All labels, outermost first, each once, as Ginkgo prints them.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        let all = self.container_hierarchy_labels.iter().flatten().flatten();
        for label in all.chain(&self.leaf_node_labels) {
            if !labels.contains(label) {
                labels.push(label.clone());
            }
        }
        labels
    }
}

fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a report. A file that ends or breaks early keeps every spec before the break.
#[must_use]
pub fn read(bytes: &[u8]) -> ReportFile {
    let mut file = ReportFile::default();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let result = Suites(&mut file.suites)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    file.truncated = result.err().map(|error| error.to_string());
    file
}

struct Suites<'a>(&'a mut Vec<RawSuite>);
struct Suite<'a>(&'a mut RawSuite);
struct Specs<'a>(&'a mut Vec<RawSpec>);

impl<'de> DeserializeSeed<'de> for Suites<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Suites<'_> {
    type Value = ();
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of suites")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        loop {
            let at = self.0.len();
            self.0.push(RawSuite::default());
            let Some(suite) = self.0.get_mut(at) else {
                return Ok(());
            };
            if seq.next_element_seed(Suite(suite))?.is_none() {
                self.0.truncate(at);
                return Ok(());
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Suite<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Suite<'_> {
    type Value = ();
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a suite")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Config {
            dry_run: bool,
        }
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "SuiteConfig" => self.0.dry_run = Some(map.next_value::<Config>()?.dry_run),
                "PreRunStats" => self.0.stats = map.next_value()?,
                "SpecialSuiteFailureReasons" => {
                    self.0.special_failures =
                        map.next_value::<Option<Vec<String>>>()?.unwrap_or_default();
                }
                "SpecReports" => map.next_value_seed(Specs(&mut self.0.specs))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Specs<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Specs<'_> {
    type Value = ();
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of specs")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(spec) = seq.next_element()? {
            self.0.push(spec);
        }
        Ok(())
    }
}
