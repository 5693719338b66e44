//! One origin on trial: what is known of it, and the requests of which the rules are made.

use std::time::Duration;

use serde_json::Value;

use super::{
    ConformanceArgs, ConformanceReport, Origin,
    client::{Ask, Seal, TrialAnswer, now},
    key, multi_writer, position,
    report::must,
};
use homing_core::{
    SubjectId, SubjectKind,
    operate::{authority::effect::ADDRESS, is_stored},
};

/// The health address.
pub(super) const HEALTH: &str = "/.well-known/homing";

/// A region that there is not; what is given away goes to it.
pub(super) const ELSEWHERE: &str = "elsewhere";

/// What is written, and as what.
#[derive(Clone)]
pub(super) struct TrialPlace {
    pub(super) path: String,
    pub(super) dataset: String,
    pub(super) subject: Option<Subject>,
    pub(super) method: String,
    pub(super) body: String,
}

/// Whose part of a dataset it is.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) id: String,
    /// By the application's own name, where that was said.
    pub(super) name: Option<String>,
}

/// Another user.
#[derive(Clone)]
pub(super) struct Other {
    pub(super) headers: Vec<(String, String)>,
    pub(super) subject: Option<Subject>,
}

#[derive(Clone)]
pub(super) struct Trial {
    pub(super) origin: Origin,
    pub(super) here: String,
    pub(super) place: Option<TrialPlace>,
    pub(super) headers: Vec<(String, String)>,
    /// Whether writes are done once for each key.
    pub(super) idempotent: bool,
    /// Who else there is.
    pub(super) other: Option<Other>,
    /// The epoch by which this region owns the unit.
    pub(super) epoch: u64,
    number: u64,
    pub(super) leased: bool,
    /// Whether what is written may be deleted again.
    pub(super) deletes: bool,
    /// Another path of the dataset that may be written.
    pub(super) beside: Option<String>,
    /// Whether several regions write it.
    several_write: bool,
    /// Another body, which shows.
    pub(super) other_body: Option<String>,
}

impl Trial {
    pub(super) fn new(args: &ConformanceArgs) -> Result<Self, String> {
        if !args.origin.starts_with("http://") && !args.origin.starts_with("https://") {
            return Err(format!("the origin is {:?}; expected http://… or https://…", args.origin));
        }
        let other =
            Other { headers: fields(&args.other_headers)?, subject: args.other_subject.as_deref().map(Subject::read) };
        let place = args.path.clone().zip(args.dataset.clone()).map(|(path, dataset)| TrialPlace {
            path,
            dataset,
            subject: args.subject.as_deref().map(Subject::read),
            method: args.method.clone(),
            body: args.body.clone(),
        });
        Ok(Self {
            origin: Origin::new(&args.origin, key(args.key.as_deref())?),
            here: args.region.clone().unwrap_or_default(),
            place,
            headers: fields(&args.headers)?,
            idempotent: args.idempotent,
            other: (!args.other_headers.is_empty()).then_some(other),
            epoch: 0,
            number: 0,
            leased: false,
            deletes: args.delete,
            beside: args.beside.clone(),
            several_write: args.multi_writer,
            other_body: args.other_body.clone(),
        })
    }

    /// Tries every rule that can be tried. What is not reached says why.
    pub(super) fn run(mut self) -> ConformanceReport {
        let mut report = ConformanceReport::default();
        if let Err(why) = self.try_all(&mut report) {
            report.untried = why;
        }
        // Whatever went wrong in between: at the end this region owns what it did.
        if let Some(place) = self.place.clone()
            && self.epoch > 0
            && !self.write(&place, &self.here, self.epoch).is_ok_and(|answer| answer.is_ok())
        {
            self.epoch += 10;
            let _ = self.write(&place, &self.here, self.epoch);
        }
        report
    }

    fn try_all(&mut self, report: &mut ConformanceReport) -> Result<(), String> {
        let health = self.health();
        report.note("health", health.as_ref().map(|_| ()).map_err(Clone::clone));
        self.closed(report)?;
        let Some(place) = self.place.clone() else {
            return Err("nothing was written, because --path and --dataset are missing".to_owned());
        };
        if self.here.is_empty() {
            return Err("the region's name is unknown. Give it with --region".to_owned());
        }
        if self.several_write {
            self.multi_writer(report, &place)?;
            return Err("the dataset is multi-writer, so it has no owner".to_owned());
        }
        report.skip(&multi_writer::RULES, "the dataset has one owner. Say --multi-writer if several regions write it");
        let known = health.ok().and_then(|health| health.get("epochs")?.get(&place.dataset)?.as_u64());
        self.untold(report, &place)?;
        self.take(report, &place, known)?;
        self.fence(report, &place)?;
        self.signatures(report, &place)?;
        self.positions(report, &place)?;
        self.what_is_shown(report, &place)?;
        self.told(report, &place)?;
        self.keys(report, &place)?;
        self.address(report, &place)
    }

    /// That the health address is for the router alone, and for no cache.
    fn closed(&self, report: &mut ConformanceReport) -> Result<(), String> {
        let own = self.bare("GET", HEALTH, Seal::Right)?;
        report.note("no-store", no_store(&own, HEALTH));
        let came = [("CDN-Loop".to_owned(), "other; hops=1, homing".to_owned())];
        let ask =
            |contract| Ask { method: "GET", target: HEALTH, contract, headers: &came, body: None, seal: Seal::Right };
        for contract in [Vec::new(), vec![("region", self.here.clone()), ("intent", "read".to_owned())]] {
            let client = self.origin.send(ask(contract))?;
            report.note("not-for-clients", must(client.status == 404, || format!("it answered {}", client.status)));
        }
        Ok(())
    }

    fn health(&mut self) -> Result<Value, String> {
        let answer = self.bare("GET", HEALTH, Seal::Right)?;
        must(answer.status == 200, || format!("it answered {}", answer.status))?;
        must(answer.took < Duration::from_secs(1), || format!("it took {} ms", answer.took.as_millis()))?;
        let region =
            answer.body.get("region").and_then(Value::as_str).ok_or("it is not a JSON object with a region")?;
        for name in ["epochs", "position", "lag_ms", "reachable"] {
            must(answer.body.get(name).is_none_or(Value::is_object), || format!("{name} is not an object"))?;
        }
        if self.here.is_empty() {
            region.clone_into(&mut self.here);
        }
        must(region == self.here, || format!("it names the region {region:?}, but --region is {:?}", self.here))?;
        Ok(answer.body)
    }

    /// A number for a pause, later than all before it.
    pub(super) fn next_number(&mut self) -> u64 {
        self.number = now().max(self.number + 1);
        self.number
    }

    /// A request of the authority.
    pub(super) fn bare(&self, method: &str, target: &str, seal: Seal) -> Result<TrialAnswer, String> {
        self.origin.send(Ask { method, target, contract: Vec::new(), headers: &[], body: None, seal })
    }

    pub(super) fn authority(&self, method: &str, query: &str) -> Result<TrialAnswer, String> {
        self.bare(method, &format!("{ADDRESS}?{query}"), Seal::Right)
    }

    /// What every request about the place says.
    pub(super) fn about(&self, place: &TrialPlace, intent: &str) -> Vec<(&'static str, String)> {
        let mut contract =
            vec![("region", self.here.clone()), ("intent", intent.to_owned()), ("dataset", place.dataset.clone())];
        contract.extend(place.subject.iter().map(|subject| ("subject", subject.id.clone())));
        contract
    }

    /// A write by that claim.
    pub(super) fn write(&self, place: &TrialPlace, home: &str, epoch: u64) -> Result<TrialAnswer, String> {
        self.sealed_write(place, home, epoch, Seal::Right)
    }

    pub(super) fn sealed_write(
        &self,
        place: &TrialPlace,
        home: &str,
        epoch: u64,
        seal: Seal,
    ) -> Result<TrialAnswer, String> {
        let mut contract = self.about(place, "write");
        contract.extend([("home", home.to_owned()), ("epoch", epoch.to_string())]);
        self.write_saying(place, contract, seal)
    }

    /// A write that says this of itself.
    pub(super) fn write_saying(
        &self,
        place: &TrialPlace,
        contract: Vec<(&'static str, String)>,
        seal: Seal,
    ) -> Result<TrialAnswer, String> {
        let body = Some(place.body.clone());
        let (method, target) = (place.method.as_str(), place.path.as_str());
        self.origin.send(Ask { method, target, contract, headers: &self.headers, body, seal })
    }

    /// A write by the ownership that counts. It must be accepted, or nothing more can be tried.
    pub(super) fn must_write(&self, place: &TrialPlace) -> Result<TrialAnswer, String> {
        self.renew(place)?;
        let answer = self.write(place, &self.here, self.epoch)?;
        must(answer.is_ok(), || {
            format!("{} {} by {}, epoch {}, gets {}", place.method, place.path, self.here, self.epoch, answer.status)
        })?;
        Ok(answer)
    }

    /// A read; with a position, one that demands it, by that epoch.
    pub(super) fn read(&self, place: &TrialPlace, least: Option<(&str, u64)>) -> Result<TrialAnswer, String> {
        let mut contract = self.about(place, "read");
        if let Some((position, epoch)) = least {
            contract.extend([
                ("home", self.here.clone()),
                ("epoch", epoch.to_string()),
                ("min-position", format!("{}={position}", place.dataset)),
            ]);
        }
        let (target, seal) = (place.path.as_str(), Seal::Right);
        self.origin.send(Ask { method: "GET", target, contract, headers: &self.headers, body: None, seal })
    }

    /// Holds the lease of what is leased for a minute.
    pub(super) fn renew(&self, place: &TrialPlace) -> Result<(), String> {
        if self.leased {
            self.authority("POST", &format!("op=renew&unit={}@{}&for_ms=60000", place.unit(), self.epoch))?;
        }
        Ok(())
    }

    /// What an answer says of how far its replica is; none if it says nothing.
    pub(super) fn said(place: &TrialPlace, answer: &TrialAnswer) -> Result<Option<position::Said>, String> {
        answer.header("homing-position").map(|header| position::read(header, &place.dataset)).transpose()
    }
}

impl TrialPlace {
    /// The same, to be deleted.
    pub(super) fn deleted(&self) -> Self {
        Self { method: "DELETE".to_owned(), body: String::new(), ..self.clone() }
    }

    /// Another path of the same.
    pub(super) fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// The unit that has one owner.
    pub(super) fn unit(&self) -> String {
        self.subject.as_ref().map_or_else(|| self.dataset.clone(), |subject| format!("~{}", subject.id))
    }
}

impl Subject {
    fn read(text: &str) -> Self {
        let named = text.split_once(':').and_then(|(kind, name)| {
            let id = SubjectId::of(SubjectKind::parse(kind)?, name);
            Some(Self { id: id.as_str().to_owned(), name: Some(name.to_owned()) })
        });
        named.unwrap_or_else(|| Self { id: text.to_owned(), name: None })
    }
}

/// Header fields as they were given, with a type for the body.
fn fields(given: &[String]) -> Result<Vec<(String, String)>, String> {
    let field = |text: &String| {
        let pair = text.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        pair.ok_or_else(|| format!("the header is {text:?}; expected NAME: VALUE"))
    };
    let mut fields = given.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        fields.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Ok(fields)
}

/// That no cache may keep the answer, and none has given it.
pub(super) fn no_store(answer: &TrialAnswer, address: &str) -> Result<(), String> {
    let said = answer.header("cache-control").unwrap_or_default();
    let kept_out = said.split(',').any(|directive| directive.trim().eq_ignore_ascii_case("no-store"));
    must(kept_out, || format!("{address} says Cache-Control: {said:?}"))?;
    let given = answer.header("cf-cache-status").filter(|said| is_stored(said)).or(answer.header("age"));
    must(given.is_none(), || format!("a cache answers for {address}: its CF-Cache-Status or Age is {given:?}"))
}
