//! Laws of isolation drills, over worlds made at random.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;
#[macro_use]
#[path = "support/laws.rs"]
mod counted;
#[path = "support/worlds.rs"]
mod worlds;

use counted::{assert_met, met};
use homing_core::Settlement;
use homing_core::testing::{
    model::{ids::RegionId, token::Token},
    state::{
        memory::Observation,
        published::{self, Published},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{NOW, Story, World, region, settings, topology};
use worlds::{a_region, a_world};

/// The world with a view that has that drill, or none. What the world's memory knew of states and owners gives way to it.
fn during(world: &World, drill: Option<&Value>) -> World {
    let mut world = world.clone();
    let text = published::write(9, std::iter::empty(), std::iter::empty(), drill);
    world.memory.observe(Observation::Published(Published::read(&text, &topology()).unwrap()), NOW);
    world
}

fn drill(kind: &str, region: &str, share: u16) -> Value {
    json!({ "id": "drill-1", "kind": kind, "region": region, "share": share, "until": NOW.0 + 60_000 })
}

fn play(world: &World) -> Story {
    world.play(&settings()).unwrap()
}

fn takes_part(story: &Story) -> bool {
    story.end().record.trace.tokens().filter(|(token, _)| *token == Token::Drill).count() == 1
}

fn tell(story: &Story) -> String {
    // While a drill is on, no answer is given again: that alone may differ.
    let end = story.end.clone().map(|end| Settlement { same_until: None, ..end });
    format!("{:?} {:?} {:?} {end:?}", story.sent, story.took, story.answered)
}

/// The homes that the directory gave.
fn assigned(story: &Story) -> Vec<Option<RegionId>> {
    let told = story.end.as_ref().unwrap().record.trace.tokens();
    told.filter(|(token, _)| *token == Token::HomeAssigned).map(|(_, region)| region).collect()
}

prop_compose! {
    /// A world whose client comes from an address, as nearly every one does.
    fn a_visit()(world in a_world(), address in prop::option::weighted(0.9, 0u8..250)) -> World {
        let field = address.map(|last| ("cf-connecting-ip".to_owned(), format!("192.0.2.{last}")));
        let mut world = world;
        world.fields.extend(field);
        world
    }
}

fn a_kind() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["isolate", "lose"])
}

laws! { ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() };
    fn who_takes_part_is_sent_only_where_the_drill_allows(world in a_visit(), kind in a_kind(), name in a_region()) meets ["who takes part is sent somewhere": 930] {
        let story = play(&during(&world, Some(&drill(kind, name, 10_000))));
        if takes_part(&story) {
            met("who takes part is sent somewhere", !story.sent.is_empty());
            let allowed = |asked: &RegionId| (*asked == region(name)) == (kind == "isolate");
            prop_assert!(story.regions().iter().all(allowed), "{:?}", story.regions());
        }
    }

    fn who_takes_no_part_is_decided_as_without_a_drill(
        world in a_visit(), kind in a_kind(), name in a_region(), share in 10u16..=10_000,
    ) meets ["who takes no part": 1388] {
        let story = play(&during(&world, Some(&drill(kind, name, share))));
        if met("who takes no part", !takes_part(&story)) {
            prop_assert!(story.end().record.drilled.is_none());
            prop_assert_eq!(tell(&story), tell(&play(&during(&world, None))));
        }
    }

    fn who_takes_part_in_a_small_share_does_in_every_larger_one(
        world in a_visit(), kind in a_kind(), name in a_region(), share in 10u16..10_000, more in 1u16..5_000,
    ) meets ["who takes part in the small share": 614, "who takes part in the larger alone": 246] {
        let at = |share: u16| takes_part(&play(&during(&world, Some(&drill(kind, name, share)))));
        let (small, large) = (at(share), at(share.saturating_add(more).min(10_000)));
        met("who takes part in the small share", small);
        met("who takes part in the larger alone", large && !small);
        prop_assert!(!small || large);
    }

    fn no_subject_gets_another_home_by_a_drill(world in a_visit(), kind in a_kind(), name in a_region()) meets ["a home is assigned during a drill": 14] {
        let without = assigned(&play(&during(&world, None)));
        for home in assigned(&play(&during(&world, Some(&drill(kind, name, 10_000))))) {
            met("a home is assigned during a drill", true);
            // Whom an origin names, another one need not have named.
            prop_assert!(without.is_empty() || without.contains(&home));
        }
    }

    fn a_write_that_a_drill_refuses_says_so_and_changes_nothing(world in a_visit(), kind in a_kind(), name in a_region()) meets ["a drill refuses a write": 172, "a region had declined it before": 4] {
        let story = play(&during(&world, Some(&drill(kind, name, 10_000))));
        if story.end().record.decision.token() == Token::DrillUnreachable {
            prop_assert_eq!(story.end().status, 503);
            met("a drill refuses a write", story.says("homing-write-outcome").is_some());
            met("a region had declined it before", !story.sent.is_empty());
            prop_assert!(story.says("retry-after").is_some());
            let outcome = story.says("homing-write-outcome");
            let expected = if story.sent.is_empty() { "not-sent" } else { "refused" };
            prop_assert!(outcome.is_none_or(|outcome| outcome == expected), "{:?}", outcome);
        }
    }

    fn a_drill_that_is_over_is_none(world in a_visit(), kind in a_kind(), name in a_region()) meets ["the drill would have counted": 1212] {
        let mut past = drill(kind, name, 10_000);
        past["until"] = json!(NOW.0);
        met("the drill would have counted", takes_part(&play(&during(&world, Some(&drill(kind, name, 10_000))))));
        let without = tell(&play(&during(&world, None)));
        prop_assert_eq!(tell(&play(&during(&world, Some(&past)))), without.clone());
        let mut heard = during(&world, Some(&drill(kind, name, 10_000)));
        heard.memory.observe(Observation::DrillOver("drill-1".to_owned()), NOW);
        prop_assert_eq!(tell(&play(&heard)), without);
    }
}
