//! Writes follow reads: a write is applied after all that its session had read or written before it, on whatever key, and
//! after all that those writes followed in their turn. What a write follows is kept as a vector clock (Fidge 1988, Mattern
//! 1989) over chains of writes.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
};

use crate::{
    history::{History, What},
    lists::{Lists, Order},
    marks::Marks,
    record::Status,
    violation::{Guarantee, Violation},
};

/// How many writes of each chain lie in the past.
type Clock = Rc<Vec<usize>>;

/// A place in a chain, from 1. The acknowledged writes of a session are a chain. A write whose outcome its client does not
/// know is a chain of its own: what the session does later follows it only if somebody has read it.
#[derive(Clone, Copy, Debug)]
struct Link {
    chain: usize,
    rank: usize,
}

/// The writes of one chain on one key: rank, id, operation.
type OnKey = Vec<(usize, usize, usize)>;

struct Causes<'h> {
    history: &'h History,
    lists: &'h Lists,
    links: Vec<Option<Link>>,
    /// By operation: what a write follows.
    pasts: Vec<Option<Clock>>,
}

/// Finds the writes that are applied before something that they follow.
pub(crate) fn check(history: &History, lists: &Lists, orders: &[Option<Order>], found: &mut Vec<Violation>) {
    let links = links(history);
    let pasts = vec![None; history.operations.len()];
    let mut causes = Causes { history, lists, links, pasts };
    causes.walk(found);
    let chains = causes.chains();
    let mut sets: Vec<Vec<(&[usize], f64)>> = vec![Vec::new(); history.keys.len()];
    let reads = lists.reads.iter().enumerate();
    let reads = reads.map(|(at, list)| (&history.operations[at], list));
    let reads = reads.filter_map(|(op, list)| Some((op.key, list.as_deref()?, op.end)));
    let finals =
        history.finals.iter().zip(&lists.finals).map(|(told, list)| (told.key, list.as_slice(), f64::INFINITY));
    for (key, list, by) in reads.chain(finals).filter(|(key, ..)| orders[*key].is_none()) {
        sets[key].push((list, by));
    }
    for (key, order) in orders.iter().enumerate() {
        match order {
            Some(order) => causes.in_order(key, order, &chains[key], found),
            None => causes.in_sets(key, &sets[key], &chains[key], found),
        }
    }
}

fn links(history: &History) -> Vec<Option<Link>> {
    let mut links = vec![None; history.operations.len()];
    let mut single = history.sessions.len();
    for (session, log) in history.sessions.iter().enumerate() {
        let mut rank = 0;
        for at in log.operations.iter().copied() {
            let op = &history.operations[at];
            let What::Write(id) = op.what else { continue };
            if history.write(op.key, id).is_none() {
                continue;
            }
            match op.status {
                Status::Fail => {}
                Status::Ok => {
                    rank += 1;
                    links[at] = Some(Link { chain: session, rank });
                }
                Status::Unknown => {
                    links[at] = Some(Link { chain: single, rank: 1 });
                    single += 1;
                }
            }
        }
    }
    links
}

fn rank_in(clock: &[usize], chain: usize) -> usize {
    clock.get(chain).copied().unwrap_or(0)
}

fn join(clock: &mut Vec<usize>, other: &[usize]) {
    if clock.len() < other.len() {
        clock.resize(other.len(), 0);
    }
    clock.iter_mut().zip(other).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
}

fn reach(clock: &mut Vec<usize>, link: Link) {
    if clock.len() <= link.chain {
        clock.resize(link.chain + 1, 0);
    }
    clock[link.chain] = clock[link.chain].max(link.rank);
}

/// A session on its walk: where it stands, how far into that operation's list, and what it has seen.
#[derive(Clone, Default)]
struct Walker {
    next: usize,
    member: usize,
    clock: Clock,
}

impl Causes<'_> {
    /// Walks every session in its order. A read waits until the writes that it shows have been walked.
    fn walk(&mut self, found: &mut Vec<Violation>) {
        let mut walkers = vec![Walker::default(); self.history.sessions.len()];
        let mut ready: VecDeque<usize> = (0..walkers.len()).collect();
        let mut waiting: HashMap<usize, Vec<usize>> = HashMap::new();
        loop {
            while let Some(session) = ready.pop_front() {
                if let Some(write) = self.advance(session, &mut walkers[session], &mut waiting, &mut ready) {
                    waiting.entry(write).or_default().push(session);
                }
            }
            // Whoever waits now waits for what follows its own read, which clocks of whole milliseconds can hide.
            let stuck = waiting.iter().flat_map(|(write, sessions)| sessions.iter().map(move |who| (*who, *write)));
            let Some((session, write)) = stuck.min() else { return };
            let waits = waiting.entry(write).or_default();
            waits.retain(|who| *who != session);
            if waits.is_empty() {
                waiting.remove(&write);
            }
            let read = self.history.sessions[session].operations[walkers[session].next];
            let name = |at: usize| self.history.name(at);
            let sentence = format!("{} shows {}, which follows that very read", name(read), name(write));
            let operations = vec![self.history.operations[read].line, self.history.operations[write].line];
            let key = self.history.keys[self.history.operations[read].key].name.clone();
            found.push(Violation { guarantee: Guarantee::NoPhantoms, key, operations, sentence });
            walkers[session].member += 1;
            ready.push_back(session);
        }
    }

    /// Goes on with a session to its end, or to a read that must wait for that write.
    fn advance(
        &mut self,
        session: usize,
        walker: &mut Walker,
        waiting: &mut HashMap<usize, Vec<usize>>,
        ready: &mut VecDeque<usize>,
    ) -> Option<usize> {
        let (history, lists) = (self.history, self.lists);
        while let Some(at) = history.sessions[session].operations.get(walker.next).copied() {
            if let Some(link) = self.links[at] {
                self.pasts[at] = Some(Rc::clone(&walker.clock));
                if history.operations[at].status == Status::Ok {
                    reach(Rc::make_mut(&mut walker.clock), link);
                }
                ready.extend(waiting.remove(&at).unwrap_or_default());
            }
            let list = lists.reads[at].as_deref().unwrap_or_default();
            while let Some(id) = list.get(walker.member).copied() {
                let write = history.keys[history.operations[at].key].ids[id].write;
                if let Some((write, link)) = write.and_then(|write| Some((write, self.links[write]?)))
                    && rank_in(&walker.clock, link.chain) < link.rank
                {
                    let Some(past) = &self.pasts[write] else { return Some(write) };
                    let clock = Rc::make_mut(&mut walker.clock);
                    join(clock, past);
                    reach(clock, link);
                }
                walker.member += 1;
            }
            walker.next += 1;
            walker.member = 0;
        }
        None
    }

    /// By key: its chains, each in order.
    fn chains(&self) -> Vec<Vec<(usize, OnKey)>> {
        let mut chains: Vec<HashMap<usize, OnKey>> = vec![HashMap::new(); self.history.keys.len()];
        for (at, link) in self.links.iter().enumerate() {
            let (Some(link), What::Write(id)) = (link, &self.history.operations[at].what) else { continue };
            chains[self.history.operations[at].key].entry(link.chain).or_default().push((link.rank, *id, at));
        }
        let sorted = |chains: HashMap<usize, OnKey>| {
            let mut chains: Vec<_> = chains.into_iter().collect();
            chains.sort_unstable_by_key(|(chain, _)| *chain);
            chains.iter_mut().for_each(|(_, writes)| writes.sort_unstable());
            chains
        };
        chains.into_iter().map(sorted).collect()
    }

    /// Where there is one order: whatever a write follows stands before it. That a session's own writes are in order is
    /// monotonic writes, and checked there.
    fn in_order(&self, key: usize, order: &Order, chains: &[(usize, OnKey)], found: &mut Vec<Violation>) {
        // By chain: the ranks, and which write up to there stands last.
        let last: Vec<(usize, Vec<_>)> = chains
            .iter()
            .map(|(chain, writes)| {
                let mut highest = (0, usize::MAX);
                let up_to = writes.iter().map(|(rank, id, at)| {
                    let place = order.place(*id);
                    if highest.1 == usize::MAX || place > highest.0 {
                        highest = (place, *at);
                    }
                    (*rank, highest.0, highest.1)
                });
                (*chain, up_to.collect())
            })
            .collect();
        for (place, id) in order.list.iter().copied().enumerate() {
            let Some(at) = self.history.keys[key].ids[id].write else { continue };
            let Some(past) = &self.pasts[at] else { continue };
            let own = self.history.operations[at].session;
            let follows = last.iter().filter(|(chain, _)| *chain != own).find_map(|(chain, up_to)| {
                let count = up_to.partition_point(|(rank, ..)| *rank <= rank_in(past, *chain));
                let (_, highest, cause) = up_to.get(count.checked_sub(1)?)?;
                (*highest > place).then_some(*cause)
            });
            if let Some(cause) = follows {
                found.push(self.violation(key, at, cause));
            }
        }
    }

    /// Where there is none: whoever shows a write shows all that it follows, but for what may be removed by then.
    fn in_sets(&self, key: usize, sets: &[(&[usize], f64)], chains: &[(usize, OnKey)], found: &mut Vec<Violation>) {
        let mut shown = Marks::default();
        for (list, by) in sets {
            shown.set(self.history.keys[key].ids.len(), list);
            let writes = || list.iter().filter_map(|id| self.history.keys[key].ids[*id].write);
            let mut past = Vec::new();
            for at in writes() {
                let (Some(link), Some(before)) = (self.links[at], &self.pasts[at]) else { continue };
                if rank_in(&past, link.chain) < link.rank {
                    join(&mut past, before);
                    reach(&mut past, link);
                }
            }
            let missing = chains.iter().flat_map(|(chain, writes)| {
                let must = writes.iter().take_while(|(rank, ..)| *rank <= rank_in(&past, *chain));
                let lacks = |id| !shown.has(id) && !self.history.may_be_gone(key, id, *by);
                must.filter(move |(_, id, _)| lacks(*id)).map(|(rank, _, at)| (*chain, *rank, *at))
            });
            let follower = |(chain, rank, cause): (usize, usize, usize)| {
                // What is missing before a write of its own session is monotonic writes, and found there.
                let others = writes().filter(|at| self.history.operations[*at].session != chain);
                let mut after =
                    others.filter(|at| self.pasts[*at].as_ref().is_some_and(|past| rank_in(past, chain) >= rank));
                Some((after.next()?, cause))
            };
            let first = missing.filter_map(follower).next();
            found.extend(first.map(|(at, cause)| self.violation(key, at, cause)));
        }
    }

    fn violation(&self, key: usize, at: usize, cause: usize) -> Violation {
        let name = |at: usize| self.history.name(at);
        let sentence =
            format!("{} is applied, but {}, which it follows, is not applied before it", name(at), name(cause));
        let operations = vec![self.history.operations[at].line, self.history.operations[cause].line];
        let key = self.history.keys[key].name.clone();
        Violation { guarantee: Guarantee::WritesFollowReads, key, operations, sentence }
    }
}
