//! Time, requests on their way, and regions. The same for every strategy.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{
    MILLI, SECOND,
    chance::Dice,
    data::Data,
    earth::{CITIES, between, last_mile, scaled, to_region},
    strategy::{Answer, Asked, Back, Job, Next, Send, Strategy},
    tally::{Tally, Told},
    trace::{LONGEST_VISIT, Step, Trace},
    trouble::Trouble,
};

/// What an application takes to answer a read and a write, as medians, and how much they vary. Estimated, and the same for all.
const READS: u64 = 10 * MILLI;
const WRITES: u64 = 15 * MILLI;
const VARIES: f64 = 0.3;
/// A user who has no answer by then gives up.
pub const PATIENCE: u64 = 10 * SECOND;
/// How often probers and health checks look.
const TICK: u64 = 10 * SECOND;

#[derive(Clone, Copy, Debug)]
enum Event {
    /// A visit begins or goes on.
    Step {
        visit: usize,
        step: usize,
    },
    /// A request is at its edge.
    Arrive {
        client: u32,
        number: u64,
    },
    /// A request is at a region.
    Visit(Trip),
    /// A region has done a write.
    Commit(Trip),
    /// Something is back at the edge.
    Back {
        client: u32,
        attempt: u64,
        back: Back,
    },
    /// The client has its answer.
    Answered {
        client: u32,
        number: u64,
        answer: Answer,
    },
    /// The client gives up.
    GivesUp {
        client: u32,
        number: u64,
    },
    Tick,
}

/// One attempt's way through the regions. It goes on although its client may have given up.
#[derive(Clone, Copy, Debug)]
struct Trip {
    asked: Asked,
    attempt: u64,
    region: usize,
    /// The region whose application has passed the request on.
    by_way_of: Option<usize>,
    job: Job,
    /// How long the region waits to have what is asked for.
    until: Option<u64>,
}

/// What a client waits for.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    visit: usize,
    step: usize,
    began: u64,
    asked: Asked,
    attempt: u64,
    /// How often it left for a region other than the nearest.
    calls: u32,
    /// Whether it has been at a region other than the nearest.
    crossed: bool,
    answered: bool,
}

pub struct World<'t> {
    trace: &'t Trace,
    trouble: Trouble,
    now: u64,
    order: u64,
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    /// What happens, by its place in the heap.
    events: Vec<Event>,
    /// Places of `events` that are free.
    free: Vec<usize>,
    data: Data,
    waiting: Vec<Option<Waiting>>,
    requests: u64,
    attempts: u64,
    tally: Tally,
}

impl<'t> World<'t> {
    #[must_use]
    pub fn new(trace: &'t Trace, trouble: Trouble) -> Self {
        Self {
            trace,
            trouble,
            now: 0,
            order: 0,
            heap: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            data: Data::new(trouble, trace.seed),
            waiting: vec![None; trace.clients.len()],
            requests: 0,
            attempts: 0,
            tally: Tally::new(trouble),
        }
    }

    fn at(&mut self, at: u64, event: Event) {
        let place = match self.free.pop() {
            Some(place) => {
                self.events[place] = event;
                place
            }
            None => {
                self.events.push(event);
                self.events.len() - 1
            }
        };
        self.order += 1;
        self.heap.push(Reverse((at.max(self.now), self.order, place)));
    }

    /// Until nothing happens any more.
    #[must_use]
    pub fn run(mut self, strategy: &mut dyn Strategy) -> Tally {
        let (played, _) = self.trouble.played();
        for (visit, begins) in self.trace.visits.iter().enumerate() {
            self.at(begins.at, Event::Step { visit, step: 0 });
        }
        self.at(played.from, Event::Tick);
        let last = played.until + LONGEST_VISIT;
        while let Some(Reverse((at, _, place))) = self.heap.pop() {
            self.now = at;
            self.free.push(place);
            let event = self.events[place];
            if matches!(event, Event::Tick) {
                strategy.tick(at, self.trouble, &mut self.data);
                if at < last && !self.heap.is_empty() {
                    self.at(at + TICK, Event::Tick);
                }
            } else {
                self.happen(event, strategy);
            }
        }
        self.tally.lost = strategy.lost();
        self.tally
    }

    fn happen(&mut self, event: Event, strategy: &mut dyn Strategy) {
        match event {
            Event::Step { visit, step } => self.ask(visit, step),
            Event::Arrive { client, number } => {
                let Some(asked) = self.of(client, number).map(|waiting| waiting.asked) else { return };
                let next = strategy.arrive(&Asked { now: self.now, ..asked }, &mut self.data);
                self.go_on(client, next);
            }
            // A lost region is a black hole.
            Event::Visit(trip) | Event::Commit(trip) if self.trouble.is_down(trip.region, self.now) => {}
            Event::Visit(trip) => self.visit(trip, strategy),
            Event::Commit(trip) => self.commit(trip),
            Event::Back { client, attempt, back } => {
                let Some(waiting) = self.waiting[client as usize].as_mut() else { return };
                if waiting.attempt != attempt || waiting.answered {
                    return;
                }
                // Whatever else that attempt brings comes too late.
                self.attempts += 1;
                waiting.attempt = self.attempts;
                let asked = Asked { now: self.now, ..waiting.asked };
                let next = strategy.back(&asked, back, &mut self.data);
                self.go_on(client, next);
            }
            Event::Answered { client, number, answer } => {
                if let Some(waiting) = self.of(client, number).copied() {
                    strategy.done(&Asked { now: self.now, ..waiting.asked }, &answer);
                    self.end(client, waiting, answer);
                }
            }
            Event::GivesUp { client, number } => {
                if let Some(waiting) = self.of(client, number).copied() {
                    strategy.done(&Asked { now: self.now, ..waiting.asked }, &Answer::FAILED);
                    self.end(client, waiting, Answer::FAILED);
                }
            }
            Event::Tick => {}
        }
    }

    /// What the client waits for, if that is still this request.
    fn of(&mut self, client: u32, number: u64) -> Option<&mut Waiting> {
        self.waiting[client as usize].as_mut().filter(|waiting| waiting.asked.number == number)
    }

    /// By what the client does and not by how many requests there were: those differ between strategies.
    fn dice(&self, asked: &Asked, of: u64) -> Dice {
        Dice::new(self.trace.seed, &[5, asked.step, of])
    }

    fn ask(&mut self, visit: usize, step: usize) {
        let of = &self.trace.visits[visit];
        let Some(wanted) = of.steps.get(step) else { return };
        if self.waiting[of.client as usize].is_some() {
            // The same browser in another tab.
            return self.at(self.now + SECOND, Event::Step { visit, step });
        }
        self.requests += 1;
        self.attempts += 1;
        let (client, city) = (of.client, self.trace.clients[of.client as usize]);
        let asked = Asked {
            client,
            city,
            key: wanted.key,
            write: wanted.write,
            step: (visit as u64) << 8 | step as u64,
            number: self.requests,
            now: self.now,
        };
        self.waiting[client as usize] = Some(Waiting {
            visit,
            step,
            began: self.now,
            asked,
            attempt: self.attempts,
            calls: 0,
            crossed: false,
            answered: false,
        });
        let way = last_mile(city, &mut self.dice(&asked, 0));
        self.at(self.now + way, Event::Arrive { client, number: asked.number });
        self.at(self.now + PATIENCE, Event::GivesUp { client, number: asked.number });
    }

    fn go_on(&mut self, client: u32, next: Next) {
        let Some(waiting) = self.waiting[client as usize].as_mut() else { return };
        let (asked, attempt) = (waiting.asked, waiting.attempt);
        match next {
            Next::Wait(time) => self.at(self.now + time, Event::Back { client, attempt, back: Back::Waited }),
            Next::Answer(answer) => {
                waiting.answered = true;
                let way = last_mile(asked.city, &mut self.dice(&asked, 0));
                self.at(self.now + way, Event::Answered { client, number: asked.number, answer });
            }
            Next::Send(Send { region, delay, timeout, connect, job }) => {
                if region != CITIES[asked.city].nearest() {
                    waiting.crossed = true;
                    waiting.calls += 1;
                }
                let way = to_region(asked.city, region, &mut self.dice(&asked, 1 + region as u64));
                let arrives = self.now + delay + way;
                let timeout = if self.trouble.is_down(region, arrives) { timeout.min(connect) } else { timeout };
                let trip = Trip { asked, attempt, region, by_way_of: None, job, until: None };
                self.at(arrives, Event::Visit(trip));
                self.at(self.now + delay + timeout, Event::Back { client, attempt, back: Back::TimedOut });
            }
        }
    }

    /// A request is at a region.
    fn visit(&mut self, trip: Trip, strategy: &dyn Strategy) {
        let (now, Trip { asked, region, .. }) = (self.now, trip);
        let Job::Serve { log, least, patience, forward } = trip.job else {
            return self.leaves(&trip, now, Back::Redirected);
        };
        assert_eq!(log, strategy.log(asked.key), "asked for the data of another owner");
        if let Some(to) = forward.filter(|to| *to != region) {
            // Of an attempt that is over nothing is counted.
            let waiting = self.of(asked.client, asked.number);
            if let Some(waiting) = waiting.filter(|waiting| waiting.attempt == trip.attempt) {
                waiting.crossed = true;
                waiting.calls += 1;
            }
            let way = between(region, to, &mut self.dice(&asked, 8));
            let job = Job::Serve { log, least, patience, forward: None };
            return self.at(now + way, Event::Visit(Trip { region: to, by_way_of: Some(region), job, ..trip }));
        }
        let takes = |median: u64, mut dice: Dice| scaled(median, dice.log_normal(VARIES));
        if asked.write {
            return self.at(now + takes(WRITES, self.dice(&asked, 9)), Event::Commit(trip));
        }
        let seen = self.data.read(log, asked.key, region, now);
        if seen.position >= least {
            return self.leaves(&trip, now + takes(READS, self.dice(&asked, 9)), Back::Served(seen));
        }
        if patience == 0 {
            return self.leaves(&trip, now, Back::Behind(seen));
        }
        let until = trip.until.unwrap_or(now + patience);
        if now >= until {
            return self.leaves(&trip, now, Back::WaitedInVain);
        }
        let reaches = self.data.reaches(log, region, least).unwrap_or(now + 50 * MILLI).max(now + MILLI);
        self.at(reaches.min(until), Event::Visit(Trip { until: Some(until), ..trip }));
    }

    fn commit(&mut self, trip: Trip) {
        let Job::Serve { log, .. } = trip.job else { return };
        let seen = self.data.commit(log, trip.asked.key, trip.region, self.now);
        self.leaves(&trip, self.now, Back::Served(seen));
    }

    /// An answer leaves a region, by the way that the request came.
    fn leaves(&mut self, trip: &Trip, at: u64, back: Back) {
        let Trip { asked, attempt, region, by_way_of, .. } = *trip;
        let last = by_way_of.unwrap_or(region);
        let over = by_way_of.map_or(0, |way| between(region, way, &mut self.dice(&asked, 8)));
        let way = over + to_region(asked.city, last, &mut self.dice(&asked, 1 + last as u64));
        self.at(at + way, Event::Back { client: asked.client, attempt, back });
    }

    fn end(&mut self, client: u32, waiting: Waiting, answer: Answer) {
        self.waiting[client as usize] = None;
        let Waiting { visit, step, began, asked, calls, crossed, .. } = waiting;
        self.tally.tell(&Told { asked, began, now: self.now, answer, calls, crossed });
        let steps = &self.trace.visits[visit].steps;
        let skips = answer.seen.is_none() && steps.get(step + 1).is_some_and(|next| next.follows);
        let next = step + 1 + usize::from(skips);
        if let Some(Step { think, .. }) = steps.get(next) {
            self.at(self.now + think, Event::Step { visit, step: next });
        }
    }
}
