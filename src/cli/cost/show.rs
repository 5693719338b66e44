//! A bill as a table for people and as JSON for machines.

use serde_json::{Value, json};

use super::{
    Bill, DAYS, SUBSCRIPTION,
    tariff::{Price, TAKEN},
};
use homing_core::millis;

const COLUMNS: [&str; 6] = ["Product", "A month", "Included", "Cost", "Free a day", "Ends at"];

impl Bill {
    /// The table, and what must be known to read it.
    pub(crate) fn text(&self) -> String {
        let mut rows = vec![COLUMNS.map(str::to_owned)];
        rows.extend(self.lines().map(cells));
        // Named, for people look for it.
        rows.push(["Cache API", "-", "-", "$0.00", "-", "-"].map(str::to_owned));
        rows.push(["Workers Paid", "-", "-", &dollars(SUBSCRIPTION), "-", "-"].map(str::to_owned));
        rows.push(["In all", "", "", &dollars(self.total()), "", ""].map(str::to_owned));
        let (load, plan) = (self.load.text(), self.plan());
        format!(
            "\nA month of 30 days, {}:\n\n{}\n{plan}\nAssumed (--load): {load}; evenly over the day.\n\
             List prices of {TAKEN}, in US dollars. docs/cost.md names the sources, explains each number, and lists what is not \
             included.\n",
            self.described(),
            table(&rows)
        )
    }

    fn described(&self) -> String {
        let probes =
            self.setup.probes.map_or_else(|| "off".to_owned(), |every| format!("{} s", tidy(every.as_secs_f64(), 1e3)));
        let logged = match (self.setup.sampled, self.setup.invocations) {
            (sampled, _) if sampled <= 0.0 => "Workers Logs off".to_owned(),
            (sampled, invocations) => {
                let each = if invocations { "and each invocation" } else { "but no invocations" };
                let share = if sampled < 1.0 { format!(", {}% of it", sampled * 100.0) } else { String::new() };
                format!("LOG {} {each}{share}", self.setup.lines.token())
            }
        };
        format!(
            "{} a second, {}, {}, PROBES {probes}, {logged}",
            counted(tidy(self.load.requests_per_second, 1e3), "request"),
            counted(self.load.isolates, "isolate"),
            counted(self.regions, "region")
        )
    }

    fn plan(&self) -> String {
        let ended = self.ended();
        if ended.is_empty() {
            return "Workers Free is enough: no quota ends before the day does. On Workers Paid it costs the above."
                .to_owned();
        }
        let each: String =
            ended.iter().map(|(price, _, at)| format!("\n  {}  {}: {}", clock(*at), price.name, price.then)).collect();
        format!("Workers Paid is needed. On Workers Free these quotas end before midnight UTC:{each}")
    }

    /// What does not fit the plan that it is held against, a complaint each.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let complain = |(price, a_day, at): (&Price, f64, f64)| {
            let (name, quota) = (price.name, price.free_a_day.map(amount).unwrap_or_default());
            format!(
                "{name}: found {} a day, expected at most {quota}, which is what Workers Free allows; it ends at {} UTC; \
                 docs/cost.md, Workers Free, says what to switch off; or take Workers Paid",
                amount(a_day),
                clock(at)
            )
        };
        if self.must_be_free { self.ended().into_iter().map(complain).collect() } else { Vec::new() }
    }

    /// The same for machines.
    pub(crate) fn json(&self) -> Value {
        let line = |(price, a_day, cost): (&Price, f64, f64)| {
            json!({
                "product": price.name, "a_day": tidy(a_day, 1e6), "a_month": tidy(a_day * DAYS, 1e6), "included": price.included, "cost": cents(cost),
                "price": { "dollars": price.dollars, "per": price.per, "source": price.source },
                "free_a_day": price.free_a_day, "free_ends": price.ends(a_day).map(clock), "then": price.ends(a_day).map(|_| price.then),
            })
        };
        let load = &self.load;
        let share = |share: homing_core::config::units::Share| share.to_string();
        json!({
            "plan": if self.ended().is_empty() { "free" } else { "paid" },
            "a_month": cents(self.total()), "subscription": SUBSCRIPTION, "prices_of": TAKEN,
            "products": self.lines().map(line).collect::<Vec<_>>(),
            "supposed": {
                "requests_per_second": load.requests_per_second, "isolates": load.isolates, "regions": self.regions,
                "writes": share(load.writes), "lookups": share(load.lookups), "problems": share(load.problems),
                "new_subjects": tidy(load.new_subjects, 1e3),
                "probes_ms": self.setup.probes.map(millis), "view_ms": millis(self.setup.view),
                "view_shared": self.setup.shared, "log": self.setup.lines.token(),
                "invocation_logs": self.setup.invocations, "sampled": self.setup.sampled,
            },
        })
    }
}

fn cells((price, a_day, cost): (&Price, f64, f64)) -> [String; 6] {
    let quota = price.free_a_day.map_or_else(|| "-".to_owned(), amount);
    let ends = price.ends(a_day).map_or_else(|| "-".to_owned(), clock);
    [price.name.to_owned(), amount(a_day * DAYS), amount(price.included), dollars(cost), quota, ends]
}

fn counted(number: impl std::fmt::Display, what: &str) -> String {
    let number = number.to_string();
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// Whole dollars and cents; what costs anything is not shown as nothing.
fn dollars(cost: f64) -> String {
    format!("${:.2}", cents(cost))
}

fn cents(cost: f64) -> f64 {
    let cents = tidy(cost, 1e2);
    if cost > 0.0 { cents.max(0.01) } else { 0.0 }
}

/// Without digits that mean nothing: to a part of so many.
fn tidy(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}

/// A number as people read it: with separators, and without digits that mean nothing.
pub(super) fn amount(number: f64) -> String {
    if number < 100.0 && number.fract() != 0.0 {
        return format!("{number:.1}");
    }
    let digits = format!("{number:.0}");
    let grouped = digits.bytes().enumerate().map(|(at, digit)| {
        let comma = if at > 0 && (digits.len() - at) % 3 == 0 { "," } else { "" };
        format!("{comma}{}", char::from(digit))
    });
    grouped.collect()
}

/// The time of day, rounded down.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no day has more minutes")]
fn clock(seconds: f64) -> String {
    let minutes = (seconds / 60.0) as u32;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Columns as wide as what stands in them; all but the first to the right.
fn table(rows: &[[String; 6]]) -> String {
    let widths: Vec<usize> = (0..COLUMNS.len())
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, width))| if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
