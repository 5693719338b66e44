//! The handle: what the layer, the addresses and handlers share.

use std::sync::Arc;

use crate::{
    Application, Asked, EpochStore, Failure, Mark, Ownership, Part, Permit, Refusal, Settings, Standing, Unit,
    gate::Gate, layer::now, lease::Leases, signature::Keys,
};

/// A region's side of the contract, over its epoch store and its application. Cheap to clone.
pub struct Homing<S, A> {
    pub(crate) shared: Arc<Shared<S, A>>,
}

pub(crate) struct Shared<S, A> {
    pub(crate) here: Arc<str>,
    pub(crate) keys: Keys,
    pub(crate) leases: Arc<Leases>,
    pub(crate) first_home: Option<Arc<str>>,
    pub(crate) split: Arc<[String]>,
    pub(crate) multi_writer: Arc<[String]>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) store: S,
    pub(crate) application: A,
}

impl<S, A> Clone for Homing<S, A> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S: EpochStore, A: Application> Homing<S, A> {
    /// A region's side of the contract.
    #[must_use]
    pub fn new(settings: Settings, store: S, application: A) -> Self {
        let Settings { region, keys, leases, first_home } = settings;
        let first_home = first_home.map(Arc::from);
        let (here, leases, gate) = (region.into(), Arc::new(leases), Arc::default());
        let (split, multi_writer) = (application.split().into(), application.multi_writer().into());
        let shared = Shared { here, keys, leases, first_home, split, multi_writer, gate, store, application };
        Self { shared: Arc::new(shared) }
    }

    /// This region's name.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.shared.here
    }

    /// The application.
    #[must_use]
    pub fn application(&self) -> &A {
        &self.shared.application
    }

    /// The epoch store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.shared.store
    }

    /// Passes the fence of a unit, and counts as a write in flight until the permit is dropped. The layer does this for the
    /// unit that the router named; a handler does it for one that it found by itself.
    ///
    /// # Errors
    /// If this region may not write the unit now.
    pub async fn enter(&self, asked: &Asked, unit: &Unit) -> Result<Permit, Refusal> {
        asked.must_be_one(unit)?;
        let permit = self.shared.gate.enter(unit);
        let mut standing = self.standing(unit).await.map_err(Refusal::unknown)?;
        if let Some(claim) = asked.claim_of(unit)
            && standing.believes(claim, self.region())
        {
            standing = self.believe(unit, claim, &standing).await?;
        }
        if standing.pause.as_ref().is_some_and(|pause| pause.left.is_zero()) {
            standing = self.wake(unit).await?;
        }
        asked.admit(unit, &standing)?;
        Ok(permit)
    }

    /// What counts of a unit now.
    pub(crate) async fn standing(&self, unit: &Unit) -> Result<Standing, S::Error> {
        let standing = self.shared.store.standing(unit).await?;
        Ok(standing.or_first(unit, self.shared.first_home.as_deref()))
    }

    /// Takes in a later ownership, as a request or the application itself was told of it. Writes go by it at once. This copy is no
    /// copy of it before the log has said so ([`announced`](Self::announced)), but where the owner is this region, or the first one.
    ///
    /// # Errors
    /// If the store or the log cannot be written, or if the unit is none: of a dataset that is split, each subject's part has an
    /// owner of its own.
    pub async fn learn(&self, unit: &Unit, to: &Ownership) -> Result<(), Failure> {
        if self.is_split(unit) {
            return Err(format!("{unit} is split by subjects; its units are ~ID").into());
        }
        let known = self.shared.store.standing(unit).await?.owner;
        if known.as_ref().is_some_and(|known| known.epoch >= to.epoch) {
            return Ok(());
        }
        if to.home == self.region() {
            return self.own(unit, to).await.map(|_| ());
        }
        let counts = self.shared.store.advance(unit, to).await?;
        if counts.home != self.region() && known.is_some_and(|known| known.home == self.region()) {
            self.shared.application.deposed(unit, &counts).await;
        }
        Ok(())
    }

    /// This region is the owner: its peers hear of it in the log before anything can be written by that ownership, so that no copy
    /// has of an owner's writes what it does not take for them. Says which ownership counts now.
    pub(crate) async fn own(&self, unit: &Unit, held: &Ownership) -> Result<Ownership, Failure> {
        self.shared.application.announce(unit, held).await?;
        Ok(self.shared.store.announced(unit, held).await?)
    }

    /// Takes in an ownership that has come in the application's own replicated log, once this copy has all that the owner began
    /// with: from here on it is a copy of that epoch, and its positions count by it. If that owner is this region, its peers hear of it
    /// in its own log too, before it can write anything by it: the log that said so may reach them later than what is written here.
    ///
    /// # Errors
    /// If the store or the log cannot be written.
    pub async fn announced(&self, unit: &Unit, owner: &Ownership) -> Result<(), Failure> {
        let standing = self.shared.store.standing(unit).await?;
        let is_first = standing.owner.is_none_or(|known| known.epoch < owner.epoch);
        if is_first && owner.home == self.region() {
            return self.own(unit, owner).await.map(|_| ());
        }
        self.shared.store.announced(unit, owner).await?;
        Ok(())
    }

    /// Whether it is a dataset that is split by subjects, and so no unit.
    pub(crate) fn is_split(&self, unit: &Unit) -> bool {
        unit.as_dataset().is_some_and(|dataset| self.shared.split.iter().any(|split| split == dataset))
    }

    /// Renews the lease of a unit in this process.
    pub fn renew(&self, unit: &Unit, epoch: u64, time: std::time::Duration) {
        self.shared.leases.renew(unit, epoch, time, now());
    }

    /// A claim with a later epoch is believed: this is how a first assignment gets here, and how an owner hears that it is
    /// none any more. If it cannot be written down it still counts against this region.
    async fn believe(&self, unit: &Unit, claim: &Ownership, known: &Standing) -> Result<Standing, Refusal> {
        match self.learn(unit, claim).await {
            Ok(()) => self.shared.store.standing(unit).await.map_err(Refusal::unknown),
            Err(_) if claim.home != self.region() => Ok(Standing { owner: Some(claim.clone()), ..known.clone() }),
            Err(error) => Err(Refusal::unknown(error)),
        }
    }

    /// Ends a pause that has run out. Only after that may a write go through, so that whoever holds the pause either gives
    /// the unit away before it or not at all.
    async fn wake(&self, unit: &Unit) -> Result<Standing, Refusal> {
        let awake = |standing: &mut Standing| {
            standing.wake();
            standing.clone()
        };
        self.shared.store.change(unit, awake).await.map_err(Refusal::unknown)
    }

    /// How far this copy of a part is now, and in whose log. That is read first: a position counts by one that was known by then.
    pub(crate) async fn copy(&self, dataset: &str, unit: &Unit) -> Result<Option<Mark>, Failure> {
        let log = self.shared.store.standing(unit).await?.log;
        self.shared.application.mark(Part { dataset, unit, owner: log.as_ref() }).await
    }

    /// How far a new owner has to come, while writes are paused here.
    pub(crate) async fn settled(&self, dataset: &str, unit: &Unit) -> Result<Option<String>, Failure> {
        let log = self.shared.store.standing(unit).await?.log;
        self.shared.application.settled(Part { dataset, unit, owner: log.as_ref() }).await
    }

    /// Passes a read that this copy may answer, and says how far the copy is; asked before the read's snapshot is taken.
    pub(crate) async fn admit_read(&self, asked: &Asked) -> Result<Option<Mark>, Refusal> {
        let (Some(dataset), Some(unit)) = (&asked.dataset, asked.unit()) else { return Ok(None) };
        let as_home = asked.claim.as_ref().filter(|claim| claim.home == self.region());
        let Standing { owner, log, .. } = match self.standing(&unit).await {
            Ok(standing) => standing,
            Err(_) if asked.min_position.is_some() => return Err(Refusal::Behind),
            Err(error) if as_home.is_some() => return Err(Refusal::unknown(error)),
            Err(_) => return Ok(None),
        };
        // Whoever asks the home wants all that was acknowledged, wherever that was.
        if let (Some(claim), Some(owner)) = (as_home, &owner)
            && owner.home != self.region()
            && (owner.epoch > claim.epoch || owner.epoch == Ownership::BEFORE)
        {
            return Err(Refusal::Misdirected(owner.clone()));
        }
        let part = Part { dataset, unit: &unit, owner: log.as_ref() };
        if let Some(wanted) = &asked.min_position {
            let mark = Mark { owner: asked.claim.clone().ok_or(Refusal::Behind)?, position: wanted.clone() };
            if !self.shared.application.reached(part, &mark).await.unwrap_or(false) {
                return Err(Refusal::Behind);
            }
        }
        Ok(self.shared.application.mark(part).await.unwrap_or(None))
    }

    pub(crate) async fn reached(&self, dataset: &str, unit: &Unit, mark: &Mark) -> Result<bool, Failure> {
        let log = self.shared.store.standing(unit).await?.log;
        self.shared.application.reached(Part { dataset, unit, owner: log.as_ref() }, mark).await
    }
}
