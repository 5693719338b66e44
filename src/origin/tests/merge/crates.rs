//! Where the preconditions of a crate's own types hold, ours show the same: each replica writes by what it has and nothing else, and an
//! operation comes with all that it has seen.

use std::collections::BTreeSet;

use crdts::{CmRDT, MVReg, Orswot, mvreg, orswot};
use homing_origin::merge::Change;
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use crate::world::{Region, three};

const MEMBERS: [&str; 3] = ["x", "y", "z"];

/// The crate's replica beside ours; all that was written, by owner and in order, and how much of it is here.
#[derive(Default)]
struct Beside {
    set: Orswot<String, String>,
    register: MVReg<u8, String>,
    has: [usize; 3],
}

type Written = [Vec<(orswot::Op<String, String>, mvreg::Op<u8, String>)>; 3];

fn write(region: &Region, beside: &mut Beside, what: u8) -> (orswot::Op<String, String>, mvreg::Op<u8, String>) {
    let (name, member) = (region.name().to_owned(), MEMBERS[usize::from(what % 3)].to_owned());
    let (change, set) = if what.is_multiple_of(2) {
        let context = beside.set.read_ctx().derive_add_ctx(name.clone());
        (Change::add(&member), beside.set.add(member, context))
    } else {
        let context = beside.set.contains(&member).derive_rm_ctx();
        (Change::remove(&member), beside.set.rm(member, context))
    };
    let register = beside.register.write(what, beside.register.read_ctx().derive_add_ctx(name));
    region.write("likes", "k", None, change);
    region.write("draft", "k", None, Change::put(what));
    beside.set.apply(set.clone());
    beside.register.apply(register.clone());
    (set, register)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sets_and_registers_show_what_those_of_crdts_show(acts in vec((0..3_usize, 0..3_usize, any::<u8>()), 1..60)) {
        let regions = three();
        let (mut besides, mut written): ([Beside; 3], Written) = Default::default();
        for (at, from, what) in acts {
            if at == from {
                written[at].push(write(&regions[at], &mut besides[at], what));
                besides[at].has[at] += 1;
            } else {
                // All that the other has, so that whatever was seen comes with what has seen it.
                for (owner, written) in written.iter().enumerate() {
                    let there = besides[from].has[owner];
                    for (set, register) in written.iter().take(there).skip(besides[at].has[owner]) {
                        besides[at].set.apply(set.clone());
                        besides[at].register.apply(register.clone());
                    }
                    besides[at].has[owner] = besides[at].has[owner].max(there);
                }
                for dataset in ["likes", "draft"] {
                    regions[at].pull(&regions[from], dataset);
                }
            }
            let set: BTreeSet<String> = besides[at].set.read().val.into_iter().collect();
            prop_assert_eq!(regions[at].value("likes", "k"), json!(set));
            let values = |values: Vec<u8>| values.into_iter().collect::<BTreeSet<u8>>();
            let ours: Vec<u8> = match regions[at].value("draft", "k") {
                Value::Array(all) => all.iter().map(|value| u8::try_from(value.as_u64().unwrap()).unwrap()).collect(),
                other => panic!("{other}"),
            };
            prop_assert_eq!(values(ours), values(besides[at].register.read().val));
        }
    }
}
