//! `homing check` about what Cloudflare does and workerd does not: what would pass on this machine and fail, cost or leak in
//! production. Each sentence that it can say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/command.rs"]
mod command;

use std::fs;

use command::*;

const EU: &str = "origin = \"https://eu.example.com\"";
const DOMAIN: &str = "pattern = \"app.example.com\"\ncustom_domain = true\n";
const TOP: &str = "name = \"small\"\n";
const CLASSES: &str = "[[migrations]]\ntag = \"v1\"\nnew_sqlite_classes = [\"Directory\", \"Authority\", \"Prober\"]\n";

/// The small configuration with each of these texts replaced.
fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(sound(), |text, (old, new)| {
        assert_eq!(text.matches(old).count(), 1, "{old:?} stands once in\n{text}");
        text.replace(old, new)
    })
}

fn eu(origin: &str) -> String {
    format!("origin = {origin:?}")
}

#[track_caller]
fn says(changes: &[(&str, &str)], expected: &[&str]) {
    let run = check(&with(changes));
    let status = i32::from(expected.iter().any(|said| said.starts_with("error: ")));
    assert_eq!(
        (run.status, sentences(&run)),
        (status, expected.iter().map(ToString::to_string).collect()),
        "{}",
        run.err
    );
}

/// Cloudflare answers 403 in the region's place, which looks like an application's word.
#[test]
fn an_address_is_no_region_that_a_worker_can_fetch() {
    for address in [
        "https://192.0.2.7",
        "https://192.0.2.7:8443",
        "https://[2001:db8::7]",
        "https://3221225991",
        "https://0xc0000207",
    ] {
        let expected = format!(
            "error: vars.REGIONS.eu.origin: found {address:?}, an IP address, expected a host name: a Worker cannot fetch an IP address (Cloudflare answers 403, error 1003); give the address a name in your DNS, and write the name"
        );
        says(&[(EU, &eu(address))], &[&expected]);
    }
    // What begins or goes on like one is none, and this machine's own are for development.
    for name in ["https://192-0-2-7.example.com", "https://7.example.com", "http://127.0.0.1:9102", "http://[::1]:9102"]
    {
        says(&[(EU, &eu(name))], &[]);
    }
}

#[test]
fn a_worker_of_workers_dev_is_no_region_but_by_a_flag() {
    let origin = eu("https://shop-eu.acme.Workers.dev");
    says(
        &[(EU, &origin)],
        &[
            "error: vars.REGIONS.eu.origin: found \"https://shop-eu.acme.Workers.dev\", a host of workers.dev, expected a host that a Worker can fetch: workers.dev hosts in its own account answer 404 (error 1042); bind that Worker under [[services]] \
           and write service = \"…\", or give it a custom domain; if it is in another account, add the compatibility flag \
           \"global_fetch_strictly_public\"",
        ],
    );
    let flag = format!("{TOP}compatibility_flags = [\"global_fetch_strictly_public\"]\n");
    says(&[(EU, &origin), (TOP, &flag)], &[]);
    says(&[(EU, &eu("https://workers.dev.example.com"))], &[]);
}

#[test]
fn the_routers_own_host_is_no_region() {
    let own = eu("https://APP.example.com.");
    let remedy = "give the region a host name that matches no route of this Worker";
    let expected = format!(
        "error: vars.REGIONS.eu.origin: found \"https://APP.example.com.\", a custom domain of this Worker, expected a host \
         that does not lead back to the router: Cloudflare answers 522; {remedy}"
    );
    says(&[(EU, &own)], &[&expected]);
    let expected = format!(
        "error: vars.REGIONS.eu.origin: found \"https://APP.example.com.\", which is the router's own host by the route \
         \"https://app.example.com/api/*\", expected the region's own host: for every other client this host is the router; {remedy}"
    );
    let route = "pattern = \"https://app.example.com/api/*\"\nzone_name = \"example.com\"\n";
    says(&[(EU, &own), (DOMAIN, route)], &[&expected]);
    // One route, as a text, above the first table.
    let routes = format!("[[routes]]\n{DOMAIN}");
    let top = format!("{TOP}route = \"https://app.example.com/api/*\"\n");
    says(&[(EU, &own), (&routes, ""), (TOP, &top)], &[&expected]);
}

#[test]
fn a_route_of_a_whole_zone_takes_its_regions_too() {
    let wide = |pattern: &str, origin: &str| {
        format!(
            "warning: vars.REGIONS.eu.origin: found {origin:?}, which the route {pattern:?} also matches, expected a host that matches no route: the router's own requests bypass the route, but all others, other regions' too, arrive here; \
             list the hosts in the route, or give the region another host name"
        )
    };
    let route = |pattern: &str| format!("pattern = {pattern:?}\nzone_name = \"example.com\"\n");
    let us = ("origin = \"https://us.example.com\"", "origin = \"https://us.example.net\"");
    for pattern in ["*.example.com/*", "*/*", "*example.com/t/*"] {
        says(&[us, (DOMAIN, &route(pattern))], &[&wide(pattern, "https://eu.example.com")]);
    }
    let elsewhere = [us, (EU, "origin = \"https://eu.notexample.com\"")];
    for pattern in ["*.example.com/*", "*/*", "*example.com/*", "example.com/*"] {
        says(&[elsewhere[0], elsewhere[1], (DOMAIN, &route(pattern))], &[]);
    }
    let flag = format!("{TOP}compatibility_flags = [\"global_fetch_strictly_public\"]\n");
    says(
        &[us, (DOMAIN, &route("*.example.com/*")), (TOP, &flag)],
        &[
            "error: vars.REGIONS.eu.origin: found \"https://eu.example.com\", which the route \"*.example.com/*\" leads back here, expected \
           a host that does not: with \"global_fetch_strictly_public\" the router would call itself until it answers 508; give the region a host name that matches no route of this Worker",
        ],
    );
}

#[test]
fn ports_that_the_proxy_does_not_serve_and_plain_http_are_warned_about() {
    let port = |origin: &str, port: u16, served: &str| {
        format!(
            "warning: vars.REGIONS.eu.origin: found {origin:?}, port {port}, expected a port that Cloudflare's proxy serves ({served}), unless the name is DNS only; remove the port or choose one of these. If the name is not proxied (a grey cloud), ignore this warning"
        )
    };
    let https = "443, 2053, 2083, 2087, 2096, 8443";
    says(&[(EU, &eu("https://eu.example.com:9443"))], &[&port("https://eu.example.com:9443", 9443, https)]);
    says(&[(EU, &eu("https://eu.example.com:8443"))], &[]);
    let plain = |origin: &str| {
        format!(
            "warning: vars.REGIONS.eu.origin: found {origin:?}, expected https://, because sessions, cookies and signatures would cross the internet unencrypted; write https:// when the region supports it"
        )
    };
    says(&[(EU, &eu("http://eu.example.com:8080"))], &[&plain("http://eu.example.com:8080")]);
    let served = "80, 8080, 8880, 2052, 2082, 2086, 2095";
    let (origin, both) = ("http://eu.example.com:3000", eu("http://eu.example.com:3000"));
    says(&[(EU, &both)], &[&plain(origin), &port(origin, 3000, served)]);
}

#[test]
fn where_the_edge_cache_would_do_nothing_it_says_so() {
    let add = "add routes = [{ pattern = \"app.example.com\", custom_domain = true }] and workers_dev = false above the first table";
    let routes = format!("[[routes]]\n{DOMAIN}");
    let expected = format!(
        "warning: routes: found nothing, expected an address in your own zone, in \"routes\" or \"route\": on workers.dev and behind Cloudflare Access, the edge cache stores nothing; {add}"
    );
    says(&[(&routes, "")], &[&expected]);
    let expected = format!(
        "warning: routes: found nothing, and workers_dev = false, expected an address in \"routes\" or \"route\", because the Worker cannot be reached; {add}"
    );
    let closed = format!("{TOP}workers_dev = false\n");
    says(&[(&routes, ""), (TOP, &closed)], &[&expected]);
    let open = format!("{TOP}workers_dev = true\n");
    says(
        &[(TOP, &open)],
        &[
            "warning: workers_dev: found true, expected false with routes: on workers.dev and behind Cloudflare Access, the edge cache stores nothing, and your zone's rules do not apply there; write workers_dev = false",
        ],
    );
    // Of a demo whose regions are all on this machine nobody needs to hear it.
    let here = |name: &str| format!("origin = \"https://{name}.example.com\"");
    let (us, eu) = (here("us"), here("eu"));
    says(
        &[(&routes, ""), (&us, "origin = \"http://localhost:9101\""), (&eu, "origin = \"http://127.0.0.1:9102\"")],
        &[],
    );
}

#[test]
fn environments_inherit_addresses_and_classes_and_are_checked_by_them() {
    let env = &environment("https://app.example.com");
    let run = check(&(sound() + env));
    assert!(
        run.err.contains("env.prod.vars.REGIONS.us.origin: found \"https://app.example.com\", a custom domain"),
        "{}",
        run.err
    );
    let run = check(&(sound() + env + "routes = [\"www.example.com/*\"]\n"));
    assert_eq!((run.status, run.err.as_str()), (0, ""), "its own routes count in their place");
    let run = check(&(sound() + env + "routes = [\"www.example.com/*\"]\nmigrations = []\n"));
    assert_eq!((run.status, sentences(&run).len()), (1, 3), "its own migrations, too: {}", run.err);
}

#[test]
fn a_lease_that_the_platform_bears_badly_is_warned_about() {
    let lease = |said: &str| {
        format!(
            "[vars.DATASETS.stock]\nownership = \"single-writer\"\nhome = \"us\"\nlease = {said:?}\n\n[vars.DATASETS.cart]"
        )
    };
    says(
        &[("[vars.DATASETS.cart]", &lease("3s"))],
        &[
            "warning: vars.DATASETS.stock.lease: found \"3s\", expected 30s or more: the authority renews it 86400 times a day, and each renewal is billed. Writes stop whenever a deploy or the platform delays it longer; write \"60s\" or more, unless a forced promotion must be faster",
        ],
    );
    says(&[("[vars.DATASETS.cart]", &lease("30s"))], &[]);
}

#[test]
fn a_class_that_nothing_declares_does_not_ship() {
    let undeclared = |class: &str, how: &str| {
        format!(
            "error: durable_objects.bindings: found the class {class:?}, declared {how}, expected a declaration with SQLite, because the deploy is refused without it; add [[migrations]] with a tag and new_sqlite_classes = [{class:?}], or [exports.{class}] with type = \
             \"durable-object\" and storage = \"sqlite\""
        )
    };
    let neither = "by neither [[migrations]] nor [exports]";
    says(
        &[(CLASSES, "")],
        &[&undeclared("Directory", neither), &undeclared("Authority", neither), &undeclared("Prober", neither)],
    );
    let export = |class: &str, rest: &str| format!("[exports.{class}]\ntype = \"durable-object\"\n{rest}\n");
    let sqlite = "storage = \"sqlite\"";
    let all = export("Directory", sqlite) + &export("Authority", sqlite) + &export("Prober", sqlite);
    says(&[(CLASSES, &all)], &[]);
    says(
        &[(CLASSES, &format!("{CLASSES}{all}"))],
        &[
            "error: exports: found Durable Objects beside [[migrations]], expected one of the two, because wrangler refuses a file with both; \
           remove [[migrations]] after you have exported the classes that it created",
        ],
    );
    let gone = export("Directory", sqlite)
        + &export("Authority", "storage = \"legacy-kv\"")
        + &export("Prober", "state = \"deleted\"");
    says(&[(CLASSES, &gone)], &[&undeclared("Authority", "without SQLite"), &undeclared("Prober", neither)]);
    let moved = "[[migrations]]\ntag = \"v1\"\nnew_sqlite_classes = [\"Homes\", \"Authority\", \"Prober\"]\n[[migrations]]\ntag = \"v2\"\n\
                 renamed_classes = [{ from = \"Homes\", to = \"Directory\" }]\ndeleted_classes = [\"Prober\"]\n";
    says(&[(CLASSES, moved)], &[&undeclared("Prober", neither)]);
}

#[test]
fn the_platforms_own_cache_is_refused_in_its_newer_spelling_too() {
    let cache = format!("{CLASSES}[exports.default]\ntype = \"worker\"\ncache = {{ enabled = true }}\n");
    says(
        &[(CLASSES, &cache)],
        &[
            "error: exports.default.cache.enabled: found true, expected no cache before the Worker: it answers without the router and \
           ignores pins; remove it: the router has its own cache",
        ],
    );
    says(&[(CLASSES, &cache.replace("true", "false"))], &[]);
}

#[test]
fn logs_that_hold_queries_or_cost_twice_are_warned_about() {
    let logs = |said: &str| format!("{said}\n{CLASSES}");
    let query = "warning: observability: found logs with queries, expected redact_query_string = true: the platform logs each request's full URL, and a redirect can carry a session in the query; add it under [observability]";
    let twice = "warning: observability: found logs with an extra line from the platform for each request, expected invocation_logs = false: that line repeats the router's own line and costs as much; add it under [observability.logs]";
    for said in ["[observability]\nenabled = true", "[observability.logs]\nenabled = true\ninvocation_logs = true"] {
        says(&[(CLASSES, &logs(said))], &[query, twice]);
    }
    says(&[(CLASSES, &logs("[observability]\nenabled = true\nredact_query_string = true"))], &[twice]);
    says(&[(CLASSES, &logs("[observability]\nenabled = true\nlogs = { invocation_logs = false }"))], &[query]);
    let sound =
        "[observability]\nredact_query_string = true\n[observability.logs]\nenabled = true\ninvocation_logs = false";
    for said in ["[observability]\nenabled = false", sound] {
        says(&[(CLASSES, &logs(said))], &[]);
    }
}

#[test]
fn a_rule_of_which_wrangler_warns_at_every_deploy_is_found_before() {
    let rule = |more: &str| format!("{TOP}rules = [{{ type = \"CompiledWasm\", globs = [\"*.wasm\"]{more} }}]\n");
    says(
        &[(TOP, &rule(""))],
        &[
            "warning: rules[0]: found no \"fallthrough\", expected fallthrough, because wrangler warns about it at each deploy; add fallthrough = false",
        ],
    );
    says(&[(TOP, &rule(", fallthrough = false"))], &[]);
}

/// Who edits the shipped file as docs/deploy.md says has nothing left to be warned of.
#[test]
fn the_shipped_file_with_regions_of_its_own_and_an_address_has_no_warnings() {
    let text = fs::read_to_string(homing_tests::at("wrangler.toml")).unwrap();
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("DEV = ")) {
        lines.push(match line.strip_prefix("# routes = ") {
            Some(routes) => format!("routes = {routes}"),
            None => line.replace("http://127.0.0.1:", "https://region-"),
        });
    }
    let text =
        lines.join("\n").replace("region-9101\"", "us.example.com\"").replace("region-9102\"", "eu.example.com\"");
    let text = text.replace("region-9103\"", "ap.example.com\"");
    let run = check(&text);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
}
