//! Where ownerships come from. Each source is read here from the medium in which it speaks, and nowhere else can one be made.

use serde_json::Value;

use super::{Evidence, Ownership, record::HomeRecord};
use crate::model::epoch::Epoch;
use crate::ownership::own::Subjects;
use crate::{
    http::answer::Answer,
    model::{
        ids::{DatasetId, RegionId, RegionSet},
        subject::{SubjectId, SubjectKind},
    },
    topology::{Topology, dataset::Rule},
};

/// Who keeps the homes of subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// The home store: quick and near, and it may not have heard yet.
    Store,
    /// The directory, whose word is the last.
    Directory,
}

/// What a keeper says of a subject's home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptHome {
    /// The ownership.
    pub ownership: Ownership,
    /// Whether it was assigned just now.
    pub new: bool,
}

impl Ownership {
    /// Who owns a single-writer dataset before anything was ever promoted.
    #[must_use]
    pub fn configured(topology: &Topology, dataset: DatasetId) -> Option<Self> {
        match topology.dataset(dataset)?.rule {
            Rule::SingleWriter { home } => Some(Self { home, epoch: Epoch::FIRST, said_by: Evidence::Topology }),
            Rule::GeoPartitioned { .. } | Rule::MultiWriter { .. } => None,
        }
    }

    /// That region as one of the several owners of a multi-writer dataset, if it is one; that never changes.
    #[must_use]
    pub fn among_several(topology: &Topology, dataset: DatasetId, region: RegionId) -> Option<Self> {
        match &topology.dataset(dataset)?.rule {
            Rule::MultiWriter { regions, .. } if regions.contains(region) => {
                Some(Self { home: region, epoch: Epoch::FIRST, said_by: Evidence::Topology })
            }
            _ => None,
        }
    }

    /// Who has what nobody claims: requests of no dataset, and the part of a split one that belongs to nobody in particular. It
    /// has no epoch, so no origin is told of it.
    #[must_use]
    pub fn unclaimed(topology: &Topology, dataset: Option<DatasetId>) -> Self {
        let default = topology.default_home();
        let home = match dataset.and_then(|id| topology.dataset(id)).map(|dataset| &dataset.rule) {
            // Everything of nobody in particular has one home, so that it too has one owner.
            Some(Rule::GeoPartitioned { regions, .. }) if !regions.contains(default) => {
                regions.iter().next().unwrap_or(default)
            }
            _ => default,
        };
        Self { home, epoch: Epoch::NONE, said_by: Evidence::Topology }
    }

    /// What the published view says of one dataset: `{ "home": NAME, "epoch": N }`.
    #[must_use]
    pub fn published(said: &Value, topology: &Topology) -> Option<Self> {
        let home = topology.region_named(said.get("home")?.as_str()?)?;
        Some(Self { home, epoch: Epoch::said(said.get("epoch")?.as_u64()?)?, said_by: Evidence::View })
    }

    /// What a keeper says of a subject's home: `{"home":NAME,"epoch":N}`. One that the topology does not permit is none.
    #[must_use]
    pub fn kept(text: &str, keeper: Keeper, topology: &Topology, allowed: RegionSet) -> Option<KeptHome> {
        let stored = HomeRecord::read(text)?;
        let home = topology.region_named(&stored.home).filter(|home| allowed.contains(*home))?;
        let said_by = match keeper {
            Keeper::Store => Evidence::HomeStore,
            Keeper::Directory if stored.tentative => Evidence::Tentative,
            Keeper::Directory => Evidence::Directory,
        };
        let ownership = Self { home, epoch: Epoch::said(stored.epoch)?, said_by };
        (stored.epoch > 0).then_some(KeptHome { ownership, new: stored.new })
    }

    /// The same ownership, now that an origin has said yes to what was sent by it.
    #[must_use]
    pub fn confirmed(self) -> Self {
        Self { said_by: Evidence::Directory, ..self }
    }

    /// What a session says of the home of that subject, if it is its own of that kind: of nobody else's can it say anything.
    #[must_use]
    pub fn in_session(
        subjects: &Subjects,
        (kind, subject): (SubjectKind, &SubjectId),
        topology: &Topology,
        allowed: RegionSet,
    ) -> Option<Self> {
        let said = subjects.home(kind).filter(|_| subjects.subject(kind) == Some(subject))?;
        let home = topology.region_named(said.name()).filter(|home| allowed.contains(*home))?;
        Some(Self { home, epoch: said.epoch(), said_by: Evidence::Session })
    }

    /// What an origin says of what it was asked: `Homing-Home` together with `Homing-Epoch`, in a 421 or any other answer. By epoch
    /// 0 it only knows where the data is, and that is no ownership.
    #[must_use]
    pub fn named(answer: &Answer<'_>, topology: &Topology, allowed: RegionSet) -> Option<Self> {
        let home = lives_in(answer, topology, allowed)?;
        let epoch = Epoch::said(answer.headers.get("homing-epoch")?.trim().parse().ok()?)?;
        (epoch > Epoch::NONE).then_some(Self { home, epoch, said_by: Evidence::Origin })
    }
}

/// Where an origin says that the data is, by whatever epoch or none (`Homing-Home`). The directory alone makes an ownership of it.
#[must_use]
pub fn lives_in(answer: &Answer<'_>, topology: &Topology, allowed: RegionSet) -> Option<RegionId> {
    topology.region_named(answer.headers.get("homing-home")?.trim()).filter(|home| allowed.contains(*home))
}
