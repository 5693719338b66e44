//! In memory: for tests and trials. It forgets with the process, and every process has its own.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::EpochStore;
use crate::{Answer, Asked, KEPT_FOR, Kept, Key, Ownership, Pause, Refusal, Standing, Unit};

/// Ownership in memory.
#[derive(Debug, Default)]
pub struct Memory {
    rows: Mutex<HashMap<Unit, Row>>,
    keys: tokio::sync::Mutex<HashMap<String, (Instant, Kept)>>,
}

#[derive(Debug, Default)]
struct Row {
    owner: Option<Ownership>,
    log: Option<Ownership>,
    pause: Option<(u64, Instant)>,
    last_pause: u64,
}

impl Row {
    fn standing(&self) -> Standing {
        let pause = self
            .pause
            .as_ref()
            .map(|(id, until)| Pause { id: *id, left: until.saturating_duration_since(Instant::now()) });
        Standing { owner: self.owner.clone(), log: self.log.clone(), pause, last_pause: self.last_pause }
    }
}

impl Memory {
    /// A store in which these ownerships are known already, and their logs are here.
    #[must_use]
    pub fn of(known: impl IntoIterator<Item = (Unit, Ownership)>) -> Self {
        let row = |owner: Ownership| Row { log: Some(owner.clone()), owner: Some(owner), ..Row::default() };
        let rows = Mutex::new(known.into_iter().map(|(unit, owner)| (unit, row(owner))).collect());
        Self { rows, keys: tokio::sync::Mutex::default() }
    }

    /// A write behind its fence, done once for its key, as by `once` of the other stores. There is no transaction here, so it is for tests:
    /// what ends before `act` has ended may have been done, and is not remembered. Those that have a key wait for each other.
    ///
    /// # Errors
    /// If `act` fails. The inner error is the answer to give if the unit may not be written, or the key is that of a write with another
    /// body.
    pub async fn once<E>(
        &self,
        asked: &Asked,
        unit: &Unit,
        key: &Key,
        act: impl Future<Output = Result<Answer, E>>,
    ) -> Result<Result<Answer, Refusal>, E> {
        let held = match key.id(unit) {
            Some(id) => Some((self.keys.lock().await, id)),
            None => None,
        };
        let standing = self.rows().get(unit).map(Row::standing).unwrap_or_default();
        if let Err(refusal) = asked.admit(unit, &standing) {
            return Ok(Err(refusal));
        }
        let Some((mut keys, id)) = held else { return act.await.map(Ok) };
        keys.retain(|_, (at, _)| at.elapsed() <= KEPT_FOR);
        if let Some((_, kept)) = keys.get(&id) {
            return Ok(key.answered(kept.clone()));
        }
        let answer = act.await?;
        keys.extend(key.keep(unit, &answer, 0).map(|kept| (id, (Instant::now(), kept))));
        Ok(Ok(answer))
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<Unit, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EpochStore for Memory {
    type Error = Infallible;

    async fn standing(&self, unit: &Unit) -> Result<Standing, Infallible> {
        Ok(self.rows().get(unit).map(Row::standing).unwrap_or_default())
    }

    async fn change<T: Send>(
        &self,
        unit: &Unit,
        decide: impl Fn(&mut Standing) -> T + Send + Sync,
    ) -> Result<T, Infallible> {
        let mut rows = self.rows();
        let mut standing = rows.get(unit).map(Row::standing).unwrap_or_default();
        let said = decide(&mut standing);
        let pause = standing.pause.map(|pause| (pause.id, Instant::now() + pause.left));
        let Standing { owner, log, last_pause, .. } = standing;
        rows.insert(unit.clone(), Row { owner, log, pause, last_pause });
        Ok(said)
    }

    async fn paused_by(&self, id: u64) -> Result<Vec<Unit>, Infallible> {
        let held = |row: &Row| row.pause.as_ref().is_some_and(|(of, _)| *of == id);
        Ok(self.rows().iter().filter(|(_, row)| held(row)).map(|(unit, _)| unit.clone()).collect())
    }
}
