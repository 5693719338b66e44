//! Admission: facts become an intent, or are refused before any I/O.

mod forward;

use std::rc::Rc;

use super::{
    cache::{Coding, Directives, Fields, Scope},
    clock::Clock,
    cookies::{Cookies, Named},
    drill::Visitor,
    facts::{Content, Facts, MOST_BUFFERED, Replay, Url, normal_path},
    headers::{Headers, LetThrough, MOST_MEMBERS},
    intent::{CacheUse, Carrier, Conditions, Intent, Lookup, Method, Promise},
    local::Caller,
    near,
    problem::Problem,
    reason::Reason,
    session::{self, Opened},
    subject::SubjectId,
    topology::{Access, DatasetId, IdentitySource, ReadAfterWrite, RegionId, Route, Rule, SubjectKind, Topology},
    view::Settings,
};

/// The longest URL that is admitted, in bytes.
pub const LONGEST_URL: usize = 8 * 1024;
/// The most header fields that are admitted.
pub const MOST_HEADERS: usize = 128;
/// The most bytes of header fields that are admitted, names and values.
pub const MOST_HEADER_BYTES: usize = 32 * 1024;
/// How often one request may pass through this router; a region that points back at it is found out here (RFC 8586).
pub const MOST_HOPS: usize = 2;
/// The router's name in `CDN-Loop` and `Via`.
pub const ROUTER: &str = "homing";

/// Admits a request.
///
/// # Errors
/// With the problem that refuses it.
pub fn admit(facts: &Facts<'_>, settings: &Settings, clock: &mut Clock) -> Result<Intent, Problem> {
    let url = guard(facts)?;
    let topology = &settings.topology;
    let path = normal_path(url.path);
    not_for_clients(&path)?;
    let (index, route) = topology.route(facts.method, url.host(), &path).unzip();
    let dataset = route.and_then(|route| route.dataset);
    let upgrade = facts.headers.get("upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket"));
    let access = access(facts.method, upgrade, route);
    let cookies = Cookies::of(&facts.headers);
    let (mut session, carrier) = open_session(facts, &cookies, settings);
    let arrived = url.query.and_then(|query| session::arrived(query, &settings.session_keys, facts.now));
    let carried = arrived.as_ref().is_some_and(|(_, carried)| session.join(carried, facts.now));
    let claim = Claim { facts, cookies: &cookies, url: &url, path: &path, session: &session };
    let subject = dataset.and_then(|dataset| claim.subject(dataset, topology));
    let near = near_order(facts, settings);
    let promise = promise(route, dataset, access, topology);
    let cache = cache_use((facts, &cookies), route, dataset, access, upgrade, subject.is_some(), topology);
    let rule = dataset.and_then(|id| topology.dataset(id)).map(|dataset| &dataset.rule);
    let multi_writer = matches!(rule, Some(Rule::MultiWriter { .. }));
    let repeatable = route.is_some_and(|route| route.idempotent) && facts.headers.has("idempotency-key");
    let replay = replay(facts.content, access == Access::Read || dataset.is_some() || repeatable);
    let through = LetThrough {
        by_route: route.map_or(&[], |route| route.allow_request_fields.as_slice()),
        identity: topology.identity().request_fields(),
    };
    let edits = Rc::new(forward::edits(facts, &url, upgrade, &cache, &cookies, &through));
    let path_length = path.len();
    let mut target = path;
    let query = arrived.as_ref().map_or(url.query, |(query, _)| Some(query.as_str()).filter(|query| !query.is_empty()));
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    Ok(Intent {
        came: facts.now,
        method: facts.method.to_owned(),
        scheme: url.scheme.to_owned(),
        authority: url.authority.to_owned(),
        target,
        path_length,
        route: index,
        dataset,
        access,
        upgrade,
        promise,
        subject,
        visitor: facts.headers.get("cf-connecting-ip").map(Visitor::at),
        session,
        carried,
        begun: false,
        carrier,
        replay,
        near,
        edits,
        cache,
        repeatable,
        clock: (multi_writer && access == Access::Write).then(|| clock.tick(facts.now).to_string()),
        entropy: facts.entropy,
    })
}

/// What is refused before anything else: loops, bombs, bodies that no cache key could hold.
fn guard<'a>(facts: &Facts<'a>) -> Result<Url<'a>, Problem> {
    if facts.headers.list("cdn-loop").filter(|hop| is_this_router(hop)).count() >= MOST_HOPS {
        return Err(Problem::of(Reason::Loop));
    }
    if facts.url.len() > LONGEST_URL {
        return Err(Problem::of(Reason::UrlTooLong));
    }
    let bytes: usize = facts.headers.0.iter().map(|(name, value)| name.len() + value.len()).sum();
    if facts.headers.0.len() > MOST_HEADERS || bytes > MOST_HEADER_BYTES {
        return Err(Problem::of(Reason::HeadersTooLarge));
    }
    // Each name is looked for among the fields; nobody honest names so many.
    if facts.headers.list("connection").nth(MOST_MEMBERS).is_some() {
        return Err(Problem::of(Reason::HeadersTooLarge));
    }
    if matches!(facts.method, "GET" | "HEAD") && facts.content != Content::Empty {
        return Err(Problem::of(Reason::BodyOnGet));
    }
    Url::parse(facts.url).ok_or_else(|| Problem::of(Reason::BadRequest))
}

/// The contract's own addresses are the router's to ask: they tell of regions, epochs and lag, and move what is owned. A health
/// address that the topology puts elsewhere is the application's.
fn not_for_clients(path: &str) -> Result<(), Problem> {
    match path.strip_prefix("/.well-known/homing") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Err(Problem::of(Reason::NotForClients)),
        _ => Ok(()),
    }
}

fn is_this_router(hop: &str) -> bool {
    hop.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(ROUTER))
}

/// GET, HEAD and QUERY (RFC 10008) read, everything else writes, an unknown method too; a route may say otherwise.
/// An upgraded connection can carry anything, so it counts as a write whatever the route says.
fn access(method: &str, upgrade: bool, route: Option<&Route>) -> Access {
    if upgrade { Access::Write } else { route.and_then(|route| route.access).unwrap_or(access_of(method)) }
}

/// What a method does where no route says otherwise.
#[must_use]
pub fn access_of(method: &str) -> Access {
    if matches!(method, "GET" | "HEAD" | "QUERY") { Access::Read } else { Access::Write }
}

/// The most cookies of the session's name that are looked at.
const MOST_SESSIONS: usize = 4;

fn open_session(facts: &Facts<'_>, cookies: &Cookies<'_>, settings: &Settings) -> (Opened, Carrier) {
    let open = |text| session::open(text, &settings.session_keys, facts.now);
    match facts.headers.get("homing-session") {
        Some(text) => (open(text), Carrier::Header),
        None => (the_one(cookies.all(session::COOKIE).map(open)), Carrier::Cookie),
    }
}

/// The session that counts, of all that came: the one that is ours. If two are, somebody has slipped one of them in, and
/// nobody can tell which.
fn the_one(mut all: impl Iterator<Item = Opened>) -> Opened {
    let mut one = all.next().unwrap_or_else(|| Opened::nothing(Reason::SessionAbsent));
    for other in all.by_ref().take(MOST_SESSIONS - 1) {
        match (one.verdict, other.verdict) {
            (Reason::SessionValid, Reason::SessionValid) => return Opened::nothing(Reason::SessionAmbiguous),
            (_, Reason::SessionValid) => one = other,
            _ => {}
        }
    }
    if all.next().is_some() { Opened::nothing(Reason::SessionAmbiguous) } else { one }
}

/// Where a request may say whose it is.
struct Claim<'a> {
    facts: &'a Facts<'a>,
    cookies: &'a Cookies<'a>,
    url: &'a Url<'a>,
    path: &'a str,
    session: &'a Opened,
}

impl Claim<'_> {
    /// Whose part of the dataset the request concerns; none if the dataset is not split, or nobody has said so.
    fn subject(&self, dataset: DatasetId, topology: &Topology) -> Option<SubjectId> {
        match topology.dataset(dataset)?.rule {
            Rule::GeoPartitioned { subject, .. } => self.named(subject, topology),
            Rule::SingleWriter { .. } | Rule::MultiWriter { .. } => None,
        }
    }

    fn named(&self, kind: SubjectKind, topology: &Topology) -> Option<SubjectId> {
        let name = match topology.identity().source(kind)? {
            IdentitySource::ResponseHeader(_) => return self.session.session.subject.clone(),
            IdentitySource::Header(name) => self.facts.headers.get(name),
            IdentitySource::Cookie(name) => match self.cookies.named(name) {
                Named::One(subject) => Some(subject),
                Named::None | Named::Several => None,
            },
            IdentitySource::Path(pattern) => pattern.capture(self.path, kind.token()),
            IdentitySource::Host { prefix, suffix } => {
                self.url.host().strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_suffix(suffix.as_str()))
            }
        };
        name.filter(|name| !name.is_empty()).map(|name| SubjectId::of(kind, name))
    }
}

fn near_order(facts: &Facts<'_>, settings: &Settings) -> Vec<RegionId> {
    let topology = &settings.topology;
    // In development whoever sits at this machine may say where it stands; nobody else, wherever `DEV` was left on.
    let is_here = || Url::parse(facts.url).is_some_and(|url| Caller::of(url.authority, &facts.headers).is_here());
    let said = || facts.headers.get("homing-dev-near").filter(|_| settings.dev && is_here());
    match facts.client.beside.or_else(said).and_then(|name| topology.region_named(name)) {
        Some(region) => near::order_beside(region, topology),
        None => near::order(&facts.client, topology),
    }
}

fn promise(route: Option<&Route>, dataset: Option<DatasetId>, access: Access, topology: &Topology) -> Promise {
    let Some(route) = route else { return Promise::default() };
    let session = |route: &Route| route.read_after_write == ReadAfterWrite::Session;
    // A write's own route often says nothing of reads: any route of the dataset that promises them makes it leave a pin.
    let pins = session(route)
        || (access == Access::Write
            && dataset.is_some()
            && topology.routes().iter().any(|other| other.dataset == dataset && session(other)));
    Promise {
        read_after_write: route.read_after_write,
        on_home_down: route.on_home_down,
        deadline: route.deadline,
        pins,
    }
}

fn replay(content: Content, could_be_needed: bool) -> Replay {
    match content {
        Content::Empty | Content::Length(0) => Replay::Empty,
        Content::Length(bytes) if bytes > MOST_BUFFERED => Replay::Stream,
        Content::Length(_) if could_be_needed => Replay::Buffered,
        Content::Length(_) => Replay::Once,
        Content::Unknown => Replay::Stream,
    }
}

fn cache_use(
    (facts, cookies): (&Facts<'_>, &Cookies<'_>),
    route: Option<&Route>,
    dataset: Option<DatasetId>,
    access: Access,
    upgrade: bool,
    identified: bool,
    topology: &Topology,
) -> CacheUse {
    let headers: &Headers<'_> = &facts.headers;
    let rule = dataset.and_then(|id| topology.dataset(id)).map(|dataset| &dataset.rule);
    let personal = rule.is_some_and(Rule::is_personal);
    // What a route lets through stands in no key, and would be in a copy for all.
    let let_through = route.is_some_and(|route| route.allow_request_fields.iter().any(|name| headers.has(name)));
    if !Route::is_cached(route, personal) || (personal && !identified) || upgrade || let_through {
        return CacheUse::Bypass(Reason::CacheBypass);
    }
    let wants = wants(headers);
    // These two are for the origin alone to judge (RFC 9111 section 4.3.2).
    let for_origin = headers.has("if-match") || headers.has("if-unmodified-since");
    let lookup = |method| lookup((headers, cookies), method, wants.clone(), personal);
    // The session tells the router where data is; who may see it is told by the application's own credentials, and nothing else here.
    let anybody = |lookup: &Lookup| personal && !lookup.cookies && !lookup.authorized;
    let found = match (facts.method, access) {
        _ if (wants.no_store && !wants.only_if_cached) || for_origin => CacheUse::Bypass(Reason::CacheBypass),
        ("GET", Access::Read) => CacheUse::Use(lookup(Method::Get)),
        ("HEAD", Access::Read) => CacheUse::Use(lookup(Method::Head)),
        ("POST", _) => CacheUse::Fill(lookup(Method::Get)),
        _ => CacheUse::Bypass(Reason::CacheMethod),
    };
    match found {
        CacheUse::Use(lookup) | CacheUse::Fill(lookup) if anybody(&lookup) => CacheUse::Bypass(Reason::CacheBypass),
        found => found,
    }
}

/// What a request says of the copies that will do.
fn wants(headers: &Headers<'_>) -> Directives {
    let mut wants = Directives::of(headers);
    // RFC 9111 section 5.4: `Pragma: no-cache` counts where there is no Cache-Control.
    if !headers.has("cache-control") && headers.list("pragma").any(|say| say.eq_ignore_ascii_case("no-cache")) {
        wants.no_cache = Scope::Whole;
    }
    wants
}

fn lookup(
    (headers, cookies): (&Headers<'_>, &Cookies<'_>),
    method: Method,
    wants: Directives,
    personal: bool,
) -> Lookup {
    let own = |name: &str| headers.get(name).map(str::to_owned);
    Lookup {
        method,
        coding: Coding::accepted(headers),
        wants,
        authorized: headers.has("authorization"),
        cookies: cookies.has_any(),
        conditions: Conditions {
            if_none_match: own("if-none-match"),
            if_modified_since: own("if-modified-since"),
            range: own("range").filter(|_| method == Method::Get),
            if_range: own("if-range"),
        },
        personal,
        fields: Fields::of(headers, cookies),
    }
}
