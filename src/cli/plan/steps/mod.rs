//! The steps of a plan, in their order. Each change says what it needs in each phase ([`Draft`]); here that is put together, with the
//! deployments between.

mod ownership;
mod places;
mod rest;

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::{change::Change, deployed::Recorded, difference::Difference};
use crate::words::{quoted, series};
use homing_core::config::Topology;

/// Whose hands a step needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum By {
    /// The application, or who runs it: a release, or work on its data.
    Application,
    /// An operator, by the commands.
    Operator,
    /// A deployment of the router.
    Deployment,
}

impl By {
    /// The word that is printed.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Operator => "operator",
            Self::Deployment => "deployment",
        }
    }
}

/// One step, with all that must be known to carry it out at night.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Step {
    /// What to do, as an imperative.
    pub(super) title: String,
    /// Whose hands it needs.
    pub(super) by: By,
    /// The commands, in their order.
    pub(super) commands: Vec<String>,
    /// The file that a deployment deploys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deploys: Option<String>,
    /// Why it stands here.
    pub(super) why: String,
    /// What the router does by itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) router: String,
    /// How to see that it is done.
    pub(super) done: String,
    /// The commands that show it.
    pub(super) check: Vec<String>,
    /// What comes of doing it twice.
    pub(super) repeat: String,
    /// How to go back.
    pub(super) back: String,
    /// Whether something of it cannot be undone.
    pub(super) one_way: bool,
}

/// A change of a file: the key below `[vars]`, and its new value; none takes it out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Edit {
    /// The key, such as `DATASETS.cart.regions`.
    pub(super) key: String,
    /// Its value.
    pub(super) value: Option<Value>,
}

impl Edit {
    pub(super) fn set(key: String, value: impl Into<Value>) -> Self {
        Self { key, value: Some(value.into()) }
    }

    pub(super) fn remove(key: String) -> Self {
        Self { key, value: None }
    }
}

/// A file between the two.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Between {
    /// Its name.
    pub(super) name: String,
    /// The file that it is made from.
    pub(super) base: String,
    /// What differs from that.
    pub(super) edits: Vec<Edit>,
}

/// How the files are called, and for which environment they are.
#[derive(Clone, Debug)]
pub(super) struct Files<'a> {
    pub(super) old: &'a str,
    pub(super) new: &'a str,
    pub(super) env: Option<&'a str>,
    /// Where the files between are, before their name: nothing, or a folder with its slash.
    pub(super) folder: &'a str,
}

impl Files<'_> {
    /// The option that names the environment, if there is one.
    fn env(&self) -> String {
        self.env.map(|env| format!(" --env {}", quoted(env))).unwrap_or_default()
    }

    /// The name of the next file between, beside the new one. It is neither the old file's nor the new one's: one leg of a plan may begin
    /// at a file between of an earlier one.
    fn between(&self, known: &[Between]) -> String {
        let name = |at: usize| format!("{}between-{at}.toml", self.folder);
        let is_free = |name: &String| {
            let file = |path: &'_ str| Path::new(path).file_name().map(ToOwned::to_owned);
            [self.old, self.new].into_iter().all(|taken| file(taken) != file(name))
                && known.iter().all(|between| between.name != *name)
        };
        (1..).map(name).find(is_free).unwrap_or_else(|| name(0))
    }

    /// The command that plans the way back.
    fn back(&self) -> String {
        format!("homing plan {} {}{}", quoted(self.new), quoted(self.old), self.env())
    }
}

/// What the steps are made from.
pub(super) struct Drafting<'a> {
    pub(super) old: &'a Topology,
    pub(super) new: &'a Topology,
    pub(super) files: &'a Files<'a>,
    pub(super) difference: &'a Difference,
    /// The table of an added region, as the new file has it.
    pub(super) region: &'a dyn Fn(&str) -> Option<Value>,
    /// The homes that the authority has recorded; none if it was not asked.
    pub(super) recorded: Option<&'a [Recorded]>,
}

impl Drafting<'_> {
    /// The home of that dataset by the authority, and its epoch.
    fn recorded(&self, name: &str) -> Option<&Recorded> {
        self.recorded?.iter().find(|recorded| recorded.dataset == name)
    }
}

/// What the changes need, by phase.
#[derive(Default)]
pub(super) struct Draft {
    /// Before any deployment.
    first: Vec<Step>,
    /// What the first file between the two changes of the old one.
    prepare: Vec<Edit>,
    /// Why that file is needed.
    prepare_for: Vec<String>,
    /// While that runs: homes move.
    moves: Vec<Step>,
    /// What the second file between the two changes besides.
    narrow: Vec<Edit>,
    /// Why that one is needed.
    narrow_for: Vec<String>,
    /// What it takes over from the new file, if there is such a file: homes that have moved by then.
    carried: Vec<Edit>,
    /// While that runs.
    settle: Vec<Step>,
    /// What the last file between the two changes of the new one.
    late: Vec<Edit>,
    /// Why that one is needed.
    late_for: Vec<String>,
    /// Right before the new file.
    before: Vec<Step>,
    /// While the last file between the two runs.
    last: Vec<Step>,
    /// After the new file.
    after: Vec<Step>,
}

/// The steps, and the files between.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) between: Vec<Between>,
}

/// The plan for what differs. Nothing, if nothing does.
pub(super) fn of(cx: &Drafting<'_>) -> Plan {
    if cx.difference.changes.is_empty() && cx.difference.others.is_empty() {
        return Plan::default();
    }
    let mut draft = Draft::default();
    for change in &cx.difference.changes {
        draft.take(change, cx);
    }
    draft.assemble(cx.files)
}

impl Draft {
    fn take(&mut self, change: &Change, cx: &Drafting<'_>) {
        match change {
            Change::RegionAdded { region } => places::added(self, cx, region),
            Change::RegionRemoved { region } => places::removed(self, cx, region),
            Change::OriginChanged { region, from, to } => places::origin(self, region, from, to),
            Change::ResidencyChanged { dataset, subject, added, removed } => {
                places::residency(self, cx, (dataset, subject), (added, removed));
            }
            Change::OwnersChanged { dataset, added, removed } => places::owners(self, cx, dataset, (added, removed)),
            Change::HomeMoved { dataset, from, to } => ownership::moved(self, cx, dataset, (from, to)),
            Change::OwnershipChanged { dataset, from, to } => ownership::changed(self, cx, dataset, (from, to)),
            Change::ConflictsChanged { dataset, from, to } => rest::conflicts(self, dataset, (from, to)),
            Change::PositionChanged { dataset, from, to } => rest::position(self, dataset, (*from, *to)),
            Change::LeaseChanged { dataset, from, to } => rest::lease(self, dataset, (from.is_some(), to.is_some())),
            Change::IdentityChanged { subject, from, to } => {
                rest::identity(self, cx, subject, (from.as_deref(), to.as_deref()));
            }
            Change::FirstHomeChanged { subject, from, to } => {
                rest::first_home(self, subject, (from.as_deref(), to.as_deref()));
            }
            Change::DatasetAdded { dataset, .. } => rest::dataset_added(self, cx, dataset),
            Change::PromiseChanged { request, becomes_read: true, .. } => rest::reads(self, request),
            // These are refused, or need no more than the deployment.
            Change::DefaultHomeMoved { .. }
            | Change::DatasetRemoved { .. }
            | Change::SubjectChanged { .. }
            | Change::RouteMoved { .. }
            | Change::PromiseChanged { .. } => {}
        }
    }

    fn assemble(self, files: &Files<'_>) -> Plan {
        let Self { first, prepare, prepare_for, moves, narrow, narrow_for, carried, settle, .. } = self;
        let Self { late, late_for, before, last, after, .. } = self;
        let mut plan = Plan { steps: first, between: Vec::new() };
        let mut running = files.old.to_owned();
        if !prepare.is_empty() {
            running = plan.deploy_between((files.old, prepare.clone()), prepare_for, files, &running);
        }
        plan.add(moves);
        if !narrow.is_empty() {
            let edits = prepare.into_iter().filter(|edit| narrow.iter().all(|later| later.key != edit.key));
            let edits = edits.chain(narrow.iter().cloned()).chain(carried).collect();
            running = plan.deploy_between((files.old, edits), narrow_for, files, &running);
        }
        plan.add(settle);
        plan.add(before);
        if !late.is_empty() {
            running = plan.deploy_between((files.new, late), late_for, files, &running);
            plan.add(last);
        }
        plan.deploy(
            files.new,
            "It is what you want, and all that it needs is done by now.".to_owned(),
            files,
            &running,
        );
        plan.add(after);
        plan
    }
}

impl Plan {
    /// Steps that are there already are not there twice: two datasets may need the same evacuation.
    fn add(&mut self, steps: Vec<Step>) {
        for step in steps {
            if !self.steps.iter().any(|known| known.title == step.title) {
                self.steps.push(step);
            }
        }
    }

    fn deploy_between(
        &mut self,
        (base, edits): (&str, Vec<Edit>),
        mut reasons: Vec<String>,
        files: &Files<'_>,
        running: &str,
    ) -> String {
        let name = files.between(&self.between);
        self.between.push(Between { name: name.clone(), base: base.to_owned(), edits });
        reasons.dedup();
        self.deploy(&name, reasons.join(" "), files, running);
        name
    }

    fn deploy(&mut self, file: &str, why: String, files: &Files<'_>, running: &str) {
        let (env, config) = (files.env(), quoted(file));
        let check = format!("homing check {config}{env} --against $HOMING_URL");
        let config = if file == "wrangler.toml" { String::new() } else { format!(" --config {config}") };
        self.steps.push(Step {
            title: format!("Deploy {file} for all traffic"),
            by: By::Deployment,
            commands: vec![check.clone(), format!("npx wrangler deploy{config}{env}")],
            deploys: Some(file.to_owned()),
            why,
            router: "Old and new edges run side by side until the deployment has reached all traffic. Owners that are recorded stay."
                .to_owned(),
            done: "The check prints no line that begins with \"against the deployed router\". Do not go on before: an old edge \
                   still decides by the old file."
                .to_owned(),
            check: vec![check],
            repeat: "Safe.".to_owned(),
            back: format!("Deploy {running} again. First undo the later steps, the last one first."),
            one_way: false,
        });
    }
}

/// Names as they stand in a sentence: `us`, `us and eu`, `us, eu and ap`.
pub(super) fn listed<T: AsRef<str>>(names: &[T]) -> String {
    if names.is_empty() { "no region".to_owned() } else { series(names, "and") }
}
