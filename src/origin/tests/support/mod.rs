//! An application behind the layer, and requests as the router, its authority and strangers send them.
#![allow(dead_code, reason = "each file of tests uses its own part of it")]

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use homing_origin::{
    Application, Asked, Denied, EpochStore, Failure, Homing, Mark, Ownership, Part, Peer, Settings, Standing, Unit,
    say, sign, store::Memory,
};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

pub const KEY: &str = "a key of at least thirty-two characters";

/// What the application does and has been told.
#[derive(Clone, Default)]
pub struct App(pub Arc<Inner>);

#[derive(Default)]
pub struct Inner {
    pub position: AtomicU64,
    pub cannot_be_granted: AtomicBool,
    pub told: Mutex<Vec<String>>,
    /// Requests wait for this before they write, once it is there.
    pub hold: Mutex<Option<Arc<Semaphore>>>,
    pub asked: Mutex<Option<Asked>>,
    /// Looks at the position wait for this, once it is there; how many have begun.
    pub hold_looks: Mutex<Option<Arc<Semaphore>>>,
    pub looks: AtomicU64,
    /// After so many looks at the position the database has died, once that is there.
    pub dies_after: Mutex<Option<u64>>,
    /// What it says that a read shows, and what handlers say of themselves.
    pub shows: Mutex<Option<Mark>>,
    pub says: Mutex<Vec<say::Field>>,
    /// In which order it was asked.
    pub order: Mutex<Vec<&'static str>>,
}

impl App {
    pub fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.told.lock().unwrap())
    }

    fn tell(&self, what: &str, unit: &Unit, owner: &Ownership) {
        self.0.told.lock().unwrap().push(format!("{what} {unit} {} {}", owner.home, owner.epoch));
    }

    /// Holds the writes that come from now on; each needs a permit.
    pub fn hold(&self) -> Arc<Semaphore> {
        let semaphore = Arc::new(Semaphore::new(0));
        *self.0.hold.lock().unwrap() = Some(Arc::clone(&semaphore));
        semaphore
    }

    pub fn position(&self) -> u64 {
        self.0.position.load(Ordering::SeqCst)
    }

    /// A write moves the position on; a read shows it.
    async fn answer(self, request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
        let asked = request.extensions().get::<Asked>().cloned().unwrap();
        *self.0.asked.lock().unwrap() = Some(asked);
        if request.method() != Method::GET {
            let hold = self.0.hold.lock().unwrap().clone();
            if let Some(hold) = hold {
                hold.acquire().await.unwrap().forget();
            }
            self.0.position.fetch_add(1, Ordering::SeqCst);
        }
        self.0.order.lock().unwrap().push("handler");
        let mut response = Response::new(Full::from(json!({ "position": self.position() }).to_string()));
        for (name, value) in self.0.says.lock().unwrap().iter().cloned() {
            response.headers_mut().append(name, value);
        }
        Ok(response)
    }
}

impl Application for App {
    fn datasets(&self) -> Vec<String> {
        vec!["catalog".to_owned()]
    }

    fn split(&self) -> Vec<String> {
        vec!["cart".to_owned(), "notes".to_owned()]
    }

    async fn position(&self, _: Part<'_>) -> Result<Option<String>, Failure> {
        let looks = self.0.looks.fetch_add(1, Ordering::SeqCst);
        if self.0.dies_after.lock().unwrap().is_some_and(|most| looks >= most) {
            return Err("the database has died".into());
        }
        self.0.order.lock().unwrap().push("position");
        let hold = self.0.hold_looks.lock().unwrap().clone();
        if let Some(hold) = hold {
            hold.acquire().await.unwrap().forget();
        }
        Ok(Some(App::position(self).to_string()))
    }

    async fn shows(&self, _: Part<'_>) -> Result<Option<Mark>, Failure> {
        self.0.order.lock().unwrap().push("shows");
        Ok(self.0.shows.lock().unwrap().clone())
    }

    async fn granted(&self, unit: &Unit, owner: &Ownership) -> Result<(), Failure> {
        self.tell("granted", unit, owner);
        if self.0.cannot_be_granted.load(Ordering::SeqCst) {
            Err("the standby will not be promoted".into())
        } else {
            Ok(())
        }
    }

    async fn deposed(&self, unit: &Unit, owner: &Ownership) {
        self.tell("deposed", unit, owner);
    }

    async fn announce(&self, unit: &Unit, owner: &Ownership) -> Result<(), Failure> {
        self.tell("announced", unit, owner);
        Ok(())
    }

    fn peers(&self) -> Vec<Peer> {
        let peer = |name: &str, lag| Peer { name: name.to_owned(), lag, reachable: lag.is_some() };
        vec![peer("eu", Some(Duration::from_millis(12))), peer("ap", None)]
    }
}

/// The region `us`, which owns `catalog` by epoch 3.
pub struct Region<S = Memory> {
    pub app: App,
    pub homing: Homing<S, App>,
}

pub fn known() -> [(Unit, Ownership); 1] {
    [(Unit::dataset("catalog"), Ownership::new("us", 3))]
}

pub fn region() -> Region {
    region_with(Settings::unsigned("us"))
}

pub fn region_with(settings: Settings) -> Region {
    region_over(settings, Memory::of(known()))
}

pub fn region_over<S: EpochStore>(settings: Settings, store: S) -> Region<S> {
    let app = App::default();
    Region { homing: Homing::new(settings, store, app.clone()), app }
}

impl<S: EpochStore> Region<S> {
    /// What a handler is given of a write with these fields.
    pub async fn asked(&self, headers: &[(&str, &str)]) -> Asked {
        let mut all = vec![("homing-intent", "write"), ("homing-region", "us")];
        all.extend(headers);
        assert_eq!(self.send(request(Method::POST, "/api/cart", &all)).await.status, 200);
        self.app.0.asked.lock().unwrap().take().unwrap()
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let app = self.app.clone();
        let service = self.homing.layer().layer(service_fn(move |request| app.clone().answer(request)));
        let response = service.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let headers =
            parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        Answer { status: parts.status.as_u16(), headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    /// A write by that claim, as the router sends it.
    pub async fn write(&self, home: &str, epoch: u64) -> Answer {
        self.send(write(home, epoch)).await
    }

    pub async fn authority(&self, method: Method, query: &str) -> (u16, Value) {
        let answer = self.send(authority(method, query)).await;
        (answer.status, answer.body)
    }

    pub async fn post(&self, query: &str) -> (u16, Value) {
        self.authority(Method::POST, query).await
    }

    pub async fn post_owned(&self, query: String) -> (u16, Value) {
        self.post(&query).await
    }

    pub async fn get(&self, query: &str) -> (u16, Value) {
        self.authority(Method::GET, query).await
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// Status, then home and epoch.
    pub fn owner(&self) -> (u16, Option<&str>, Option<&str>) {
        (self.status, self.header("homing-home"), self.header("homing-epoch"))
    }
}

pub fn request(method: Method, target: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::default()).unwrap()
}

pub fn write(home: &str, epoch: u64) -> Request<Full<Bytes>> {
    let epoch = epoch.to_string();
    let headers =
        [("homing-home", home), ("homing-epoch", &epoch), ("homing-dataset", "catalog"), ("homing-intent", "write")];
    request(Method::PUT, "/api/catalog/1", &headers)
}

pub fn read(headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut all = vec![("homing-dataset", "catalog"), ("homing-intent", "read"), ("homing-region", "us")];
    all.extend(headers);
    request(Method::GET, "/api/catalog/1", &all)
}

pub fn authority(method: Method, query: &str) -> Request<Full<Bytes>> {
    request(method, &format!("/.well-known/homing/ownership?{query}"), &[])
}

/// Signs it, as if so many milliseconds ago.
pub fn signed(mut request: Request<Full<Bytes>>, key: &str, ago: u64) -> Request<Full<Bytes>> {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap() - ago;
    let signature = sign(key, request.method(), request.uri(), request.headers(), now).unwrap();
    request.headers_mut().insert("homing-signature", signature.parse().unwrap());
    request
}

/// What every store must do.
pub async fn keeps_standings<S: EpochStore>(store: &S) {
    let (unit, other) = (Unit::dataset("catalog"), Unit::subject("ada"));
    let [us, eu] = [Ownership::new("us", 3), Ownership::new("eu", 4)];
    let minute = Duration::from_secs(60);
    assert_eq!(store.standing(&unit).await.unwrap(), Standing::default());
    assert_eq!(
        store.change(&unit, |standing| standing.pause(&us, 1, minute)).await.unwrap(),
        Err(Denied::NotOwner(None))
    );
    assert_eq!(store.advance(&unit, &us).await.unwrap(), us);
    assert_eq!(store.advance(&unit, &Ownership::new("eu", 3)).await.unwrap(), us, "forward only");
    assert_eq!(store.announced(&unit, &us).await.unwrap(), us);
    let of_us = Standing { owner: Some(us.clone()), log: Some(us.clone()), ..Standing::default() };
    assert_eq!(store.standing(&unit).await.unwrap(), of_us);

    assert_eq!(store.change(&unit, |standing| standing.pause(&us, 1, minute)).await.unwrap(), Ok(()));
    let pause = store.standing(&unit).await.unwrap().pause.unwrap();
    assert!(pause.id == 1 && pause.left <= minute && pause.left > minute / 2, "{pause:?}");
    assert_eq!(store.paused_by(1).await.unwrap().as_slice(), std::slice::from_ref(&unit));
    assert!(store.paused_by(2).await.unwrap().is_empty());
    assert_eq!(store.change(&unit, |standing| standing.depose(&us, 1, "eu")).await.unwrap(), Ok(eu.clone()));
    let given_away = Standing { owner: Some(eu.clone()), log: Some(us), pause: None, last_pause: 1 };
    assert_eq!(store.standing(&unit).await.unwrap(), given_away, "told, and nothing of eu's log is here yet");

    store.change(&unit, |standing| standing.pause(&eu, 3, Duration::from_millis(1))).await.unwrap().unwrap();
    while !store.standing(&unit).await.unwrap().pause.unwrap().left.is_zero() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(store.change(&unit, |standing| standing.depose(&eu, 3, "ap")).await.unwrap(), Err(Denied::NotPaused));
    assert_eq!(store.change(&unit, Standing::wake).await.unwrap(), ());
    assert_eq!(store.standing(&unit).await.unwrap().pause, None);
    assert_eq!(store.standing(&other).await.unwrap(), Standing::default());
}

/// What a handler is given of a write to the catalogue at that address, by its owner `us` since epoch 3.
pub async fn asked_with_key(target: &str, key: Option<&str>) -> Asked {
    let region = region();
    let mut fields =
        vec![("homing-dataset", "catalog"), ("homing-intent", "write"), ("homing-home", "us"), ("homing-epoch", "3")];
    fields.extend(key.map(|key| ("idempotency-key", key)));
    assert_eq!(region.send(request(Method::POST, target, &fields)).await.status, 200);
    region.app.0.asked.lock().unwrap().take().unwrap()
}
