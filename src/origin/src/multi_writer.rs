//! Datasets that several regions write, in the layer: how far a replica is with each owner, and the conflicts' address.

#[cfg(feature = "merge")]
pub(crate) use merging::{Place, answer, totals};
#[cfg(not(feature = "merge"))]
pub(crate) use without::{Place, answer, totals};

pub(crate) const PATH: &str = "/.well-known/homing/conflicts";

#[cfg(feature = "merge")]
mod merging {
    use bytes::Bytes;
    use http::{HeaderMap, Method, Response, StatusCode, request::Parts};
    use serde_json::{Value, json};

    use crate::{
        Application, Asked, EpochStore, Homing, Intent, Refusal,
        merge::{Conflict, ConflictQuery, Progress},
        refusal::json_response,
        say,
    };

    /// How many conflicts an answer has, if nobody says.
    const AS_USUAL: usize = 100;

    /// The longest list of conflicts, in bytes: the router reads 1 MiB of an answer.
    const LONGEST: usize = 1_000_000;

    /// How far the replica was before a read.
    pub(crate) type Place = Option<Progress>;

    impl<S: EpochStore, A: Application> Homing<S, A> {
        /// Passes a read that this replica may answer, and says how far it is; asked before the read's snapshot is taken.
        pub(crate) async fn admit_multi_writer(&self, asked: &Asked) -> Result<Place, Refusal> {
            let Some(dataset) = &asked.dataset else { return Ok(None) };
            let place = self.shared.application.progress(dataset).await.unwrap_or(None);
            let reached = |progress: &Progress| {
                let has = |(owner, position): &(String, String)| {
                    position.parse().is_ok_and(|number| progress.at.has(owner, number))
                };
                asked.min_position.is_none() && asked.marks.iter().all(has)
            };
            let is_asked = asked.min_position.is_some() || !asked.marks.is_empty();
            if is_asked && !place.as_ref().is_some_and(reached) { Err(Refusal::Behind) } else { Ok(place) }
        }

        /// Says how far the replica is and what the answer shows, and whether it is one of such a dataset. Refuses an answer to a read that
        /// shows what nobody can place: its session would not know what it has seen, and could be shown less the next time.
        pub(crate) async fn say_multi_writer(
            &self,
            asked: &Asked,
            before: Place,
            headers: &mut HeaderMap,
        ) -> Result<bool, Refusal> {
            let said = say::take_shows_of(headers);
            let Some(dataset) = asked.dataset.as_ref().filter(|_| asked.is_multi_writer()) else { return Ok(false) };
            if headers.contains_key("homing-position") {
                return Ok(true);
            }
            let only_reads = asked.intent == Intent::Read && !say::has_written(headers);
            let least = before.as_ref().filter(|_| asked.intent == Intent::Read).map(|before| before.at.clone());
            // Behind the handler, so that it is no less than the handler has read.
            let place = match (self.shared.application.progress(dataset).await, &before, &said) {
                (Ok(place), ..) => place,
                (Err(_), ..) if !only_reads => None,
                (Err(_), None, None) => None,
                // What the replica had before is enough if nothing else is shown.
                (Err(_), Some(had), Some(shows)) if had.at.reaches(shows) => before,
                (Err(_), ..) => return Err(Refusal::Unplaced),
            };
            // A database that has died since the write's commit must not cost the session its mark: the replica has what it has shown.
            let written = said.clone().filter(|_| !only_reads).map(|at| {
                let clock = say::take_clock(headers);
                Progress { at, clock, ..Progress::default() }
            });
            let place = place.or(written);
            let Some(Progress { at, clock, .. }) = place else { return Ok(true) };
            let shows = said.unwrap_or_else(|| at.clone());
            headers.extend(say::positions(dataset, &at, least.as_ref(), &shows));
            headers.extend(clock.as_ref().map(say::clock));
            Ok(true)
        }
    }

    /// `GET /.well-known/homing/conflicts?dataset=likes[&key=KEY][&limit=100]`.
    pub(crate) async fn answer<S: EpochStore, A: Application, R: From<Bytes>>(
        homing: &Homing<S, A>,
        request: &Parts,
        now: u64,
    ) -> Response<R> {
        let Parts { method, uri, headers, .. } = request;
        if let Err(refusal) = homing.shared.keys.verify(method, uri, headers, now) {
            return refusal.into_response();
        }
        if *method != Method::GET {
            return json_response(StatusCode::METHOD_NOT_ALLOWED, &json!({ "title": "only GET is known" }));
        }
        let mut query = ConflictQuery { limit: AS_USUAL, ..ConflictQuery::default() };
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "dataset" => query.dataset = Some(value.into_owned()),
                "key" => query.key = Some(value.into_owned()),
                "limit" => query.limit = value.parse().unwrap_or(AS_USUAL),
                _ => {}
            }
        }
        match homing.shared.application.conflicts(&query).await {
            Ok(told) => {
                let told = told.unwrap_or_default();
                let total = told.total(query.dataset.as_deref());
                let stories = stories(told.newest, homing.shared.keys.are_used());
                json_response(
                    StatusCode::OK,
                    &json!({ "region": homing.region(), "conflicts": stories, "total": total }),
                )
            }
            Err(error) => {
                let body = json!({ "title": "the conflicts cannot be read at present", "detail": error.to_string() });
                json_response(StatusCode::SERVICE_UNAVAILABLE, &body)
            }
        }
    }

    /// The newest of them that fit an answer. If requests are not signed, anybody who reaches the region can ask, so they do not name who
    /// wrote.
    fn stories(newest: Vec<Conflict>, is_signed: bool) -> Vec<Value> {
        let mut left = LONGEST;
        let story = |conflict: Conflict| {
            let mut conflict = conflict.bounded();
            if !is_signed {
                (conflict.kept.who, conflict.lost.who) = (None, None);
            }
            json!(conflict)
        };
        let fits = |story: &Value| {
            let fits = left.checked_sub(story.to_string().len() + 1);
            left = fits.unwrap_or(0);
            fits.is_some()
        };
        newest.into_iter().map(story).take_while(fits).collect()
    }

    /// By dataset and rule, for the health address; none where the application keeps none.
    pub(crate) async fn totals<A: Application>(application: &A) -> Option<Value> {
        let query = ConflictQuery::default();
        application.conflicts(&query).await.ok().flatten().map(|told| json!(told.totals))
    }
}

/// The application says it all by itself.
#[cfg(not(feature = "merge"))]
mod without {
    use bytes::Bytes;
    use http::{HeaderMap, Response, StatusCode, request::Parts};
    use serde_json::{Value, json};

    use crate::{Application, Asked, EpochStore, Homing, Refusal, refusal::json_response};

    #[derive(Default)]
    pub(crate) struct Place {}

    impl<S: EpochStore, A: Application> Homing<S, A> {
        pub(crate) async fn admit_multi_writer(&self, _: &Asked) -> Result<Place, Refusal> {
            Ok(Place {})
        }

        pub(crate) async fn say_multi_writer(
            &self,
            asked: &Asked,
            _: Place,
            _: &mut HeaderMap,
        ) -> Result<bool, Refusal> {
            Ok(asked.is_multi_writer())
        }
    }

    pub(crate) async fn answer<S: EpochStore, A: Application, R: From<Bytes>>(
        _: &Homing<S, A>,
        _: &Parts,
        _: u64,
    ) -> Response<R> {
        json_response(StatusCode::NOT_FOUND, &json!({ "title": "not found" }))
    }

    pub(crate) async fn totals<A: Application>(_: &A) -> Option<Value> {
        None
    }
}
