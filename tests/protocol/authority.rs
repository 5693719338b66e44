//! The real authority in the model: its turns, each made once and remembered, since the same ledger meets the same input in many
//! states. Ledgers, effects and inputs are numbers in a state.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    hash::Hash,
    rc::Rc,
};

use homing_core::testing::{
    control::authority::{ChangePhase, ledger::Ledger, turn},
    state::published,
    topology::settings::Settings,
};
use serde_json::{Value, json};

use crate::{
    bugs::Bug,
    ledger::{Doing, IncomingRequest, NOW, Passes, noisy, normal},
    scope::Scope,
    support::region::Command,
};

/// The number of something.
pub type Id = u32;

/// Numbers for things.
#[derive(Debug)]
pub struct Numbers<T> {
    ids: RefCell<HashMap<Rc<T>, Id>>,
    all: RefCell<Vec<Rc<T>>>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { ids: RefCell::default(), all: RefCell::default() }
    }
}

impl<T: Clone + Hash + Eq> Numbers<T> {
    pub fn of(&self, thing: &T) -> Id {
        if let Some(id) = self.ids.borrow().get(thing) {
            return *id;
        }
        let (id, thing) = (Id::try_from(self.all.borrow().len()).unwrap(), Rc::new(thing.clone()));
        self.ids.borrow_mut().insert(Rc::clone(&thing), id);
        self.all.borrow_mut().push(thing);
        id
    }

    pub fn get(&self, id: Id) -> Rc<T> {
        Rc::clone(&self.all.borrow()[id as usize])
    }
}

/// What the authority wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    Call(Command),
    /// Something of the directory, as JSON.
    Ask(String),
    After,
    Put {
        key: String,
        value: String,
    },
}

impl Deed {
    /// Whether it matters if it is done again, or late.
    pub fn changes_something(&self) -> bool {
        match self {
            Self::Call(command) => command.method == "POST",
            Self::Ask(effect) => effect.contains(r#""do":"record""#),
            Self::After | Self::Put { .. } => false,
        }
    }
}

/// A deed, and to whom its outcome belongs, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Effect {
    pub deed: Id,
    pub tag: String,
    /// The step of a change that it is for.
    pub step: Option<(String, u64)>,
    /// Whether it is one of the questions of a preflight.
    pub is_preflight: bool,
}

/// What comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    Tick,
    /// The order of that place.
    Order(usize),
    /// What an effect came to.
    Heard(Id, Id),
}

/// What a turn comes to.
#[derive(Clone, Debug)]
pub struct Turned {
    pub ledger: Id,
    pub effects: Rc<[Id]>,
    pub status: u64,
}

pub struct Authority {
    pub settings: Rc<Settings>,
    orders: RefCell<Vec<Value>>,
    bug: Option<Bug>,
    /// Whether each turn is made twice, to see whether anything is decided by what the model leaves out.
    pub doubts: bool,
    pub ledgers: Numbers<String>,
    pub deeds: Numbers<Deed>,
    pub effects: Numbers<Effect>,
    /// Outcomes of effects.
    pub outcomes: Numbers<String>,
    incoming: RefCell<BTreeMap<Id, Rc<IncomingRequest>>>,
    turns: RefCell<HashMap<(Id, Input), Turned>>,
    later: RefCell<HashMap<(Id, bool), Id>>,
}

impl Authority {
    pub fn new(settings: Rc<Settings>, scope: &Scope) -> Self {
        Self {
            settings,
            orders: RefCell::new(scope.orders.clone()),
            bug: scope.bug,
            doubts: false,
            ledgers: Numbers::default(),
            deeds: Numbers::default(),
            effects: Numbers::default(),
            outcomes: Numbers::default(),
            incoming: RefCell::default(),
            turns: RefCell::default(),
            later: RefCell::default(),
        }
    }

    /// The ledger of a new deployment.
    pub fn empty(&self) -> Id {
        self.ledgers.of(&normal("", Passes::Nothing))
    }

    pub fn incoming(&self, ledger: Id) -> Rc<IncomingRequest> {
        if let Some(incoming) = self.incoming.borrow().get(&ledger) {
            return Rc::clone(incoming);
        }
        let incoming = Rc::new(IncomingRequest::read(&self.ledgers.get(ledger), &self.settings));
        self.incoming.borrow_mut().insert(ledger, Rc::clone(&incoming));
        incoming
    }

    /// The same ledger when time has passed.
    pub fn later(&self, ledger: Id, passes: Passes) -> Id {
        let key = (ledger, passes == Passes::Long);
        if let Some(later) = self.later.borrow().get(&key) {
            return *later;
        }
        let text = normal(&self.ledgers.get(ledger), passes);
        let later = self.ledgers.of(&text);
        self.later.borrow_mut().insert(key, later);
        later
    }

    /// A turn.
    pub fn turn(&self, ledger: Id, input: Input) -> Turned {
        if let Some(turned) = self.turns.borrow().get(&(ledger, input)) {
            return turned.clone();
        }
        let before = self.ledgers.get(ledger);
        let (text, outcome) = self.turned(&before, input);
        if self.doubts {
            let (other, others) = self.turned(&noisy(&before), input);
            assert_eq!(text, other, "{}", self.text(input));
            assert_eq!(without_words(&outcome), without_words(&others), "{}", self.text(input));
        }
        let after = self.ledgers.of(&self.forgets(text));
        let mut effects = outcome["effects"].as_array().unwrap().clone();
        if self.bug == Some(Bug::PublishedEarly) && after != ledger {
            let incoming = self.incoming(after);
            effects.extend(incoming.under_way().filter(|change| change.phase == ChangePhase::Pausing).map(too_early));
        }
        let turned = Turned {
            ledger: after,
            effects: effects.iter().filter_map(|effect| self.effect(effect)).collect(),
            status: outcome["reply"]["status"].as_u64().unwrap_or(0),
        };
        self.turns.borrow_mut().insert((ledger, input), turned.clone());
        turned
    }

    /// The ledger in its normal form, and all that the turn came to.
    fn turned(&self, ledger: &str, input: Input) -> (String, Value) {
        let outcome = turn(ledger, &self.text(input), &self.settings, NOW).unwrap();
        let outcome: Value = serde_json::from_str(&outcome).unwrap();
        (normal(outcome["ledger"].as_str().unwrap(), Passes::Nothing), outcome)
    }

    /// What is stored, but for what the planted bug forgets.
    fn forgets(&self, text: String) -> String {
        let mut ledger = Ledger::read(&text).unwrap();
        match self.bug {
            Some(Bug::RepliesForgotten) => ledger.replies.0.clear(),
            Some(Bug::PutsTrusted) => ledger.stored = ledger.version,
            Some(Bug::NeverTold) => ledger.untold.clear(),
            _ => return text,
        }
        serde_json::to_string(&ledger).unwrap()
    }

    fn text(&self, input: Input) -> String {
        let input = match input {
            Input::Tick => json!({ "do": "tick" }),
            Input::Order(order) => json!({ "do": "order", "order": self.orders.borrow()[order].to_string() }),
            Input::Heard(effect, outcome) => {
                let mut input: Value = serde_json::from_str(&self.outcomes.get(outcome)).unwrap();
                input["do"] = json!("heard");
                input["tag"] = serde_json::from_str(&self.effects.get(effect).tag).unwrap();
                input
            }
        };
        input.to_string()
    }

    /// The place of an order; it gets one if it has none.
    pub fn place(&self, order: &Value) -> usize {
        let mut orders = self.orders.borrow_mut();
        let known = orders.iter().position(|known| known == order);
        known.unwrap_or_else(|| {
            orders.push(order.clone());
            orders.len() - 1
        })
    }

    pub fn deed(&self, effect: Id) -> Rc<Deed> {
        self.deeds.get(self.effects.get(effect).deed)
    }

    fn effect(&self, effect: &Value) -> Option<Id> {
        let text = |key: &str| effect[key].as_str().unwrap_or_default().to_owned();
        let deed = match effect["do"].as_str()? {
            "audit" => return None,
            "call" => Deed::Call(Command::read(&text("method"), &text("url"))),
            "after" => Deed::After,
            "publish" => Deed::Put { key: text("key"), value: text("value") },
            _ => {
                let mut ask = effect.clone();
                ask["tag"].take();
                Deed::Ask(ask.to_string())
            }
        };
        let tells = matches!(&deed, Deed::Call(command) if command.get("op") == "learn");
        if tells && self.bug == Some(Bug::NeverTold) {
            return None;
        }
        let tag = &effect["tag"];
        let step = tag["change"].as_str().map(|change| (change.to_owned(), tag["step"].as_u64().unwrap()));
        let is_preflight = ["from", "from-health", "to", "to-health"].iter().any(|slot| tag["slot"] == *slot);
        let effect = Effect { deed: self.deeds.of(&deed), tag: tag.to_string(), step, is_preflight };
        Some(self.effects.of(&effect))
    }
}

/// The effects of a turn, its status, and when it wants to be woken; not what people read.
fn without_words(outcome: &Value) -> (Vec<&Value>, &Value, &Value) {
    let effects = outcome["effects"].as_array().unwrap().iter().filter(|effect| effect["do"] != "audit");
    (effects.collect(), &outcome["reply"]["status"], &outcome["wake"])
}

/// The view that is true only when the change is done.
fn too_early(change: &Doing) -> Value {
    let owned = (change.unit.as_str(), change.to.as_str(), change.next);
    let view = published::write(change.next, std::iter::empty(), std::iter::once(owned), None);
    json!({ "do": "publish", "key": "view", "value": view })
}
