//! Driving the core: from one of its steps to the next, to regions and the home store, and back.

use homing_core::testing::{
    decide::attempt::Attempt,
    flow::step::{Assignment, Event as CoreEvent, Found, Outcome, Step},
    http::answer::{Answer, Framing},
    model::time::Timestamp,
    router::Turn,
};

use crate::{
    bugs::Bug,
    data::{Owner, REGIONS, Unit},
    edge::NEAR,
    origin::{Next, Visit},
    region::number,
    response::{Response, borrowed},
    world::{Event, World},
};

/// What comes back to an edge.
pub enum Back {
    Home(Option<String>),
    NoHome,
    Answered(Response),
    TimedOut,
    Refused,
    /// The connection is lost before an answer comes.
    Lost,
    Broken,
}

impl World {
    /// Does what the core says until something takes time.
    pub fn advance(&mut self, at: usize, mut turn: Turn) {
        loop {
            turn = match turn.step {
                Step::Finish(settlement) => {
                    self.requests[at].flow = None;
                    return self.settle(at, *settlement, turn.view_is_outdated);
                }
                Step::ProbeCache(probe) => self.probe(at, &probe.key),
                Step::Answer(settlement, _) => {
                    self.count("expired copies shown while a new one was fetched");
                    self.settle(at, *settlement, turn.view_is_outdated);
                    let now = self.clock(self.requests[at].action.edge);
                    self.resume(at, CoreEvent::GoOn, now)
                }
                Step::LookUpHome(look_up) => {
                    let edge = self.requests[at].action.edge;
                    let fails = !self.calm && (self.network.no_store || self.random.chance(20));
                    let home = self.edges[edge]
                        .stored
                        .get(&format!("home:{}", look_up.subject.as_str()))
                        .map(|(_, home)| home.clone());
                    let millis = if fails { 250 } else { self.random.within(1, 30) };
                    let attempt = self.requests[at].attempt;
                    return self
                        .after(millis, Event::Back(at, attempt, if fails { Back::NoHome } else { Back::Home(home) }));
                }
                Step::AssignHome(assignment) => {
                    self.count("subjects whose home the directory was asked for");
                    let fails = !self.calm && (self.network.no_store || self.random.chance(20));
                    let back = if fails { Back::NoHome } else { Back::Home(self.assign(&assignment)) };
                    let millis = if fails { 1000 } else { self.random.within(5, 200) };
                    let attempt = self.requests[at].attempt;
                    return self.after(millis, Event::Back(at, attempt, back));
                }
                Step::Send(attempt) => return self.send_to_region(at, &attempt),
            };
        }
    }

    /// The directory's word; it makes nobody a home where none is proposed.
    fn assign(&mut self, assignment: &Assignment) -> Option<String> {
        let (subject, kind) = (assignment.subject.as_str(), assignment.kind.token());
        let Some(proposed) = &assignment.proposed else { return self.directory.known(subject) };
        let home = number(proposed);
        if let Some((declined, epoch)) = &assignment.instead_of {
            let declined = Owner { home: number(declined), epoch: *epoch };
            self.directory.correct((subject, kind), home, assignment.named, declined, self.now);
        }
        let assigned = self.directory.assign(subject, kind, home, assignment.named, self.now);
        if assigned.tentative {
            self.count(if assigned.new { "tentative homes" } else { "tentative homes asked for again" });
        }
        if let Some(unit) = Unit::named(&format!("~{subject}")) {
            self.data.owned(unit, assigned.owner);
        }
        Some(assigned.text)
    }

    fn send_to_region(&mut self, at: usize, attempt: &Attempt) {
        self.weigh_claim(at, attempt);
        self.weigh_stamp(at, attempt);
        let request = &mut self.requests[at];
        request.attempt += 1;
        let (client, action, number) = (request.client, request.action, request.attempt);
        let visit = Visit::new(attempt, action.deed, action.place, action.repeatable, self.clients[client].user);
        let (delay, timeout) = (millis(attempt.delay), millis(attempt.timeout));
        self.after(delay + timeout, Event::Back(at, number, Back::TimedOut));
        if !self.calm && self.random.chance(2 + self.network.lossy / 2) {
            if self.random.chance(500) {
                self.after(delay + 20, Event::Back(at, number, Back::Lost));
            }
            return;
        }
        let near = REGIONS[visit.region] == NEAR[action.edge];
        let hop = self.network.hop(near, &mut self.random);
        self.after(delay + hop, Event::Visit(at, number, visit));
    }

    /// A request is at a region, or goes on there.
    pub fn visit(&mut self, at: usize, attempt: u32, mut visit: Visit) {
        let region = visit.region;
        if self.network.dead[region] {
            visit.lands(&mut self.data);
            // A dead region is silent, or its machines refuse in its place; what was under way breaks off.
            let back = if visit.arrives_only_now() { Back::Refused } else { Back::Lost };
            if self.random.chance(500) {
                self.after(5, Event::Back(at, attempt, back));
            }
            return;
        }
        let next = visit.go_on(&mut self.data, &self.habits, self.now);
        self.replicate();
        let visit = match next {
            Next::Later(visit) => *visit,
            Next::Answer(answer) => return self.leaves(at, attempt, region, answer),
        };
        let most = if self.random.chance(200) { self.habits.dawdles } else { 4 };
        let takes = self.random.below(most);
        self.after(takes, Event::Visit(at, attempt, visit));
    }

    /// An answer leaves a region; some are lost.
    fn leaves(&mut self, at: usize, attempt: u32, region: usize, answer: Response) {
        if answer.get("homing-behind").is_some() {
            self.count("answers from copies that are behind");
        }
        if answer.status == 421 {
            let names = answer.get("homing-subject").is_some();
            self.count(if names { "answers that name the subject" } else { "misdirected answers" });
        }
        if answer.status == 503 && answer.get("retry-after").is_some() {
            self.count("writes that met a pause");
        }
        if !self.calm && self.random.chance(2 + self.network.lossy / 2) {
            self.count("answers lost on their way to the edge");
            if self.random.chance(500) {
                self.after(20, Event::Back(at, attempt, Back::Broken));
            }
            return;
        }
        let near = REGIONS[region] == NEAR[self.requests[at].action.edge];
        let hop = self.network.hop(near, &mut self.random);
        self.after(hop, Event::Back(at, attempt, Back::Answered(answer)));
    }

    /// Something comes back; what belongs to an attempt that is over is of no interest.
    pub fn back(&mut self, at: usize, attempt: u32, back: Back) {
        if self.requests[at].attempt != attempt || self.requests[at].flow.is_none() {
            return;
        }
        let now = self.clock(self.requests[at].action.edge);
        // Whatever else this attempt brings comes too late.
        if !matches!(back, Back::Home(_) | Back::NoHome) {
            self.requests[at].attempt += 1;
        }
        let turn = match back {
            Back::Home(Some(home)) => self.resume(at, CoreEvent::Home(Found::Value(&home)), now),
            Back::Home(None) => self.resume(at, CoreEvent::Home(Found::Absent), now),
            Back::NoHome => self.resume(at, CoreEvent::Home(Found::Failed), now),
            Back::TimedOut => self.resume(at, CoreEvent::Origin(Outcome::TimedOut), now),
            Back::Refused => self.resume(at, CoreEvent::Origin(Outcome::Refused), now),
            Back::Lost => self.resume(at, CoreEvent::Origin(Outcome::Lost), now),
            Back::Broken => self.resume(at, CoreEvent::Origin(Outcome::Broken), now),
            Back::Answered(answer) if answer.status == 502 && self.habits.bug == Some(Bug::FailuresBelieved) => {
                self.resume(at, CoreEvent::Origin(Outcome::Refused), now)
            }
            Back::Answered(answer) => {
                let head =
                    Answer { status: answer.status, headers: borrowed(&answer.fields), framing: Framing::Delimited };
                let turn = self.resume(at, CoreEvent::Origin(Outcome::Answered(head)), now);
                self.requests[at].origin = Some(answer);
                turn
            }
        };
        self.advance(at, turn);
    }

    /// Hands an event to the flow, in the isolate that has begun it.
    pub fn resume(&mut self, at: usize, event: CoreEvent<'_>, now: Timestamp) -> Turn {
        let (isolate, id) = self.requests[at].flow.as_ref().unwrap();
        isolate.resume(*id, event, now).unwrap()
    }
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}
