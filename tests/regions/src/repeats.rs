//! Clients that repeat a write with its `Idempotency-Key`: whose answer was lost, while its home moves, or in somebody else's name.

use std::sync::Arc;

use homing_origin::{Homing, Ownership, Settings, Unit, subject_id};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, service::Service};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};

use crate::{Region, app, control::Faults, store::Store};

struct Demo {
    region: Arc<Region>,
    service: TowerToHyperService<axum::Router>,
}

struct Reply {
    status: u16,
    wrote: Option<String>,
    body: Value,
}

/// What the router sends: by whom, as whose home, of which epoch.
struct Write<'a> {
    path: &'a str,
    unit: &'a Unit,
    by: (&'a str, u64),
    user: &'a str,
    key: &'a str,
    body: Value,
}

impl Demo {
    fn new(name: &str) -> Self {
        let store = Store::open(name, None).unwrap();
        let region = Arc::new(Region { name: name.to_owned(), peers: Vec::new(), store, faults: Faults::default() });
        let homing = Homing::new(Settings::unsigned(name), region.store.epochs().unwrap(), Arc::clone(&region));
        let service = TowerToHyperService::new(app::routes(&region, &homing));
        Self { region, service }
    }

    async fn write(&self, write: &Write<'_>) -> Reply {
        let (home, epoch) = write.by;
        let dataset = write.unit.as_dataset().unwrap_or(if write.path.starts_with("/t/") { "notes" } else { "cart" });
        let mut request = Request::builder()
            .method(if write.unit.as_dataset().is_some() { "PUT" } else { "POST" })
            .uri(write.path)
            .header("content-type", "application/json")
            .header("cookie", format!("app_user={}", write.user))
            .header("homing-dataset", dataset)
            .header("homing-intent", "write")
            .header("homing-home", home)
            .header("homing-epoch", epoch)
            .header("idempotency-key", write.key);
        if let Some(subject) = write.unit.as_subject() {
            request = request.header("homing-subject", subject);
        }
        let request = request.body(Full::new(Bytes::from(write.body.to_string()))).unwrap();
        let response = self.service.call(request).await.unwrap();
        let wrote = response.headers().get("homing-wrote").map(|value| value.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Reply { status, wrote, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    fn held(&self, dataset: &str, key: &str) -> Value {
        self.region
            .store
            .read(dataset, key)
            .unwrap()
            .map_or(Value::Null, |held| serde_json::from_str(&held.value).unwrap())
    }

    /// Applies all that the other has logged.
    fn follow(&self, other: &Self) {
        let after = self.region.store.applied(&other.region.name).unwrap();
        for op in other.region.store.own_ops_after(after).unwrap() {
            self.region.store.receive(&op).unwrap();
        }
    }
}

fn tenant() -> (String, Unit) {
    let id = subject_id("tenant", "acme");
    (id.clone(), Unit::subject(&id))
}

#[tokio::test]
async fn a_repeat_says_that_it_wrote_and_gets_the_same_answer() {
    let (us, catalog) = (Demo::new("us"), Unit::dataset("catalog"));
    let write = Write {
        path: "/api/catalog/1",
        unit: &catalog,
        by: ("us", 1),
        user: "",
        key: "k",
        body: json!({ "name": "lamp" }),
    };
    let (first, second) = (us.write(&write).await, us.write(&write).await);
    assert_eq!((second.status, second.wrote.as_deref()), (200, Some("1")), "the session that repeats has to see it");
    assert_eq!(second.body, first.body);
    assert_eq!(us.region.store.applied("us").unwrap(), 1, "done once");
}

#[tokio::test]
async fn the_next_home_knows_the_repeats_of_the_last() {
    let (us, eu, (id, unit)) = (Demo::new("us"), Demo::new("eu"), tenant());
    let by = |by| Write { path: "/t/acme/notes", unit: &unit, by, user: "", key: "k", body: json!("once") };
    let first = us.write(&by(("us", 1))).await;
    assert_eq!(first.status, 200);
    eu.follow(&us);
    for demo in [&us, &eu] {
        demo.region.store.own(&unit, &Ownership::new("eu", 2)).unwrap();
    }
    assert_eq!(us.write(&by(("us", 1))).await.status, 421, "who is not the home any more answers nobody's repeat");
    let repeated = eu.write(&by(("eu", 2))).await;
    assert_eq!((repeated.status, repeated.wrote.as_deref(), &repeated.body), (200, Some("1"), &first.body));
    assert_eq!(eu.held("notes", &id), json!(["once"]));
    // And on the way back.
    us.follow(&eu);
    us.region.store.own(&unit, &Ownership::new("us", 3)).unwrap();
    assert_eq!(us.write(&by(("us", 3))).await.body, first.body);
    assert_eq!(us.held("notes", &id), json!(["once"]));
}

#[tokio::test]
async fn nobody_is_answered_by_somebody_elses_key() {
    let (us, [ada, eve]) = (Demo::new("us"), ["ada", "eve"]);
    let add = async |user: &str, item: &str| {
        let unit = Unit::subject(&subject_id("user", user));
        us.write(&Write {
            path: "/api/cart",
            unit: &unit,
            by: ("us", 1),
            user,
            key: "guessed",
            body: json!({ "item": item }),
        })
        .await
    };
    assert_eq!(add(ada, "secret").await.body["items"], json!(["secret"]));
    let other = add(eve, "secret").await;
    assert_eq!((&other.body["user"], &other.body["items"]), (&json!("eve"), &json!(["secret"])));
    let changed = add(ada, "something else").await;
    assert_eq!((changed.status, changed.wrote.as_deref()), (422, Some("0")), "the key of another write");
    assert_eq!(us.held("cart", &subject_id("user", ada)), json!(["secret"]));
}

/// Wherever it stops, the write and its repeat are there both or neither.
#[tokio::test]
async fn what_dies_in_the_middle_of_a_write_leaves_no_half() {
    let (id, unit) = tenant();
    for table in ["ops", "held", "homing_keys"] {
        let us = Demo::new("us");
        let write =
            Write { path: "/t/acme/notes", unit: &unit, by: ("us", 1), user: "", key: "k", body: json!("once") };
        us.region.store.own(&unit, &Ownership::new("us", 1)).unwrap();
        us.region.store.break_at(table);
        assert_eq!(us.write(&write).await.status, 500, "{table}");
        us.region.store.mend();
        assert_eq!(us.held("notes", &id), Value::Null, "{table}");
        let again = us.write(&write).await;
        assert_eq!(us.write(&write).await.body, again.body, "{table}");
        assert_eq!(us.held("notes", &id), json!(["once"]), "{table}");
    }
}
