//! The layer over datasets that several regions write.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use homing_origin::{
    Answer, Application, Asked, Failure, Homing, Settings, Unit,
    merge::{Change, ConflictQuery, Conflicts, Merge, Operation, Progress, Vector, Write, store::sqlite as merging},
    say, sign,
    store::{
        Memory,
        sqlite::{Sqlite, once},
    },
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use rusqlite::{Connection, TransactionBehavior};
use serde_json::{Value, json};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use crate::world::{Region, three};

const KEY: &str = "a key of at least thirty-two characters";

#[derive(Clone)]
struct App {
    db: Arc<Mutex<Connection>>,
    merge: Merge,
    trouble: Arc<Mutex<Trouble>>,
}

/// What goes wrong in the next requests.
#[derive(Clone, Default)]
struct Trouble {
    /// After so many looks at how far it is the database has died, once that is there.
    dies_after: Option<u32>,
    /// What comes from a peer between the look before a read and the read.
    comes: Vec<Operation>,
}

impl Application for App {
    fn multi_writer(&self) -> Vec<String> {
        self.merge.datasets().map(str::to_owned).collect()
    }

    async fn progress(&self, dataset: &str) -> Result<Option<Progress>, Failure> {
        if let Some(left) = &mut self.trouble.lock().unwrap().dies_after {
            *left = left.checked_sub(1).ok_or("the database has died")?;
        }
        Ok(Some(merging::progress(&self.db.lock().unwrap(), dataset)?))
    }

    async fn conflicts(&self, query: &ConflictQuery) -> Result<Option<Conflicts>, Failure> {
        Ok(Some(merging::conflicts(&self.db.lock().unwrap(), query)?))
    }
}

/// `GET /likes/k` reads a key, `GET /likes` lists, `PUT /likes/k` adds what the body says, once for its key.
async fn handler(app: App, request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Failure> {
    let asked = request.extensions().get::<Asked>().cloned().unwrap();
    let (parts, body) = request.into_parts();
    let member = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
    let mut path = parts.uri.path().trim_start_matches('/').split('/');
    let (dataset, key) = (path.next().unwrap(), path.next());
    let mut db = app.db.lock().unwrap();
    let comes = std::mem::take(&mut app.trouble.lock().unwrap().comes);
    merging::take_in(&db, &app.merge, &comes)?;
    let Some(key) = key else {
        let all = merging::list(&db, dataset, "", 9)?.len();
        return Ok(Answer::json(StatusCode::OK, &json!(all)).with(say::wrote(false)).into_response());
    };
    if parts.method == Method::GET {
        let shown = merging::read(&db, &app.merge, dataset, key)?;
        let answer = Answer::json(StatusCode::OK, &shown.value);
        return Ok(shown.fields().into_iter().fold(answer, Answer::with).into_response());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let repeat = asked.key(Some("ada"), member.as_bytes()).unwrap();
    let done = once(&transaction, &asked, &Unit::dataset(dataset), &repeat, || {
        let write = Write::new(dataset, key, Change::add(&member)).told(None, "like");
        let written = merging::append(&transaction, &app.merge, &asked, write)?.unwrap();
        let answer = Answer::json(StatusCode::OK, &written.shown.value);
        Ok::<_, rusqlite::Error>(written.fields().into_iter().fold(answer, Answer::with))
    })?;
    transaction.commit()?;
    Ok(done.unwrap().into_response())
}

struct Server(Homing<Memory, App>);

struct Said {
    status: u16,
    fields: http::HeaderMap,
    body: Value,
}

impl Said {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Server {
    fn new(region: Region) -> Self {
        Self::with(Settings::with_key("us", KEY).unwrap(), region)
    }

    fn with(settings: Settings, region: Region) -> Self {
        let app = App { db: Arc::new(Mutex::new(region.db)), merge: region.merge, trouble: Arc::default() };
        Sqlite::new(Arc::clone(&app.db)).unwrap();
        Self(Homing::new(settings, Memory::default(), app))
    }

    async fn send(&self, method: Method, target: &str, fields: &[(&str, &str)], body: &str) -> Said {
        let mut request = Request::builder().method(method.clone()).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        let signature = sign(KEY, &method, request.uri(), request.headers(), u64::try_from(now).unwrap());
        request.headers_mut().insert("homing-signature", signature.unwrap().parse().unwrap());
        let app = self.0.application().clone();
        let service = self.0.layer().layer(service_fn(move |request| handler(app.clone(), request)));
        let response = service.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Said { status: parts.status.as_u16(), fields: parts.headers, body }
    }
}

fn routed<'a>(intent: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("homing-region", "us"), ("homing-dataset", "likes"), ("homing-intent", intent)];
    fields.extend(more);
    fields
}

#[tokio::test]
async fn it_says_how_far_it_is_in_each_owners_log_and_what_an_answer_shows() {
    let [us, eu, _] = three();
    let stamp = us.stamp(5);
    for member in ["a", "b"] {
        eu.write("likes", "other", Some(&stamp), Change::add(member));
    }
    us.pull(&eu, "likes");
    let server = Server::new(us);
    let write = routed("write", &[("homing-clock", "019b76daa801-0000-0000000a"), ("homing-subject", "GdAZ")]);
    let said = server.send(Method::PUT, "/likes/k", &write, "ada").await;
    assert_eq!((said.status, &said.body), (200, &json!(["ada"])));
    assert_eq!(said.field("homing-position"), Some("likes@eu=2; shows=0, likes@us=1; shows=1"));
    assert_eq!((said.field("homing-clock"), said.field("homing-home")), (Some(&*stamp), None));
    assert_eq!((said.field("homing-wrote"), said.field("homing-shows-of")), (Some("1"), None));
    let said = server.send(Method::GET, "/likes/k", &routed("read", &[]), "").await;
    assert_eq!(said.field("homing-position"), Some("likes@eu=2; least=2; shows=0, likes@us=1; least=1; shows=1"));
    let said = server.send(Method::GET, "/likes", &routed("read", &[]), "").await;
    assert_eq!(said.body, json!(2));
    assert_eq!(said.field("homing-position"), Some("likes@eu=2; least=2; shows=2, likes@us=1; least=1; shows=1"));
}

/// A database dies behind a read. Without a position the session would not know what it has seen, and another replica could show it less.
#[tokio::test]
async fn a_read_that_cannot_say_behind_it_how_far_it_is_is_not_answered_unless_all_that_it_shows_was_there_before() {
    let [us, eu, _] = three();
    us.write("likes", "k", None, Change::add("ada"));
    let stamp = eu.stamp(5);
    eu.write("likes", "k", Some(&stamp), Change::add("eve"));
    let theirs = merging::since(&eu.db, "likes", "eu", 0, 9).unwrap();
    let server = Server::new(us);
    let answers = async |method: Method, target: &str, trouble: Trouble| {
        *server.0.application().trouble.lock().unwrap() = trouble;
        let intent = if method == Method::GET { "read" } else { "write" };
        let said = server.send(method, target, &routed(intent, &[]), "bob").await;
        let field = |name: &str| said.field(name).unwrap_or_default().to_owned();
        (said.status, said.body.clone(), field("homing-position"), field("homing-clock"))
    };
    let dies_after = |looks| Trouble { dies_after: Some(looks), ..Trouble::default() };
    let before = answers(Method::GET, "/likes/k", Trouble::default()).await;
    assert_eq!((&before.1, &*before.2), (&json!(["ada"]), "likes@us=1; least=1; shows=1"));
    assert_eq!(
        answers(Method::GET, "/likes/k", dies_after(1)).await,
        before,
        "what it had before is all that it shows"
    );
    let comes = Trouble { comes: theirs, ..dies_after(1) };
    let (status, body, position, _) = answers(Method::GET, "/likes/k", comes).await;
    assert_eq!(
        (status, &*position),
        (503, ""),
        "eve's like came between, and its number and stamp cannot be told: {body}"
    );
    assert_eq!(answers(Method::GET, "/likes", dies_after(1)).await.0, 503, "a list shows all that there is by then");
    assert_eq!(answers(Method::GET, "/likes/k", dies_after(0)).await.0, 503, "it has never said how far it is");
    // What was written stays written, and is the session's own.
    let (status, body, position, clock) = answers(Method::PUT, "/likes/k", dies_after(0)).await;
    assert!(*clock > *stamp, "and its stamp is told: {clock}");
    assert_eq!(
        (status, body, &*position),
        (200, json!(["ada", "bob", "eve"]), "likes@eu=1; shows=1, likes@us=2; shows=2")
    );
    let after = answers(Method::GET, "/likes/k", Trouble::default()).await;
    assert_eq!((&*after.2, *after.3 >= *stamp), ("likes@eu=1; least=1; shows=1, likes@us=2; least=2; shows=2", true));
}

#[tokio::test]
async fn a_read_needs_all_that_its_session_has_seen_and_a_write_takes_it_for_its_context() {
    let [us, eu, _] = three();
    eu.write("likes", "k", None, Change::add("ada"));
    let server = Server::new(us);
    let seen = [("homing-min-position", "likes@eu=1, likes@us=0"), ("homing-clock", "019b76daa801-0000-0000000a")];
    let said = server.send(Method::GET, "/likes/k", &routed("read", &seen[..1]), "").await;
    assert_eq!((said.status, said.field("homing-behind")), (503, Some("1")));
    let said = server.send(Method::PUT, "/likes/k", &routed("write", &seen), "bob").await;
    assert_eq!(said.status, 200, "a write is never behind");
    {
        let db = server.0.application().db.lock().unwrap();
        let ours = merging::since(&db, "likes", "us", 0, 9).unwrap();
        assert_eq!(ours[0].seen, [("eu", 1)].into_iter().collect::<Vector>());
        let theirs = merging::since(&eu.db, "likes", "eu", 0, 9).unwrap();
        merging::take_in(&db, &server.0.application().merge, &theirs).unwrap();
    }
    let said = server.send(Method::GET, "/likes/k", &routed("read", &seen[..1]), "").await;
    assert_eq!((said.status, &said.body), (200, &json!(["ada", "bob"])));
    for mark in ["likes@eu=2", "likes@xx=1", "likes@eu=x", "likes=019b76daa801-0000-0000000a"] {
        let said = server.send(Method::GET, "/likes/k", &routed("read", &[("homing-min-position", mark)]), "").await;
        assert_eq!(said.status, 503, "{mark}");
    }
}

/// From a job, or by hand: it has no stamp, and no fence either.
#[tokio::test]
async fn a_write_without_a_stamp_gets_the_regions_own_and_a_repeat_is_done_once() {
    let server = Server::new(three().into_iter().next().unwrap());
    let write = routed("write", &[("idempotency-key", "1")]);
    for is_repeat in [false, true] {
        let said = server.send(Method::PUT, "/likes/k", &write, "ada").await;
        assert_eq!((said.status, said.field("homing-wrote")), (200, Some("1")), "repeat: {is_repeat}");
        assert!(said.field("homing-position").unwrap().starts_with("likes@us=1; shows=1"));
        assert!(homing_origin::merge::Stamp::parse(said.field("homing-clock").unwrap()).is_some());
    }
}

/// us, whose write was overruled by one of eu.
fn overruled() -> Region {
    let [us, eu, _] = three();
    us.write("last", "7", Some(&us.stamp(1)), Change::put("us"));
    eu.write("last", "7", Some(&us.stamp(2)), Change::put("eu"));
    us.pull(&eu, "last");
    us
}

#[tokio::test]
async fn conflicts_have_an_address_and_totals_that_clients_cannot_ask() {
    let server = Server::new(overruled());
    let address = "/.well-known/homing/conflicts?dataset=last&key=7";
    let said = server.send(Method::GET, address, &[], "").await;
    let told = &said.body["conflicts"][0];
    assert_eq!((said.status, &said.body["region"], &said.body["total"]), (200, &json!("us"), &json!(1)));
    assert_eq!((&told["key"], &told["rule"]), (&json!("7"), &json!("last-write-wins")));
    assert_eq!((&told["kept"]["region"], &told["kept"]["number"]), (&json!("eu"), &json!(1)));
    assert_eq!((&told["lost"]["who"], &told["lost"]["what"]), (&json!("~ada"), &json!("write")));
    assert!(told["at"].is_u64() && told["lost"]["stamp"].is_string());
    let none = server.send(Method::GET, "/.well-known/homing/conflicts?dataset=likes", &[], "").await;
    assert_eq!((&none.body["conflicts"], &none.body["total"]), (&json!([]), &json!(0)));
    let forwarded = server.send(Method::GET, address, &[("homing-region", "us")], "").await;
    assert_eq!(forwarded.status, 404);
    let health = server.send(Method::GET, "/.well-known/homing", &[], "").await;
    assert_eq!(health.body["conflicts"], json!({ "last": { "last-write-wins": 1 } }));
    let app = server.0.application().clone();
    let service = server.0.layer().layer(service_fn(move |request| handler(app.clone(), request)));
    let unsigned = service.oneshot(Request::get(address).body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(unsigned.status(), 403);
}

/// Without a key anybody who reaches the region can ask: what happened is told, and not who wrote.
#[tokio::test]
async fn without_a_key_conflicts_are_told_without_who_wrote() {
    let server = Server::with(Settings::unsigned("us"), overruled());
    let said = server.send(Method::GET, "/.well-known/homing/conflicts?dataset=last", &[], "").await;
    assert_eq!((said.status, &said.body["total"]), (200, &json!(1)));
    let told = &said.body["conflicts"][0];
    assert_eq!((&told["kept"]["region"], &told["lost"]["what"]), (&json!("eu"), &json!("write")));
    assert_eq!((&told["kept"]["who"], &told["lost"]["who"]), (&Value::Null, &Value::Null));
}

/// The router reads 1 MiB of an answer, so the oldest stories give way.
#[tokio::test]
async fn a_thousand_long_conflicts_fit_an_answer() {
    let [us, eu, _] = three();
    // In JSON six bytes for each of its one.
    let long = "\u{1}".repeat(512);
    for n in 0..280 {
        let key = format!("{n} {long}");
        us.write("profile", &key, Some(&us.stamp(1)), Change::field(&long, Change::put(1)));
        eu.write("profile", &key, Some(&us.stamp(2)), Change::field(&long, Change::put(2)));
    }
    us.pull(&eu, "profile");
    let server = Server::new(us);
    let said = server.send(Method::GET, "/.well-known/homing/conflicts?dataset=profile&limit=1000", &[], "").await;
    let (length, told) = (said.body.to_string().len(), said.body["conflicts"].as_array().unwrap());
    assert!((900_000..1024 * 1024).contains(&length) && told.len() < 280, "{length} bytes, {} stories", told.len());
    assert!(told[0]["key"].as_str().unwrap().starts_with("279 "), "the newest first");
    assert_eq!(said.body["total"], json!(280));
}
