//! `homing conformance`, as it is built: a right origin conforms, and each that is broken in one way is caught by the rule that
//! forbids it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/command.rs"]
mod command;
#[path = "support/served.rs"]
mod served;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use command::{Run, homing};
use homing_origin::{
    Answer, Application, Asked, EpochStore, Failure, Homing, Mark, Ownership, Part, Refusal, Settings, Unit, say, sign,
    store::Memory,
};
use serde_json::json;
use served::{found, start};

const KEY: &str = "a key of at least thirty-two characters";

/// What is wrong with an origin.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    HealthIsSlow,
    HasNoFence,
    ComparesNamesOnly,
    RefusesInSilence,
    ChecksNoSignature,
    SignsForAnybody,
    BelievesTheUnsigned,
    ReportsOnePosition,
    WritesPositionsOtherwise,
    SaysNoEpoch,
    IsNeverBehind,
    IsAlwaysBehind,
    ComparesLengths,
    AnswersClientsAtItsAddress,
    ShowsAnotherEpoch,
    IgnoresPauses,
    PausesForStrangers,
    ResumesNothing,
    AnswersPausesAtOnce,
    TakesPausesTwice,
    PausesForLong,
    GivesAwayWithoutAPause,
    ForgetsWhatItGaveAway,
    GrantsNothing,
    GrantsWhatIsOver,
    NeedsALeaseAndWritesWithout,
    IsKeptByCaches,
    AnswersAuthorityIntoCaches,
    StandsBehindACache,
    RefusesWhatItDoesNotKnow,
    TellsClientsHowItIs,
    WritesForWhoeverIsSignedIn,
    WritesForWhomItIsAskedAbout,
    RefusesAndNamesNobody,
    ReadsShowTheWriteBefore,
    WritesShowTheOneBefore,
    ShowsWhatItHasNot,
    ForgetsDeletions,
    ShowsAllThatIsWritten,
    ShowsNothing,
    TakesTheWordForTheLog,
    KeepsNoKeys,
    SaysThatARepeatWroteNothing,
    TakesAnyBodyByOneKey,
    ForgetsKeysWhenTheHomeMoves,
    AnswersWhoeverHasTheKey,
}

impl Wrong {
    /// Whether it shows with data that is split by subjects.
    fn is_of_subjects(self) -> bool {
        matches!(
            self,
            Self::WritesForWhoeverIsSignedIn | Self::WritesForWhomItIsAskedAbout | Self::RefusesAndNamesNobody
        )
    }
}

/// A counter that is written; its value is the position.
#[derive(Clone)]
struct Counter {
    wrong: Wrong,
    written: Arc<AtomicU64>,
    begun: Arc<AtomicU64>,
    /// The last write of each path.
    lasts: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Application for Counter {
    fn split(&self) -> Vec<String> {
        vec!["cart".to_owned()]
    }

    async fn position(&self, _: Part<'_>) -> Result<Option<String>, Failure> {
        Ok(Some(self.written.load(Ordering::SeqCst).to_string()))
    }

    /// Of a write: the layer asks behind it.
    async fn shows(&self, part: Part<'_>) -> Result<Option<Mark>, Failure> {
        let written = self.written.load(Ordering::SeqCst);
        let shows = match self.wrong {
            Wrong::ShowsNothing => return Ok(None),
            Wrong::WritesShowTheOneBefore => written.saturating_sub(1),
            _ => written,
        };
        Ok(part.owner.map(|owner| Mark { owner: owner.clone(), position: shows.to_string() }))
    }

    async fn reached(&self, part: Part<'_>, mark: &Mark) -> Result<bool, Failure> {
        let same = part.owner == Some(&mark.owner) || self.wrong == Wrong::ComparesLengths;
        Ok(same && self.written.load(Ordering::SeqCst) >= mark.position.parse()?)
    }
}

async fn count(counter: Counter, asked: Asked) -> Response {
    let at = counter.begun.fetch_add(1, Ordering::SeqCst) + 1;
    let written = Arc::clone(&counter.written);
    // Long enough that what is behind is seen to be behind, whatever else the machine does.
    let takes = if counter.wrong == Wrong::AnswersPausesAtOnce { 50 } else { 5 };
    let write = async move {
        tokio::time::sleep(Duration::from_millis(takes)).await;
        written.fetch_add(1, Ordering::SeqCst);
    };
    if counter.wrong != Wrong::AnswersPausesAtOnce {
        write.await;
        return StatusCode::NO_CONTENT.into_response();
    }
    // The layer has seen the end of it, and it has not ended.
    tokio::spawn(write);
    let owner = asked.claim.unwrap();
    let fields = [
        ("homing-position", format!("counter={at}")),
        ("homing-home", owner.home),
        ("homing-epoch", owner.epoch.to_string()),
    ];
    (StatusCode::NO_CONTENT, fields).into_response()
}

/// A write with a key, done once for it.
async fn put(
    homing: Homing<Memory, Counter>,
    unit: Unit,
    asked: Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let counter = homing.application().clone();
    if counter.wrong == Wrong::KeepsNoKeys || !headers.contains_key("idempotency-key") {
        return Ok(count(counter, asked).await);
    }
    let user = headers.get("x-user").map_or("", |user| user.to_str().unwrap());
    let caller = match counter.wrong {
        Wrong::AnswersWhoeverHasTheKey => None,
        Wrong::ForgetsKeysWhenTheHomeMoves => Some(format!("{user} {:?}", asked.claim)),
        _ => Some(user.to_owned()),
    };
    let sent = if counter.wrong == Wrong::TakesAnyBodyByOneKey { &[] } else { &body[..] };
    let key = asked.key(caller.as_deref(), sent)?;
    let act = async {
        counter.begun.fetch_add(1, Ordering::SeqCst);
        let written = counter.written.fetch_add(1, Ordering::SeqCst) + 1;
        Ok::<_, Infallible>(Answer::json(StatusCode::OK, &json!({ "written": written })))
    };
    let Ok(answer) = homing.store().once(&asked, &unit, &key, act).await;
    let answer = answer?;
    let says_no = counter.wrong == Wrong::SaysThatARepeatWroteNothing && answer.is_repeat();
    let mut response = answer.into_response();
    if says_no {
        let (name, no) = say::wrote(false);
        response.headers_mut().insert(name, no);
    }
    Ok(response)
}

/// A cart of whom the application says is signed in, behind the fence of that user's part.
async fn put_cart(
    homing: Homing<Memory, Counter>,
    asked: Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let user = headers["x-user"].to_str().unwrap();
    let of_asked = asked.subject.as_deref().map(Unit::subject);
    let unit = match (homing.application().wrong, of_asked) {
        (Wrong::WritesForWhoeverIsSignedIn, None) => return Ok(count(homing.application().clone(), asked).await),
        (Wrong::WritesForWhomItIsAskedAbout, Some(unit)) => unit,
        _ => asked.about("user", user)?,
    };
    let _permit = homing.enter(&asked, &unit).await?;
    put(homing, unit, asked, headers, body).await
}

fn routes(wrong: Wrong) -> Router {
    let counter = Counter { wrong, written: Arc::default(), begun: Arc::default(), lasts: Arc::default() };
    let mut settings = Settings::unsigned("us");
    if ![Wrong::ChecksNoSignature, Wrong::HasNoFence, Wrong::ComparesNamesOnly, Wrong::IsNeverBehind].contains(&wrong) {
        settings = settings.and_key(KEY).unwrap();
    }
    if wrong == Wrong::Nothing {
        settings = settings.with_lease(|unit| unit.as_dataset().is_some());
    }
    let homing = Homing::new(settings, Memory::default(), counter.clone());
    let layer = homing.layer();
    let [of_cart, of_counter] = [homing.clone(), homing.clone()];
    let cart = move |asked, headers, body| put_cart(of_cart.clone(), asked, headers, body);
    let put = move |asked, headers, body| put(of_counter.clone(), Unit::dataset("counter"), asked, headers, body);
    let show = async |State(counter): State<Counter>| counter.written.load(Ordering::SeqCst).to_string();
    let routes = Router::new()
        .route("/counter", get(show).put(put.clone()).delete(put.clone()))
        .route("/counter/{key}", get(show).put(put))
        .route("/cart", get(show).put(cart))
        .with_state(counter);
    routes.layer(layer).layer(from_fn(move |request, next| spoil(wrong, homing.clone(), request, next)))
}

/// Stands between the origin and the world, and makes it wrong.
async fn spoil(wrong: Wrong, homing: Homing<Memory, Counter>, mut request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let at_address = request.uri().path().ends_with("/ownership");
    let asks = |op: &str| at_address && query.starts_with(&format!("op={op}&"));
    match wrong {
        Wrong::HealthIsSlow if !at_address && request.uri().path().starts_with("/.well-known") => {
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
        Wrong::HasNoFence => remove(request.headers_mut(), &["homing-dataset"]),
        Wrong::ComparesNamesOnly => {
            let text =
                |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            if let (Some(home), Some(epoch)) = (text("homing-home").filter(|home| home != "us"), text("homing-epoch")) {
                let fields = [("homing-home", home), ("homing-epoch", epoch), ("homing-wrote", "0".to_owned())];
                return (StatusCode::MISDIRECTED_REQUEST, fields).into_response();
            }
            remove(request.headers_mut(), &["homing-dataset"]);
        }
        Wrong::SignsForAnybody if request.headers().contains_key("homing-signature") => seal(&mut request),
        Wrong::BelievesTheUnsigned if request.method() == Method::PUT => {
            let epoch = request.headers()["homing-epoch"].to_str().unwrap().parse().unwrap();
            let claim = Ownership::new(request.headers()["homing-home"].to_str().unwrap(), epoch);
            homing.learn(&Unit::dataset("counter"), &claim).await.unwrap();
        }
        Wrong::TakesTheWordForTheLog => take_the_word_for_the_log(&homing).await,
        Wrong::IsNeverBehind => remove(request.headers_mut(), &["homing-min-position"]),
        Wrong::AnswersClientsAtItsAddress if at_address => {
            let signed = request.headers().contains_key("homing-region");
            remove(request.headers_mut(), &["homing-region", "homing-intent", "homing-dataset"]);
            if signed {
                seal(&mut request);
            }
        }
        Wrong::IsAlwaysBehind if request.headers().contains_key("homing-min-position") => {
            return (StatusCode::SERVICE_UNAVAILABLE, [("homing-behind", "1")]).into_response();
        }
        Wrong::ResumesNothing if asks("resume") => return axum_json("{}"),
        Wrong::GrantsNothing if asks("grant") => return axum_json("{}"),
        Wrong::IgnoresPauses if asks("pause") => return axum_json(r#"{"positions":{"counter":"0"}}"#),
        Wrong::PausesForLong if asks("pause") => {
            let longer = request.uri().to_string().replace("for_ms=300&", "for_ms=60000&");
            *request.uri_mut() = longer.parse::<Uri>().unwrap();
            seal(&mut request);
        }
        Wrong::GivesAwayWithoutAPause if asks("depose") => {
            let (from, to) = (query.replace("op=depose", "op=pause"), request.uri().path().to_owned());
            let mut pause = Request::post(format!("{to}?{from}&for_ms=1000")).body(Body::empty()).unwrap();
            seal(&mut pause);
            next.clone().run(pause).await;
        }
        Wrong::TellsClientsHowItIs if !at_address && request.uri().path().starts_with("/.well-known") => {
            remove(request.headers_mut(), &["cdn-loop", "homing-region", "homing-intent"]);
        }
        Wrong::ForgetsWhatItGaveAway if asks("depose") => return axum_json("{}"),
        _ => {}
    }
    let of_contract = (request.uri().path().starts_with("/.well-known"), at_address);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    show_the_path(homing.application(), &method, &path, &mut response);
    response = after(wrong, &query, response).await;
    match (wrong, of_contract) {
        (Wrong::IsKeptByCaches, (true, false)) | (Wrong::AnswersAuthorityIntoCaches, (true, true)) => {
            remove(response.headers_mut(), &["cache-control"]);
        }
        (Wrong::RefusesAndNamesNobody, _) => remove(response.headers_mut(), &["homing-subject"]),
        _ => {}
    }
    response
}

/// What a read shows is the last write of its path, and not of them all.
fn show_the_path(counter: &Counter, method: &Method, path: &str, response: &mut Response) {
    let Some(said) = response.headers().get("homing-position").and_then(|said| said.to_str().ok()) else { return };
    let (copy, _) = said.split_once("; shows=").unwrap_or((said, ""));
    let mut lasts = counter.lasts.lock().unwrap();
    if method != Method::GET {
        let forgets = counter.wrong == Wrong::ForgetsDeletions && method == Method::DELETE;
        if response.status().is_success() && !forgets {
            let last = lasts.entry(path.to_owned()).or_default();
            *last = copy.split_once('=').unwrap().1.parse::<u64>().unwrap().max(*last);
        }
        return;
    }
    let last = lasts.get(path).copied().unwrap_or(0);
    let shows = match counter.wrong {
        Wrong::ShowsAllThatIsWritten | Wrong::ShowsNothing => return,
        Wrong::ReadsShowTheWriteBefore => last.saturating_sub(1),
        _ => last,
    };
    let position = format!("{copy}; shows={shows}").parse().unwrap();
    response.headers_mut().insert("homing-position", position);
}

/// Whoever is told to be the owner is taken for the one whose log is here.
async fn take_the_word_for_the_log(homing: &Homing<Memory, Counter>) {
    let unit = Unit::dataset("counter");
    if let Some(owner) = homing.store().standing(&unit).await.unwrap().owner {
        homing.announced(&unit, &owner).await.unwrap();
    }
}

async fn after(wrong: Wrong, query: &str, mut response: Response) -> Response {
    let position = response.headers().contains_key("homing-position");
    match wrong {
        Wrong::RefusesInSilence => remove(response.headers_mut(), &["homing-wrote"]),
        Wrong::SaysNoEpoch if position => remove(response.headers_mut(), &["homing-home", "homing-epoch"]),
        Wrong::ReportsOnePosition if position => {
            response.headers_mut().insert("homing-position", HeaderValue::from_static("counter=7"));
        }
        Wrong::ShowsWhatItHasNot if position => {
            let said = response.headers()["homing-position"].to_str().unwrap().to_owned();
            response.headers_mut().insert("homing-position", format!("{said}; shows=9999999").parse().unwrap());
        }
        Wrong::WritesPositionsOtherwise if position => {
            response.headers_mut().insert("homing-position", HeaderValue::from_static("counter: seven"));
        }
        Wrong::RefusesWhatItDoesNotKnow if query.ends_with("&n=1") => return StatusCode::BAD_REQUEST.into_response(),
        Wrong::StandsBehindACache if query.starts_with("unit=") => {
            response.headers_mut().insert("cf-cache-status", HeaderValue::from_static("HIT"));
        }
        Wrong::PausesForStrangers if query.starts_with("op=pause") => return no_state(response, "not-owner").await,
        Wrong::ShowsAnotherEpoch if query.starts_with("unit=") => {
            return axum_json(&body(response).await.replace(r#""epoch":"#, r#""epoch":1"#));
        }
        Wrong::TakesPausesTwice if query.starts_with("op=pause") => return no_state(response, "over").await,
        Wrong::GrantsWhatIsOver if query.starts_with("op=grant") => return no_state(response, "later").await,
        Wrong::NeedsALeaseAndWritesWithout if query.starts_with("unit=") => {
            let text = body(response).await;
            return axum_json(&text.replace(r#""lease_ms":null"#, r#""lease_ms":0"#));
        }
        _ => {}
    }
    response
}

/// Says yes where that state would be a no.
async fn no_state(response: Response, state: &str) -> Response {
    let status = response.status();
    let text = body(response).await;
    if text.contains(&format!("{state:?}")) { axum_json(r#"{"positions":{}}"#) } else { (status, text).into_response() }
}

async fn body(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), 10_000).await.unwrap_or(Bytes::new()).to_vec()).unwrap()
}

fn axum_json(text: &str) -> Response {
    ([("content-type", "application/json")], text.to_owned()).into_response()
}

fn remove(headers: &mut HeaderMap, names: &[&str]) {
    for name in names {
        headers.remove(*name);
    }
}

fn seal(request: &mut Request) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let now = u64::try_from(now).unwrap();
    let signature = sign(KEY, request.method(), request.uri(), request.headers(), now).unwrap();
    request.headers_mut().insert("homing-signature", signature.parse().unwrap());
}

const PLACE: [&str; 10] = [
    "--path",
    "/counter",
    "--dataset",
    "counter",
    "--delete",
    "--beside",
    "/counter/2",
    "--idempotent",
    "--other-header",
    "X-User: eve",
];
const OF_ADA: [&str; 13] = [
    "--path",
    "/cart",
    "--dataset",
    "cart",
    "--subject",
    "user:ada",
    "--header",
    "X-User: ada",
    "--idempotent",
    "--other-header",
    "X-User: eve",
    "--other-subject",
    "user:eve",
];

fn hold(wrong: Wrong, more: &[&str]) -> Run {
    let place = if wrong.is_of_subjects() { &OF_ADA[..] } else { &PLACE };
    hold_place(wrong, place, more)
}

fn hold_place(wrong: Wrong, place: &[&str], more: &[&str]) -> Run {
    let origin = format!("http://{}", start(move || routes(wrong)));
    let mut arguments = vec!["conformance", &origin, "--region", "us", "--key", KEY];
    arguments.extend(place);
    arguments.extend(more);
    homing(Path::new("."), &arguments)
}

#[test]
fn a_right_origin_keeps_every_rule() {
    let run = hold(Wrong::Nothing, &[]);
    assert!(run.out.ends_with("43 kept, 0 broken, 12 not applicable\n"), "{}", run.out);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let run = hold_place(Wrong::Nothing, &OF_ADA, &[]);
    assert!(run.out.ends_with("42 kept, 0 broken, 13 not applicable\n"), "{}", run.out);
    assert!(run.out.contains("n/a   lease "), "{}", run.out);
}

#[test]
fn whatever_is_wrong_is_caught_by_its_rule() {
    let all = [
        (Wrong::HealthIsSlow, "health"),
        (Wrong::HasNoFence, "lower-epoch"),
        (Wrong::HasNoFence, "other-home"),
        (Wrong::ComparesNamesOnly, "deposed"),
        (Wrong::RefusesInSilence, "wrote-nothing"),
        (Wrong::ChecksNoSignature, "unsigned"),
        (Wrong::SignsForAnybody, "forged"),
        (Wrong::SignsForAnybody, "stale"),
        (Wrong::BelievesTheUnsigned, "unsigned-claim"),
        (Wrong::ReportsOnePosition, "position-grows"),
        (Wrong::WritesPositionsOtherwise, "position"),
        (Wrong::SaysNoEpoch, "position-owner"),
        (Wrong::IsNeverBehind, "behind"),
        (Wrong::IsAlwaysBehind, "read-your-write"),
        (Wrong::ComparesLengths, "position-epoch"),
        (Wrong::ComparesLengths, "reached"),
        (Wrong::AnswersClientsAtItsAddress, "authority-only"),
        (Wrong::ShowsAnotherEpoch, "look"),
        (Wrong::IgnoresPauses, "pause"),
        (Wrong::PausesForStrangers, "pause-owner"),
        (Wrong::ResumesNothing, "resume"),
        (Wrong::AnswersPausesAtOnce, "pause-drains"),
        (Wrong::TakesPausesTwice, "pause-number"),
        (Wrong::PausesForLong, "pause-ends"),
        (Wrong::GivesAwayWithoutAPause, "depose-paused"),
        (Wrong::ForgetsWhatItGaveAway, "depose"),
        (Wrong::GrantsNothing, "grant"),
        (Wrong::GrantsWhatIsOver, "grant-later"),
        (Wrong::NeedsALeaseAndWritesWithout, "lease"),
        (Wrong::IsKeptByCaches, "no-store"),
        (Wrong::AnswersAuthorityIntoCaches, "no-store"),
        (Wrong::StandsBehindACache, "no-store"),
        (Wrong::RefusesWhatItDoesNotKnow, "any-parameter"),
        (Wrong::TellsClientsHowItIs, "not-for-clients"),
        (Wrong::WritesForWhoeverIsSignedIn, "no-subject"),
        (Wrong::RefusesAndNamesNobody, "no-subject"),
        (Wrong::WritesForWhomItIsAskedAbout, "other-subject"),
        (Wrong::ReadsShowTheWriteBefore, "shows"),
        (Wrong::WritesShowTheOneBefore, "shows"),
        (Wrong::ShowsWhatItHasNot, "shows"),
        (Wrong::ForgetsDeletions, "shows-gone"),
        (Wrong::TakesTheWordForTheLog, "position-told"),
        (Wrong::KeepsNoKeys, "key-once"),
        (Wrong::SaysThatARepeatWroteNothing, "key-wrote"),
        (Wrong::TakesAnyBodyByOneKey, "key-body"),
        (Wrong::ForgetsKeysWhenTheHomeMoves, "key-moved"),
        (Wrong::AnswersWhoeverHasTheKey, "key-others"),
    ];
    let runs: Vec<_> = all.map(|(wrong, rule)| (wrong, rule, thread::spawn(move || hold(wrong, &["--json"])))).into();
    for (wrong, rule, run) in runs {
        let run = run.join().unwrap();
        let broken = found(&run, "fail");
        assert!(
            run.status == 1 && broken.iter().any(|name| name == rule),
            "{wrong:?} is not caught by {rule}, only by {broken:?}: {} {}",
            run.out,
            run.err
        );
    }
}

#[test]
fn what_would_keep_more_reads_near_is_advice() {
    let run = hold(Wrong::ShowsAllThatIsWritten, &[]);
    let hint = "hint  shows-still      what a read shows does not rise with writes to other data (advice)
                       but: after a write to /counter/2 it says ";
    assert!(run.status == 0 && run.out.contains(hint), "{}", run.out);
    let run = hold(Wrong::ShowsNothing, &[]);
    let why = "n/a   shows            its answers have no shows=, so each reader must see every write of the dataset";
    assert!(run.status == 0 && run.out.contains(why), "{}", run.out);
}

#[test]
fn what_cannot_be_tried_says_why() {
    let origin = format!("http://{}", start(|| routes(Wrong::Nothing)));
    let run = homing(Path::new("."), &["conformance", &origin]);
    assert!(
        run.out.contains("n/a   owner            nothing was written, because --path and --dataset are missing"),
        "{}",
        run.out
    );
    assert_eq!(run.status, 0);
    let nobody = homing(
        Path::new("."),
        &["conformance", "http://127.0.0.1:1", "--path", "/", "--dataset", "x", "--region", "us"],
    );
    assert!(nobody.status == 1 && nobody.out.starts_with("FAIL  health"), "{}", nobody.out);
    let wrong = homing(Path::new("."), &["conformance", "127.0.0.1", "--key", "short"]);
    assert_eq!(
        (wrong.status, wrong.err.as_str()),
        (2, "error: the origin is \"127.0.0.1\"; expected http://… or https://…\n")
    );
}
