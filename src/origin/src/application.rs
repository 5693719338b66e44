//! What an application knows about its own data, and does when its ownership moves.

use std::{future::Future, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use crate::{Ownership, Unit, position};

/// Whatever went wrong in an application.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A part of a dataset: what a position is of.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The dataset.
    pub dataset: &'a str,
    /// The unit that it is, or belongs to.
    pub unit: &'a Unit,
    /// Whose log this copy has, with all that this owner began with: a position counts in that one. Never an owner that this region
    /// was only told of, which has no log here yet; none where nothing of the part has come here.
    pub owner: Option<&'a Ownership>,
}

/// A place in the log of one ownership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose log, of which epoch.
    pub owner: Ownership,
    /// The place in it.
    pub position: String,
}

impl Mark {
    /// Whether a replica that is there has all up to the other: in the same log, and no less far.
    pub(crate) fn reaches(&self, other: &Self) -> bool {
        self.owner == other.owner && position::reaches(&self.position, &other.position)
    }

    /// The latest of several, by which all of them are reached. None if they are of several ownerships, or cannot be compared, or
    /// if there are none.
    #[must_use]
    pub fn latest(marks: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut marks = marks.into_iter();
        let first = marks.next()?;
        marks.try_fold(first, |held, next| match held.reaches(&next) {
            true => Some(held),
            false => next.reaches(&held).then_some(next),
        })
    }
}

/// Another region, as this one sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// How far this region is behind its writes, once that is known.
    pub lag: Option<Duration>,
    /// Whether this region can replicate from it.
    pub reachable: bool,
}

/// The application behind the layer. All methods have defaults: one that says nothing gets the fence, pauses and leases,
/// and reads after writes by time. Futures may be written as `async fn`.
pub trait Application: Send + Sync + 'static {
    /// The datasets that have one owner as a whole: what the health address shows.
    fn datasets(&self) -> Vec<String> {
        Vec::new()
    }

    /// The datasets that are split by subjects: each user's or tenant's part has an owner of its own, and the whole has none. Is
    /// asked once, at the start.
    fn split(&self) -> Vec<String> {
        Vec::new()
    }

    /// The datasets that several regions write: they have no owner and no fence. Is asked once, at the start.
    fn multi_writer(&self) -> Vec<String> {
        Vec::new()
    }

    /// How far this replica is with a dataset that several regions write, and its latest stamp; none of another one. The layer asks before
    /// a read and after it, and after a write, as for [`position`](Application::position). If it fails after a read, nobody can say what the
    /// answer shows, and the read is refused (503), unless the replica had all of that before.
    #[cfg(feature = "merge")]
    fn progress(&self, dataset: &str) -> impl Future<Output = Result<Option<crate::merge::Progress>, Failure>> + Send {
        let _ = dataset;
        async { Ok(None) }
    }

    /// The conflicts that this region has found: for their address, and their totals for the health address.
    #[cfg(feature = "merge")]
    fn conflicts(
        &self,
        query: &crate::merge::ConflictQuery,
    ) -> impl Future<Output = Result<Option<crate::merge::Conflicts>, Failure>> + Send {
        let _ = query;
        async { Ok(None) }
    }

    /// The datasets in which a unit has data: a dataset itself; of a subject, all that are split by its kind. An id does not tell
    /// the kind, so by default a subject may have data in every dataset that is [`split`](Application::split).
    fn within(&self, unit: &Unit) -> Vec<String> {
        unit.as_dataset().map_or_else(|| self.split(), |dataset| vec![dataset.to_owned()])
    }

    /// How far this copy is now: at the owner what has committed, elsewhere what is applied and can be read. None where no
    /// positions are kept.
    ///
    /// The layer asks before a read and after it, and after a write, so handlers need not. That is right for a handler which
    /// has committed, or read all it will read, when its response begins. If it fails after a read before which it did not, nobody can say
    /// what the answer shows, and the read is refused (503), unless the replica had all of that before.
    ///
    /// That is enough where each owner's log is counted by itself. Where a copy can know of a new owner and have nothing of its log
    /// yet, as in PostgreSQL's streaming replication, write [`mark`](Application::mark) instead.
    fn position(&self, part: Part<'_>) -> impl Future<Output = Result<Option<String>, Failure>> + Send {
        let _ = part;
        async { Ok(None) }
    }

    /// How far this copy is, and in whose log: by default its [`position`](Application::position), in the log that it has
    /// ([`Part::owner`]).
    fn mark(&self, part: Part<'_>) -> impl Future<Output = Result<Option<Mark>, Failure>> + Send {
        async move {
            let position = self.position(part).await?;
            Ok(part.owner.cloned().zip(position).map(|(owner, position)| Mark { owner, position }))
        }
    }

    /// What a read of the part can have shown: the newest write that had any part in it, deletions included, in whose log
    /// [`mark`](Application::mark) counts. None where that is not known; then the router takes how far the copy is for it.
    ///
    /// It is all that a session has seen, and no copy that lacks it may answer that session any more. So the nearer to the truth it
    /// is, the more reads stay near; and **it must never be too low**. The last write of the unit will do, else that of the dataset;
    /// `store::sqlite` and `store::postgres` keep them. A handler that knows more exactly, by the versions of the rows that it has
    /// read, says so with [`say::shows`](crate::say::shows), and is not asked here.
    ///
    /// The layer asks behind the handler, and before it asks how far the copy is. Before the handler would be too low: a write that
    /// is applied between the two is in the answer and not in what was said. Behind the position would be too high for it.
    fn shows(&self, part: Part<'_>) -> impl Future<Output = Result<Option<Mark>, Failure>> + Send {
        let _ = part;
        async { Ok(None) }
    }

    /// How far a new owner has to come, asked at the old one while its writes are paused: all that was written must lie before
    /// it, and a copy must be sure to get there though nothing is written any more. By default [`mark`](Application::mark)'s
    /// position; PostgreSQL's log may end in what is sent with the next commit only.
    fn settled(&self, part: Part<'_>) -> impl Future<Output = Result<Option<String>, Failure>> + Send {
        async move { Ok(self.mark(part).await?.map(|mark| mark.position)) }
    }

    /// Whether this copy has all of that log up to there. A length alone proves nothing: after a promotion there are two
    /// logs with one beginning. By default [`mark`](Application::mark) must be in that very log, and at least as far.
    fn reached(&self, part: Part<'_>, mark: &Mark) -> impl Future<Output = Result<bool, Failure>> + Send {
        async move { Ok(self.mark(part).await?.is_some_and(|at| at.reaches(mark))) }
    }

    /// The unit is about to be this region's: make it able to take writes (a PostgreSQL standby is promoted here). Is called
    /// again if the authority asks again, so do nothing the second time. If it fails, nothing is granted.
    fn granted(&self, unit: &Unit, owner: &Ownership) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (unit, owner);
        async { Ok(()) }
    }

    /// The unit was this region's, and is not any more.
    fn deposed(&self, unit: &Unit, owner: &Ownership) -> impl Future<Output = ()> + Send {
        let _ = (unit, owner);
        async {}
    }

    /// Tells the peers of an ownership, in the log that is replicated to them, behind all that was written so far: a label
    /// that travels apart from the data breaks the order of reads. Where it comes out of the log again, and the copy has what the
    /// owner began with, it is taken in with `store::sqlite::announced` or [`Homing::announced`](crate::Homing::announced). Nothing to
    /// do where the epoch store itself is replicated with the data. May be called twice with the same; comes before anything is
    /// written by that ownership here. With `store::sqlite::announced` that is the application's own to see to: if a peer's log names
    /// this region, its own log says so too, in the same transaction.
    fn announce(&self, unit: &Unit, owner: &Ownership) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = (unit, owner);
        async { Ok(()) }
    }

    /// The other regions: the source of `Homing-Lag`, and of the health address.
    fn peers(&self) -> Vec<Peer> {
        Vec::new()
    }

    /// What else the health address shows, such as `conflicts`.
    fn health(&self) -> impl Future<Output = Map<String, Value>> + Send {
        async { Map::new() }
    }
}

/// An application that says nothing.
impl Application for () {}

impl<A: Application> Application for Arc<A> {
    fn datasets(&self) -> Vec<String> {
        A::datasets(self)
    }

    fn split(&self) -> Vec<String> {
        A::split(self)
    }

    fn multi_writer(&self) -> Vec<String> {
        A::multi_writer(self)
    }

    #[cfg(feature = "merge")]
    fn progress(&self, dataset: &str) -> impl Future<Output = Result<Option<crate::merge::Progress>, Failure>> + Send {
        A::progress(self, dataset)
    }

    #[cfg(feature = "merge")]
    fn conflicts(
        &self,
        query: &crate::merge::ConflictQuery,
    ) -> impl Future<Output = Result<Option<crate::merge::Conflicts>, Failure>> + Send {
        A::conflicts(self, query)
    }

    fn within(&self, unit: &Unit) -> Vec<String> {
        A::within(self, unit)
    }

    fn position(&self, part: Part<'_>) -> impl Future<Output = Result<Option<String>, Failure>> + Send {
        A::position(self, part)
    }

    fn mark(&self, part: Part<'_>) -> impl Future<Output = Result<Option<Mark>, Failure>> + Send {
        A::mark(self, part)
    }

    fn shows(&self, part: Part<'_>) -> impl Future<Output = Result<Option<Mark>, Failure>> + Send {
        A::shows(self, part)
    }

    fn settled(&self, part: Part<'_>) -> impl Future<Output = Result<Option<String>, Failure>> + Send {
        A::settled(self, part)
    }

    fn reached(&self, part: Part<'_>, mark: &Mark) -> impl Future<Output = Result<bool, Failure>> + Send {
        A::reached(self, part, mark)
    }

    fn granted(&self, unit: &Unit, owner: &Ownership) -> impl Future<Output = Result<(), Failure>> + Send {
        A::granted(self, unit, owner)
    }

    fn deposed(&self, unit: &Unit, owner: &Ownership) -> impl Future<Output = ()> + Send {
        A::deposed(self, unit, owner)
    }

    fn announce(&self, unit: &Unit, owner: &Ownership) -> impl Future<Output = Result<(), Failure>> + Send {
        A::announce(self, unit, owner)
    }

    fn peers(&self) -> Vec<Peer> {
        A::peers(self)
    }

    fn health(&self) -> impl Future<Output = Map<String, Value>> + Send {
        A::health(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_of_several_reaches_them_all_or_there_is_none() {
        let mark = |home: &str, epoch, position: &str| Mark {
            owner: Ownership::new(home, epoch),
            position: position.to_owned(),
        };
        let [nine, ten] = [mark("us", 1, "9"), mark("us", 1, "10")];
        assert_eq!(Mark::latest([nine.clone(), ten.clone(), nine.clone()]), Some(ten.clone()));
        assert_eq!(Mark::latest([]), None);
        for other in [mark("us", 2, "1"), mark("eu", 1, "1"), mark("us", 1, "0/9")] {
            assert_eq!(Mark::latest([nine.clone(), other, ten.clone()]), None, "two logs have no latest place");
        }
    }
}
