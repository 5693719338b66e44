//! `homing check --explain`: of each dataset one page that a product manager can sign. It says who may write where, what a user sees after
//! a write, and what happens to two writes at once. What the file says stands in quotes; nothing else is promised.

use std::time::Duration;

use serde_json::{Value, json};

use super::words::{folded, series};
use homing_core::{
    DatasetId, RegionId, RegionSet,
    config::{ConflictRule, Conflicts, Dataset, MergeKind, OnHomeDown, ReadAfterWrite, Route, Rule, Topology, WinsPer},
};

/// The longest line of a page.
const WIDTH: usize = 100;
/// Where a page is signed.
const SIGNED: &str = "Agreed: ____________________________   Date: ______________";

/// What is promised of one dataset.
pub(super) struct Page<'t> {
    dataset: &'t Dataset,
    /// What is asked, and the sentences that answer it.
    sections: Vec<(&'static str, Vec<String>)>,
}

/// A page for each dataset, in the order of the file.
pub(super) fn pages(topology: &Topology) -> Vec<Page<'_>> {
    topology.datasets().map(|(id, dataset)| page(id, dataset, topology)).collect()
}

fn page<'t>(id: DatasetId, dataset: &'t Dataset, topology: &'t Topology) -> Page<'t> {
    let routes: Vec<&Route> = topology.routes().iter().filter(|route| route.dataset == Some(id)).collect();
    let mut sections = vec![
        ("Who may write where", writers(dataset, topology)),
        ("What a user sees after a write", seen(dataset, &routes)),
        ("What happens to two writes at once", at_once(dataset)),
    ];
    if let Some(conflicts) = dataset.rule.conflicts() {
        sections.push(("What this cannot keep", not_kept(conflicts)));
    }
    Page { dataset, sections }
}

impl Page<'_> {
    pub(super) fn text(&self) -> String {
        let Dataset { name, rule, .. } = self.dataset;
        let head = format!("{name} ({})", rule.token());
        let mut text = format!("\n{head}\n{}\n", "=".repeat(head.chars().count()));
        for (asked, answers) in &self.sections {
            text.push_str(&format!("\n{asked}\n"));
            answers.iter().for_each(|answer| text.push_str(&folded("  - ", answer, WIDTH)));
        }
        format!("{text}\n{SIGNED}\n")
    }

    pub(super) fn json(&self) -> Value {
        let sections: Vec<_> =
            self.sections.iter().map(|(asked, answers)| json!({ "asked": asked, "answers": answers })).collect();
        json!({ "dataset": self.dataset.name, "ownership": self.dataset.rule.token(), "sections": sections })
    }
}

fn writers(dataset: &Dataset, topology: &Topology) -> Vec<String> {
    let name = |region: RegionId| format!("{:?}", topology.region(region).name);
    let mut said = match &dataset.rule {
        Rule::SingleWriter { home } => vec![
            format!("The region {} takes every write, from users everywhere.", name(*home)),
            "If it fails, writes are refused until it is back, or until an operator promotes another region. No region takes \
             its place by itself."
                .to_owned(),
        ],
        Rule::GeoPartitioned { subject, regions } => {
            let kind = subject.token();
            let first = topology.identity().first_home(*subject).map_or_else(
                || format!("The home is the region that is nearest when the {kind} is first seen. It stays there until an operator moves it."),
                |region| format!("The home is {} until an operator moves it.", name(region)),
            );
            vec![
                format!("Each {kind} has one home: {}. It takes every write to this {kind}'s data, from everywhere.", one_of(*regions, topology)),
                first,
                format!("If a home fails, writes to the data of its {kind}s are refused until it is back, or until an operator promotes another region. Other {kind}s notice nothing."),
            ]
        }
        Rule::MultiWriter { regions, .. } => vec![
            format!("Each of these regions takes writes: {}.", listed(*regions, topology)),
            "A write goes to the nearest of them. If that one fails, it goes to the next.".to_owned(),
            "If a region fails, the writes that it has not yet handed on are missing elsewhere until it is back.".to_owned(),
        ],
    };
    if let Some(lease) = dataset.lease {
        let span = spelled(lease);
        said.push(format!("The home stops taking writes if it has not heard from the authority for {span} (lease)."));
    }
    if let Some(pause) = dataset.max_pause {
        said.push(format!("While a home moves, writes are refused for at most {} (max_pause).", spelled(pause)));
    }
    said
}

fn seen(dataset: &Dataset, routes: &[&Route]) -> Vec<String> {
    let mut said: Vec<String> = routes.iter().map(|route| after_write(dataset, route)).collect();
    if routes.is_empty() {
        return vec!["Nothing yet: no route names this dataset.".to_owned()];
    }
    said.push("Everybody else sees the write as soon as the region that they read from has it.".to_owned());
    if let Some(bound) = dataset.staleness {
        let span = spelled(bound);
        said.push(format!("A region that is measured to be more than {span} behind is passed over (staleness)."));
    }
    let stored: Vec<_> =
        routes.iter().filter(|route| Route::is_cached(Some(route), dataset.rule.is_personal())).collect();
    if !stored.is_empty() {
        let routes = matches(stored.into_iter().copied());
        said.push(format!(
            "On {routes} everybody else may get a stored response for as long as its Cache-Control says."
        ));
    }
    said
}

/// What the writer reads back through that route.
fn after_write(dataset: &Dataset, route: &Route) -> String {
    let place = format!("{:?}", route.pattern.to_string());
    let promise = match route.read_after_write {
        ReadAfterWrite::Home => {
            return format!("On {place} everybody sees each write at once: every read goes to the home.");
        }
        ReadAfterWrite::None => {
            return format!(
                "On {place} users may for a moment not see their own writes: read_after_write is \"none\"."
            );
        }
        ReadAfterWrite::Session if dataset.position.is_some() => {
            format!("On {place} users see their own writes at once, wherever they are.")
        }
        ReadAfterWrite::Session => format!(
            "On {place} users see their own writes at once, as long as no region is further behind than measured: the \
             dataset has no position."
        ),
    };
    let else_ = match route.on_home_down {
        OnHomeDown::Stale => "If no region that has them answers, users may get an older answer, which says so.",
        OnHomeDown::Refuse => "If no region that has them answers, the read is refused.",
    };
    format!("{promise} {else_}")
}

fn at_once(dataset: &Dataset) -> Vec<String> {
    let one_home = |home: &str| {
        vec![
            format!("{home} takes them one after the other, so they cannot conflict."),
            "The application decides what the second one may do. It can refuse it (If-Match, a lock, a unique constraint)."
                .to_owned(),
        ]
    };
    let conflicts = match &dataset.rule {
        Rule::SingleWriter { .. } => return one_home("The home"),
        Rule::GeoPartitioned { subject, .. } => return one_home(&format!("The home of the {}", subject.token())),
        Rule::MultiWriter { conflicts, .. } => conflicts,
    };
    let mut said = vec![
        format!("In the words that users are told: {:?}", conflicts.explain),
        decided(conflicts.rule).to_owned(),
        "\"At once\" means: before one region has heard of the other's write. That is seconds at most on a good day, and as \
         long as the link is cut on a bad one."
            .to_owned(),
    ];
    // Of a counter nothing is lost, so there is nothing to tell.
    if !matches!(conflicts.rule, ConflictRule::Merge(Some(MergeKind::Counter { .. }))) {
        let name = &dataset.name;
        said.push(format!("`homing conflicts {name}` tells of each conflict what was kept and what was lost."));
    }
    said
}

/// The rule, for readers who know no code.
fn decided(rule: ConflictRule) -> &'static str {
    match rule {
        ConflictRule::LastWriteWins(WinsPer::Record) => {
            "The later of two writes to one record stays. The earlier one is lost as a whole, and its user is not asked."
        }
        ConflictRule::LastWriteWins(WinsPer::Field) => {
            "The later of two writes to one field stays, and the earlier one is lost. Writes to different fields both stay."
        }
        ConflictRule::Merge(Some(MergeKind::Counter { .. })) => "Both count: what is added and taken away adds up.",
        ConflictRule::Merge(Some(MergeKind::Set)) => {
            "Both stay. If one adds what the other removes, it stays in: a removal takes away only what it has seen."
        }
        ConflictRule::Merge(Some(MergeKind::Register)) => {
            "Both values stay, side by side. The application shows both until a later write replaces them."
        }
        ConflictRule::Merge(Some(MergeKind::Map)) => {
            "Each field has a rule of its own. The application declares them, and this page does not know them."
        }
        ConflictRule::Merge(None) => {
            "Both are merged, and the file does not say how. Ask for conflicts.merge before you agree."
        }
        ConflictRule::Application => "The application decides. Ask its developers how before you agree.",
    }
}

/// What is lost with the one home that could have refused the second write.
fn not_kept(conflicts: &Conflicts) -> Vec<String> {
    let mut said = vec![
        "That something exists only once, such as a name or a seat: two regions may both give it away.".to_owned(),
        "That a change is refused because somebody else was faster (If-Match): each region compares with what it has."
            .to_owned(),
    ];
    if let ConflictRule::Merge(Some(MergeKind::Counter { minimum })) = conflicts.rule {
        let bound = minimum.map_or_else(|| "a limit, such as zero".to_owned(), |least| least.to_string());
        said.push(format!("That the count stays at or above {bound}: two regions may both take the last one."));
    }
    said
}

fn listed(regions: RegionSet, topology: &Topology) -> String {
    joined(regions, topology, "and")
}

fn one_of(regions: RegionSet, topology: &Topology) -> String {
    joined(regions, topology, "or")
}

fn joined(regions: RegionSet, topology: &Topology, word: &str) -> String {
    let names: Vec<_> = regions.iter().map(|region| format!("{:?}", topology.region(region).name)).collect();
    series(&names, word)
}

fn matches<'r>(routes: impl Iterator<Item = &'r Route>) -> String {
    series(&routes.map(|route| format!("{:?}", route.pattern.to_string())).collect::<Vec<_>>(), "and")
}

/// A time with its unit.
fn spelled(span: Duration) -> String {
    match span.as_millis() {
        millis if millis % 1000 != 0 => format!("{millis} ms"),
        millis if millis % 60_000 != 0 => format!("{} s", millis / 1000),
        millis => format!("{} min", millis / 60_000),
    }
}
