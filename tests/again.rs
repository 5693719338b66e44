//! A connection that is closed as it is used again, and what is held against whom for it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::rc::Rc;

use homing_core::testing::{
    model::access::Access,
    request::incoming::Content,
    state::{
        health::{Asking, Condition},
        memory::Memory,
    },
};
use support::{NOW, Reply, World, region, settings, topology};

/// What an isolate knows after that request, and the answer's status.
fn after(world: &World) -> (Rc<Memory>, u16) {
    let story = world.play(&settings()).unwrap();
    (Rc::clone(&story.memory), story.end().status)
}

fn failures(memory: &Memory, access: Access) -> u32 {
    memory.health().breaker(region("eu"), access).map_or(0, |breaker| breaker.failures())
}

#[test]
fn a_connection_that_was_closed_as_it_was_used_is_held_against_nobody() {
    let ended = Reply::Answers(408, vec![("connection".to_owned(), "close".to_owned())]);
    for closed in [Reply::Loses, ended] {
        let read = World::new("GET /likes/1").near("eu").deeds(&[closed, Reply::Answers(200, Vec::new())]);
        let (memory, status) = after(&read);
        assert_eq!((status, failures(&memory, Access::Read)), (200, 0));
        let conditions = memory.health().conditions(&topology(), Asking::default(), NOW);
        assert!(conditions.iter().all(|it| *it == Condition::default()), "nobody goes elsewhere for it");
        assert_eq!(memory.health().in_flight(region("eu")), 0, "both sends are over");
    }
}

#[test]
fn a_region_that_loses_both_sends_of_a_read_has_failed_once() {
    let read =
        World::new("GET /likes/1").near("eu").deeds(&[Reply::Loses, Reply::Loses, Reply::Answers(200, Vec::new())]);
    let (memory, status) = after(&read);
    assert_eq!((status, failures(&memory, Access::Read)), (200, 1));
    assert!(memory.health().conditions(&topology(), Asking::default(), NOW).iter().any(|it| it.breaks));
    // And the next one does not ask it twice.
    let next = World { memory: Memory::clone(&memory), ..read };
    assert_eq!(next.play(&settings()).unwrap().sent.len(), 2);
}

#[test]
fn a_write_that_an_idle_connections_end_answers_is_held_against_nobody_and_may_have_been_done() {
    // As an application says it that has taken the order: whoever were told that it had not would order twice.
    let ended = Reply::Answers(408, vec![("connection".to_owned(), "close".to_owned())]);
    let write = World { content: Content::Length(10), ..World::new("PUT /likes/1").near("eu").deeds(&[ended]) };
    assert_eq!(write.play(&settings()).unwrap().says("homing-write-outcome"), Some("unknown"));
    let (memory, status) = after(&write);
    assert_eq!((status, failures(&memory, Access::Write)), (503, 0));
}
