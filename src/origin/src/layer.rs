//! The layer: every request passes here first, and every answer last.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, request::Parts};
use http_body::Body;
use serde_json::json;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Application, Asked, EpochStore, Failure, Homing, Intent, Mark, Part, Permit, Refusal, Unit, address,
    asked::{COVERED, Rules},
    health, multi_writer,
    refusal::json_response,
    say,
    unread::take_in,
};

/// Wraps an application's service. Put it around everything that the router may reach, with nothing outside of it that
/// changes the request's target: the signature covers that.
pub struct HomingLayer<S, A>(Homing<S, A>);

/// An application's service that keeps the contract.
pub struct Contract<T, S, A> {
    inner: T,
    homing: Homing<S, A>,
}

/// Whether an answer may show what a session would have to know the position of. A failure shows nothing, nor does the refusal of a request
/// or of a person, nor a sign-in.
fn shows_data<B>(response: &Response<B>) -> bool {
    let refuses = matches!(response.status().as_u16(), 400 | 401 | 403 | 405 | 406 | 413 | 415 | 429);
    !(refuses || response.status().is_server_error() || response.headers().contains_key("homing-subject"))
}

impl<S: EpochStore, A: Application> Homing<S, A> {
    /// The layer.
    #[must_use]
    pub fn layer(&self) -> HomingLayer<S, A> {
        HomingLayer(self.clone())
    }
}

impl<S, A> Clone for HomingLayer<S, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Clone, S, A> Clone for Contract<T, S, A> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), homing: self.homing.clone() }
    }
}

impl<T, S, A> Layer<T> for HomingLayer<S, A> {
    type Service = Contract<T, S, A>;

    fn layer(&self, inner: T) -> Self::Service {
        Contract { inner, homing: self.0.clone() }
    }
}

impl<T, S, A, B, R> Service<Request<B>> for Contract<T, S, A>
where
    T: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    T::Future: Send,
    S: EpochStore,
    A: Application,
    B: Body + Send + 'static,
    R: From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, T::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was made ready is the one to call.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let homing = self.homing.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let Passed { asked, permit, copy, place } = match homing.before(&parts).await {
                Before::Answer(response) => {
                    take_in(body).await;
                    return Ok(response);
                }
                Before::Pass(passed) => *passed,
            };
            parts.extensions.insert(asked.clone());
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            let said = homing.after(&asked, copy, place, response.headers_mut()).await;
            // A write is in flight until its position is said: a pause answers with one that is no earlier.
            drop(permit);
            Ok(match said {
                Err(refusal) if shows_data(&response) => refusal.into_response(),
                _ => response,
            })
        })
    }
}

/// What is decided before the application is asked.
enum Before<R> {
    /// It is not asked.
    Answer(Response<R>),
    /// It is.
    Pass(Box<Passed>),
}

/// A request that may go on.
struct Passed {
    asked: Asked,
    /// Of a write that has a fence to pass: it is in flight.
    permit: Option<Permit>,
    /// Of a read: how far this copy was before it.
    copy: Option<Mark>,
    /// The same of a dataset that several regions write.
    place: multi_writer::Place,
}

impl<S: EpochStore, A: Application> Homing<S, A> {
    async fn before<R: From<Bytes>>(&self, request: &Parts) -> Before<R> {
        match request.uri.path() {
            // None is for clients: they move what is owned, and tell of regions, epochs and conflicts.
            address::PATH | health::PATH | multi_writer::PATH if is_forwarded(&request.headers) => {
                Before::Answer(json_response(StatusCode::NOT_FOUND, &json!({ "title": "not found" })))
            }
            address::PATH => Before::Answer(address::answer(self, request, now()).await),
            health::PATH => Before::Answer(health::answer(self).await),
            multi_writer::PATH => Before::Answer(multi_writer::answer(self, request, now()).await),
            _ => {
                let asked = match self.read(request) {
                    Ok(asked) => asked,
                    Err(refusal) => return Before::Answer(refusal.into_response()),
                };
                match self.admit(&asked).await {
                    Ok((permit, copy, place)) => Before::Pass(Box::new(Passed { asked, permit, copy, place })),
                    Err(refusal) => {
                        let mut response = refusal.into_response();
                        let nowhere = multi_writer::Place::default();
                        // It shows nothing, so it says how far this copy is if it can.
                        let _ = self.after(&asked, None, nowhere, response.headers_mut()).await;
                        Before::Answer(response)
                    }
                }
            }
        }
    }

    /// What the router says counts if it is the router who says it. A read that is not its own is answered like anybody's.
    fn read(&self, request: &Parts) -> Result<Asked, Refusal> {
        let (method, headers) = (&request.method, &request.headers);
        let here = self.shared.here.clone();
        let rules = Rules {
            leases: self.shared.leases.clone(),
            split: self.shared.split.clone(),
            multi_writer: self.shared.multi_writer.clone(),
            first_home: self.shared.first_home.clone(),
        };
        let said = Asked::read(here.clone(), method, &request.uri, headers, rules.clone());
        let direct = Asked::direct(here, method, rules);
        match self.shared.keys.verify(method, &request.uri, headers, now()) {
            Ok(()) => Ok(said),
            Err(refusal) if [said.intent, direct.intent].contains(&Intent::Write) => Err(refusal),
            Err(_) => Ok(direct),
        }
    }

    async fn admit(&self, asked: &Asked) -> Result<(Option<Permit>, Option<Mark>, multi_writer::Place), Refusal> {
        let nowhere = multi_writer::Place::default();
        if asked.intent == Intent::Write {
            return match asked.fenced() {
                Some(unit) => Ok((Some(self.enter(asked, &unit).await?), None, nowhere)),
                None => Ok((None, None, nowhere)),
            };
        }
        if asked.is_multi_writer() {
            return Ok((None, None, self.admit_multi_writer(asked).await?));
        }
        Ok((None, self.admit_read(asked).await?, nowhere))
    }

    /// Says what the answer shows, how far this copy is by now, and how far behind its peers. Refuses an answer to a read that shows what
    /// nobody can place: its session would not know what it has seen, and could be shown less the next time.
    async fn after(
        &self,
        asked: &Asked,
        before: Option<Mark>,
        place: multi_writer::Place,
        headers: &mut HeaderMap,
    ) -> Result<(), Refusal> {
        headers.extend(say::lag(&self.shared.application.peers()));
        if self.say_multi_writer(asked, place, headers).await? {
            return Ok(());
        }
        let said = say::take_shows(headers);
        // What a handler has said itself stands.
        if headers.contains_key("homing-position") || headers.contains_key("homing-home") {
            return Ok(());
        }
        let (Some(dataset), Some(unit)) = (&asked.dataset, asked.unit()) else { return Ok(()) };
        let (shows, copy) = self.shown(dataset, &unit, said).await;
        let copy = match (copy, &before, &shows) {
            (Ok(copy), ..) => copy,
            (Err(_), ..) if asked.intent == Intent::Write || say::has_written(headers) => None,
            // It could not say that before either, and promises nothing.
            (Err(_), None, _) => None,
            // What the copy had before is enough if nothing else is shown.
            (Err(_), Some(had), Some(shows)) if had.reaches(shows) => before.clone(),
            (Err(_), ..) => return Err(Refusal::Unplaced),
        };
        let Some(copy) = copy else { return Ok(()) };
        let least = before.filter(|before| before.owner == copy.owner).map(|before| before.position);
        // A place in another log, or one that this copy has not come to, says nothing here; then the position counts.
        let shows = shows.filter(|shows| copy.reaches(shows)).map(|shows| shows.position);
        headers.extend([say::position(dataset, &copy.position, least.as_deref(), shows.as_deref())]);
        headers.extend(say::ownership(&copy.owner));
        Ok(())
    }

    /// What an answer shows, by its handler's word or the application's, and how far this copy is by then.
    async fn shown(
        &self,
        dataset: &str,
        unit: &Unit,
        said: Option<Option<Mark>>,
    ) -> (Option<Mark>, Result<Option<Mark>, Failure>) {
        // Whose log it is first: what is said counts by one that was known by then.
        let log = match self.shared.store.standing(unit).await {
            Ok(standing) => standing.log,
            Err(error) => return (said.flatten(), Err(error.into())),
        };
        let part = Part { dataset, unit, owner: log.as_ref() };
        // Behind the handler, so that it is no less than the handler has read; before the position, so that it is no more.
        let shows = match said {
            Some(said) => said,
            None => self.shared.application.shows(part).await.unwrap_or(None),
        };
        (shows, self.shared.application.mark(part).await)
    }
}

/// Whether the router sent this for a client. Its authority and its probers say nothing of regions and datasets, and no
/// `CDN-Loop` (RFC 8586): they ask by themselves.
fn is_forwarded(headers: &HeaderMap) -> bool {
    let hops = headers.get_all("cdn-loop").iter().filter_map(|value| value.to_str().ok());
    COVERED.iter().any(|name| headers.contains_key(*name))
        || hops.flat_map(|hops| hops.split([',', ';', ' '])).any(|hop| hop == "homing")
}

/// Unix time in milliseconds.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
