//! Admission: an incoming request becomes a [`Request`], or is refused before any I/O.

pub(crate) mod forward;
pub(crate) mod spelling;
pub(crate) mod trace_context;

use std::{borrow::Cow, cell::OnceCell, rc::Rc};

use crate::{
    cache::{
        coding::Coding,
        directives::{Directives, FieldScope},
        lookup::{Conditions, Lookup, Method},
        state::CacheState,
        vary::SelectingFields,
    },
    http::{
        cookies::{COOKIE, Cookies, Named},
        headers::{Headers, LetThrough, MOST_MEMBERS, beyond_connection},
        local::Caller,
        method::{ROUTER, access_of, is_safe, kept},
        problem::Problem,
        target::{self, Target},
    },
    model::{
        access::{Access, Replay},
        clock::StampClock,
        entropy::Entropy,
        ids::{DatasetId, RegionId},
        reasons::{Refusal, Verdict},
        subject::{SubjectId, SubjectKind},
        text,
    },
    request::{
        CacheUse, CameAlong, Carrier, Promise, Request,
        incoming::{Content, IncomingRequest, MOST_BUFFERED},
        near,
    },
    session::{self, Opened, carried::Arrived},
    state::drill::SamplingKey,
    topology::{
        Topology,
        dataset::Rule,
        identity::IdentitySource,
        route::{ReadAfterWrite, Route},
        settings::Settings,
    },
};

/// The longest URL that is admitted, in bytes.
pub const LONGEST_URL: usize = 8 * 1024;
/// The most header fields that are admitted.
pub const MOST_HEADERS: usize = 128;
/// The most bytes of header fields that are admitted, names and values.
pub const MOST_HEADER_BYTES: usize = 32 * 1024;
/// How often one request may pass through this router; a region that points back at it is found out here (RFC 8586).
pub const MOST_HOPS: usize = 2;
/// Admits a request. `chance` gives the number for what chance decides (jitter, who goes first to a region that returns). It is told to
/// nobody: what leaves, such as a trace id, is drawn apart.
///
/// # Errors
/// With the problem that refuses it.
pub fn admit(
    incoming: &IncomingRequest<'_>,
    settings: &Settings,
    clock: &mut StampClock,
    chance: &mut Entropy,
) -> Result<Request, Problem> {
    let entropy = chance.draw();
    let target = guard(incoming)?;
    // Only what is sent on knows of the others, to take them out.
    let all = incoming;
    let beyond = beyond_connection(&incoming.headers).map(|headers| IncomingRequest { headers, ..incoming.clone() });
    let incoming = beyond.as_ref().unwrap_or(all);
    let topology = &settings.topology;
    let (index, route) = topology.route(incoming.method, target.host(), target.path()).unzip();
    spelling::unambiguous(incoming.method, &target, route, topology)?;
    let dataset = route.and_then(|route| route.dataset);
    let upgrade = is_upgrade(incoming);
    let access = access(incoming.method, upgrade, route);
    let cookies = Cookies::of(&incoming.headers);
    let (mut session, carrier) = open_session(incoming, &cookies, settings);
    let keys = &settings.session_keys;
    let query = target.query();
    let arrived = query.and_then(|query| session::arrived(query, target.host(), topology, keys, incoming.now));
    let is_shown = carrier == Carrier::Cookie && !upgrade && is_navigation(incoming);
    let carried = arrived.as_ref().map(|Arrived { pins, .. }| {
        pins.iter().for_each(|pins| session.session.adopt(pins, topology, incoming.now));
        CameAlong { believed: pins.is_ok(), is_shown }
    });
    let claim = ClaimedSubject { incoming, cookies: &cookies, target: &target, session: &session };
    let subject = dataset.and_then(|dataset| claim.subject(dataset, topology));
    let near = near_order(incoming, &target, settings);
    let promise = promise(incoming.method, route, dataset, access, topology);
    let cache = cache_use((incoming, &cookies), route, dataset, access, upgrade, subject.is_some(), topology)?;
    let shared = dataset.and_then(|id| topology.dataset(id)).filter(|dataset| dataset.rule.is_multi_writer());
    let stamp = |dataset| clock.tick(incoming.now, session.session.seen(dataset, incoming.now));
    let clock = shared.filter(|_| access == Access::Write).map(stamp);
    let repeatable = route.is_some_and(|route| route.idempotent) && incoming.headers.has("idempotency-key");
    let replay = replay(incoming.content, access == Access::Read || dataset.is_some() || repeatable);
    let through = LetThrough {
        by_route: route.map_or(&[], |route| route.allow_request_fields.as_slice()),
        identity: topology.identity().request_fields(),
    };
    let edits = Rc::new(forward::edits(all, &target, upgrade, &cache, &cookies, &through, chance));
    Ok(Request {
        came: incoming.now,
        method: kept(incoming.method),
        safe: is_safe(incoming.method),
        target: Rc::new(if arrived.is_some() { target.keeping(session::is_not_ours) } else { target }),
        in_keys: OnceCell::new(),
        key: OnceCell::new(),
        route: index,
        dataset,
        access,
        upgrade,
        promise,
        subject,
        visitor: incoming.headers.get("cf-connecting-ip").map(SamplingKey::at),
        session,
        carried,
        begun: false,
        carrier,
        replay,
        near,
        edits,
        cache,
        repeatable,
        clock,
        entropy,
    })
}

/// What is refused before anything else: loops, bombs, bodies that no cache key could hold, URLs without a final form.
fn guard(incoming: &IncomingRequest<'_>) -> Result<Target, Problem> {
    // RFC 8586; and `Via`, in case the platform writes `CDN-Loop` itself: nobody has said that it does not.
    let hops = |name, is_ours: fn(&str) -> bool| incoming.headers.list(name).filter(|hop| is_ours(hop)).count();
    if hops("cdn-loop", is_this_router) >= MOST_HOPS || hops("via", is_via_this_router) >= MOST_HOPS {
        return Err(Problem::of(Refusal::Loop));
    }
    // RFC 9110 section 9.3.8: what comes back would show the client our fields, the signature among them.
    if incoming.method == "TRACE" {
        return Err(Problem::of(Refusal::MethodNotAllowed));
    }
    if incoming.method == "OPTIONS" && forward::forwards_left(&incoming.headers) == Some(0) {
        return Err(Problem::of(Refusal::MaxForwards));
    }
    if incoming.url.len() > LONGEST_URL {
        return Err(Problem::of(Refusal::UrlTooLong));
    }
    let bytes: usize = incoming.headers.0.iter().map(|(name, value)| name.len() + value.len()).sum();
    if incoming.headers.0.len() > MOST_HEADERS || bytes > MOST_HEADER_BYTES {
        return Err(Problem::of(Refusal::HeadersTooLarge));
    }
    // Each name is looked for among the fields; nobody honest names so many.
    if incoming.headers.list("connection").nth(MOST_MEMBERS).is_some() {
        return Err(Problem::of(Refusal::HeadersTooLarge));
    }
    // `Content-Length: 0` says that there is none (RFC 9110 section 8.6), and some clients send it with everything.
    let empty = matches!(incoming.content, Content::Empty | Content::Length(0));
    if matches!(incoming.method, "GET" | "HEAD") && !empty {
        return Err(Problem::of(Refusal::BodyOnGet));
    }
    // Before a home is looked up, or assigned, for a request of which nothing can be sent.
    if let Content::Unsent(unsent) = incoming.content {
        return Err(Problem::of(unsent.refusal()));
    }
    let target = Target::read(incoming.url).ok_or_else(|| Problem::of(Refusal::BadRequest))?;
    // Encoded, it may have become three times as long.
    if target.as_str().len() > LONGEST_URL { Err(Problem::of(Refusal::UrlTooLong)) } else { Ok(target) }
}

fn is_this_router(hop: &str) -> bool {
    hop.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(ROUTER))
}

/// RFC 9110 section 7.6.3: a protocol, who received, and perhaps a comment.
fn is_via_this_router(hop: &str) -> bool {
    hop.split([' ', '\t']).filter(|word| !word.is_empty()).nth(1).is_some_and(|by| by.eq_ignore_ascii_case(ROUTER))
}

/// Whether it opens a WebSocket: a GET does (RFC 6455 section 4.1). For any other method the field asks for nothing that there is;
/// RFC 9110 section 7.8 lets it be passed over, so such a request goes its way as if it had none.
fn is_upgrade(incoming: &IncomingRequest<'_>) -> bool {
    incoming.method == "GET" && incoming.headers.get("upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket"))
}

/// Safe methods read, everything else writes, an unknown method too; a route may say otherwise. An upgraded connection can carry
/// anything, so it counts as a write whatever the route says; OPTIONS asks about a resource and never for it, so it reads.
#[must_use]
pub fn access(method: &str, upgrade: bool, route: Option<&Route>) -> Access {
    let said = route.and_then(|route| route.access).filter(|_| method != "OPTIONS");
    if upgrade { Access::Write } else { said.unwrap_or(access_of(method)) }
}

/// Whether a browser goes to this address, and will show it: it says so (Fetch Metadata Request Headers, W3C), or, where it is older
/// than that, by what it wants.
fn is_navigation(incoming: &IncomingRequest<'_>) -> bool {
    let headers = &incoming.headers;
    let wants_page = || headers.list("accept").any(|range| range.starts_with("text/html"));
    incoming.method == "GET" && headers.get("sec-fetch-mode").map_or_else(wants_page, |mode| mode == "navigate")
}

/// The most cookies of the session's name that are looked at.
const MOST_SESSIONS: usize = 4;

fn open_session(incoming: &IncomingRequest<'_>, cookies: &Cookies<'_>, settings: &Settings) -> (Opened, Carrier) {
    let open = |text| session::received(text, &settings.session_keys, &settings.topology, incoming.now);
    match incoming.headers.get("homing-session") {
        Some(text) => (open(text), Carrier::Header),
        None => (the_one(cookies.all(COOKIE).map(open)), Carrier::Cookie),
    }
}

/// The session that counts, of all that came: the one that is ours. If two are, somebody has slipped one of them in, and
/// nobody can tell which.
fn the_one(mut all: impl Iterator<Item = Opened>) -> Opened {
    let mut one = all.next().unwrap_or_else(|| Opened::nothing(Verdict::Absent));
    for other in all.by_ref().take(MOST_SESSIONS - 1) {
        match (one.verdict, other.verdict) {
            (Verdict::Valid, Verdict::Valid) => return Opened::nothing(Verdict::Ambiguous),
            (_, Verdict::Valid) => one = other,
            _ => {}
        }
    }
    if all.next().is_some() { Opened::nothing(Verdict::Ambiguous) } else { one }
}

/// Where a request may say whose it is.
struct ClaimedSubject<'a> {
    incoming: &'a IncomingRequest<'a>,
    cookies: &'a Cookies<'a>,
    target: &'a Target,
    session: &'a Opened,
}

impl ClaimedSubject<'_> {
    /// Whose part of the dataset the request concerns; none if the dataset is not split, or nobody has said so.
    fn subject(&self, dataset: DatasetId, topology: &Topology) -> Option<SubjectId> {
        match topology.dataset(dataset)?.rule {
            Rule::GeoPartitioned { subject, .. } => self.named(subject, topology),
            Rule::SingleWriter { .. } | Rule::MultiWriter { .. } => None,
        }
    }

    fn named(&self, kind: SubjectKind, topology: &Topology) -> Option<SubjectId> {
        let name = match topology.identity().source(kind)? {
            IdentitySource::ResponseHeader(_) => return self.session.session.subject(kind).cloned(),
            IdentitySource::Header(name) => self.incoming.headers.get(name).map(Cow::Borrowed),
            IdentitySource::Cookie(name) => match self.cookies.named(name) {
                Named::One(subject) => Some(Cow::Borrowed(subject)),
                Named::None | Named::Several => None,
            },
            // The application gets it decoded, so that `%40` is no other subject than `@`.
            IdentitySource::Path(pattern) => pattern.capture(self.target.path(), kind.token()).map(target::decoded),
            IdentitySource::Host { prefix, suffix } => {
                let rest = self.target.host().strip_prefix(prefix.as_str());
                rest.and_then(|rest| rest.strip_suffix(suffix.as_str())).map(Cow::Borrowed)
            }
        };
        let is_read = |name: &Cow<'_, str>| !name.is_empty() && !name.contains(char::REPLACEMENT_CHARACTER);
        name.filter(is_read).map(|name| SubjectId::of(kind, &name))
    }
}

fn near_order(incoming: &IncomingRequest<'_>, target: &Target, settings: &Settings) -> Vec<RegionId> {
    let topology = &settings.topology;
    // In development the person at this machine may say where it stands; nobody else, wherever `DEV` was left on.
    let is_here = || Caller::of(target.authority(), &incoming.headers).is_here();
    let said = || incoming.headers.get("homing-dev-near").filter(|_| settings.dev && is_here());
    match incoming.client.beside.or_else(said).and_then(|name| topology.region_named(name)) {
        Some(region) => near::order_beside(region, topology),
        None => near::order(&incoming.client, topology),
    }
}

fn promise(
    method: &str,
    route: Option<&Route>,
    dataset: Option<DatasetId>,
    access: Access,
    topology: &Topology,
) -> Promise {
    let Some(route) = route else { return Promise::default() };
    if method == "OPTIONS" {
        // A preflight (Fetch Standard section 3.3) asks what is allowed, which any region knows: it needs no home, and shows no data.
        let Route { deadline, body_idle, repair, .. } = *route;
        return Promise { deadline, body_idle, repair, ..Promise::default() };
    }
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
        wait: route.wait,
        cache_up_to: route.cache_up_to,
        cache_set_cookie: route.cache_set_cookie,
        body_idle: route.body_idle,
        repair: route.repair,
        pins,
    }
}

fn replay(content: Content, could_be_needed: bool) -> Replay {
    match content {
        Content::Empty | Content::Length(0) | Content::Unsent(_) => Replay::Empty,
        Content::Length(bytes) if bytes > MOST_BUFFERED => Replay::Stream,
        Content::Length(_) if could_be_needed => Replay::Buffered,
        Content::Length(_) => Replay::Once,
        Content::Unknown => Replay::Stream,
    }
}

/// What the edge cache has to do with a request. A client that wants a stored response and no other gets 504 wherever none may answer
/// (RFC 9111 section 5.2.1.7), and nothing is sent.
fn cache_use(
    (incoming, cookies): (&IncomingRequest<'_>, &Cookies<'_>),
    route: Option<&Route>,
    dataset: Option<DatasetId>,
    access: Access,
    upgrade: bool,
    identified: bool,
    topology: &Topology,
) -> Result<CacheUse, Problem> {
    let headers: &Headers<'_> = &incoming.headers;
    let wants = wants(headers);
    let unanswered = |so| if wants.only_if_cached { Err(Problem::of(Refusal::OnlyIfCached)) } else { Ok(so) };
    let rule = dataset.and_then(|id| topology.dataset(id)).map(|dataset| &dataset.rule);
    let personal = rule.is_some_and(Rule::is_personal);
    // What a route lets through stands in no key, and would be in a stored response for all.
    let let_through = route.is_some_and(|route| route.allow_request_fields.iter().any(|name| headers.has(name)));
    // Bytes that text cannot hold look all the same here, and not to the origin.
    let unread = headers.0.iter().any(|(_, value)| text::is_unread(value));
    if unread || !Route::is_cached(route, personal) || (personal && !identified) || upgrade || let_through {
        return unanswered(CacheUse::Bypass(CacheState::Bypass));
    }
    // These two are for the origin alone to judge (RFC 9111 section 4.3.2).
    let for_origin = headers.has("if-match") || headers.has("if-unmodified-since");
    let lookup = |method| lookup((headers, cookies), method, wants.clone(), personal);
    // The session tells the router where data is; who may see it is told by the application's own credentials, and nothing else here.
    let anybody = |lookup: &Lookup| personal && !lookup.cookies && !lookup.authorized;
    let found = match (incoming.method, access) {
        _ if (wants.no_store && !wants.only_if_cached) || for_origin => CacheUse::Bypass(CacheState::Bypass),
        ("GET", Access::Read) => CacheUse::Use(lookup(Method::Get)),
        ("HEAD", Access::Read) => CacheUse::Use(lookup(Method::Head)),
        ("POST", _) => CacheUse::Fill(lookup(Method::Get)),
        _ => CacheUse::Bypass(CacheState::Method),
    };
    match found {
        CacheUse::Use(lookup) | CacheUse::Fill(lookup) if anybody(&lookup) => {
            unanswered(CacheUse::Bypass(CacheState::Bypass))
        }
        found @ CacheUse::Use(_) => Ok(found),
        found => unanswered(found),
    }
}

/// What a request says of the stored responses that will do.
fn wants(headers: &Headers<'_>) -> Directives {
    let mut wants = Directives::of(headers);
    // RFC 9111 section 5.4: `Pragma: no-cache` counts where there is no Cache-Control.
    if !headers.has("cache-control") && headers.list("pragma").any(|say| say.eq_ignore_ascii_case("no-cache")) {
        wants.no_cache = FieldScope::Whole;
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
        fields: SelectingFields::of(headers, cookies),
    }
}
