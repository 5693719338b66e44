//! The prices and the quotas of the platform: all of them stand here, each with its source and when it was taken.

/// What is counted, and billed or limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meter {
    WorkersRequests,
    WorkersCpu,
    KvReads,
    KvWrites,
    ObjectRequests,
    ObjectDuration,
    ObjectRowsRead,
    ObjectRowsWritten,
    LogIngestion,
    LogStorage,
}

/// What one of them costs, and what is free of it.
#[derive(Debug)]
pub(super) struct Price {
    pub(super) meter: Meter,
    /// What it is called, with its unit.
    pub(super) name: &'static str,
    /// What the Free plan allows in a day, from midnight UTC on; none if it does not count it by days.
    pub(super) free_a_day: Option<f64>,
    /// What is included in Workers Paid, in a month.
    pub(super) included: f64,
    /// What `per` of what goes beyond costs, in dollars.
    pub(super) dollars: f64,
    pub(super) per: f64,
    /// What no longer works, until midnight UTC, when the Free plan's quota has ended.
    pub(super) then: &'static str,
    /// Where that is said.
    pub(super) source: &'static str,
}

/// What Workers Paid costs a month before anything is used (`WORKERS`).
pub(super) const SUBSCRIPTION: f64 = 5.0;

/// When all of it was taken, from the latest stored copies of the pages that each price names. Nothing newer could be looked at
/// from here. `LOGS` is the tariff that counts from 1 December 2026 on.
pub(super) const TAKEN: &str = "2026-11-28";

const WORKERS: &str = "https://developers.cloudflare.com/workers/platform/pricing/";
const KV: &str = "https://developers.cloudflare.com/kv/platform/pricing/";
const OBJECTS: &str = "https://developers.cloudflare.com/durable-objects/platform/pricing/";
const LOGS: &str = "https://developers.cloudflare.com/observability/pricing/";

const OBJECTS_STAND_STILL: &str =
    "subjects without a home get 503, no order is accepted, no lease is renewed, and the probers stop";

const MILLION: f64 = 1e6;

/// Workers Paid (the Standard usage model) and Workers Free, list prices in US dollars.
pub(super) const TARIFF: [Price; 10] = [
    Price {
        meter: Meter::WorkersRequests,
        name: "Workers requests",
        free_a_day: Some(100_000.0),
        included: 10.0 * MILLION,
        dollars: 0.30,
        per: MILLION,
        then: "the platform refuses requests (error 1027), or sends them past the router on routes that fail open",
        source: WORKERS,
    },
    // On Free it is bounded by the request (10 ms), not by the day.
    Price {
        meter: Meter::WorkersCpu,
        name: "Workers CPU (ms)",
        free_a_day: None,
        included: 30.0 * MILLION,
        dollars: 0.02,
        per: MILLION,
        then: "",
        source: WORKERS,
    },
    // Absent keys count too; so do copies that KV itself has cached.
    Price {
        meter: Meter::KvReads,
        name: "KV reads",
        free_a_day: Some(100_000.0),
        included: 10.0 * MILLION,
        dollars: 0.50,
        per: MILLION,
        then: "no edge learns of orders, drains and promotions; homes are looked up only in the directory",
        source: KV,
    },
    Price {
        meter: Meter::KvWrites,
        name: "KV writes",
        free_a_day: Some(1_000.0),
        included: MILLION,
        dollars: 5.00,
        per: MILLION,
        then: "orders, drains, promotions, new homes and probe reports are not published",
        source: KV,
    },
    // Each call of a method and each alarm is one.
    Price {
        meter: Meter::ObjectRequests,
        name: "Durable Objects requests",
        free_a_day: Some(100_000.0),
        included: MILLION,
        dollars: 0.15,
        per: MILLION,
        then: OBJECTS_STAND_STILL,
        source: OBJECTS,
    },
    Price {
        meter: Meter::ObjectDuration,
        name: "Durable Objects duration (GB-s)",
        free_a_day: Some(13_000.0),
        included: 400_000.0,
        dollars: 12.50,
        per: MILLION,
        then: OBJECTS_STAND_STILL,
        source: OBJECTS,
    },
    Price {
        meter: Meter::ObjectRowsRead,
        name: "Durable Objects rows read",
        free_a_day: Some(5.0 * MILLION),
        included: 25_000.0 * MILLION,
        dollars: 0.001,
        per: MILLION,
        then: OBJECTS_STAND_STILL,
        source: OBJECTS,
    },
    // Each `setAlarm` is one; so is each row of an index, and each that is deleted.
    Price {
        meter: Meter::ObjectRowsWritten,
        name: "Durable Objects rows written",
        free_a_day: Some(100_000.0),
        included: 50.0 * MILLION,
        dollars: 1.00,
        per: MILLION,
        then: OBJECTS_STAND_STILL,
        source: OBJECTS,
    },
    Price {
        meter: Meter::LogIngestion,
        name: "Workers Logs ingestion (GB)",
        free_a_day: Some(0.5),
        included: 50.0,
        dollars: 0.25,
        per: 1.0,
        then: "no more lines are logged",
        source: LOGS,
    },
    // What can still be asked for, on average over the days of a month.
    Price {
        meter: Meter::LogStorage,
        name: "Workers Logs storage (GB-months)",
        free_a_day: None,
        included: 12.0,
        dollars: 0.10,
        per: 1.0,
        then: "",
        source: LOGS,
    },
];

/// An event of Workers Logs in GB, its attributes included: what the platform gives as the average of the events of Workers, 4.84 KB
/// (<https://developers.cloudflare.com/observability/logs/datasets/>). A line of the router is about 0.4 KB by itself (`record_json`),
/// but how much the platform adds to it is said nowhere.
pub(super) const EVENT_GB: f64 = 4.84e-6;
/// For how many days an event is kept (`LOGS`).
pub(super) const KEPT_DAYS: f64 = 7.0;
/// An object that is awake is billed for 128 MB, whatever it uses (`OBJECTS`).
pub(super) const OBJECT_GB: f64 = 0.128;

impl Price {
    /// What a month costs in which so much is used.
    pub(super) fn cost(&self, a_month: f64) -> f64 {
        (a_month - self.included).max(0.0) / self.per * self.dollars
    }

    /// Seconds after midnight UTC at which the Free plan's quota ends, if that is before the day does.
    pub(super) fn ends(&self, a_day: f64) -> Option<f64> {
        self.free_a_day.filter(|quota| a_day > *quota).map(|quota| quota / a_day * super::DAY)
    }
}
