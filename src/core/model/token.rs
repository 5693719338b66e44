//! The catalogue of tokens: the stable names of reasons in headers, logs, `explain`, configuration and the dashboard, each with its
//! sentence. Nothing decides by a token; what decides is typed, in `model/reasons.rs`.

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $token:literal),+ $(,)?) => {
        /// The stable name of a reason.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Token { $($(#[doc = $doc])+ $name),+ }

        impl Token {
            /// Every token there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The token itself.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $token),+ }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii()),+ }
            }
        }
    };
}

reasons! {
    // Where a request goes.
    /// The region is the nearest one to the edge.
    Nearest = "nearest",
    /// The region is the home of the data.
    Home = "home",
    /// The region is the nearest owner of the multi-writer dataset.
    NearestOwner = "nearest-owner",
    /// The region is the owner that has what the session has seen last. The nearest owner may lack it.
    OwnWritesOwner = "own-writes-owner",
    /// The nearest region may not hold the data. Locality counts this.
    Residency = "residency",
    /// The session has just written, so its read goes to the home.
    PinnedHome = "pinned-home",
    /// This replica has what the session has seen; nearer replicas do not.
    PositionReached = "position-reached",
    /// This replica should have what the session has seen by now. Its origin checks that.
    PositionExpected = "position-expected",
    /// The read waits for this replica: it should soon have what the session has seen, and the home is further away.
    PositionAwaited = "position-awaited",
    /// The replica does not have what the session has seen.
    PositionNotReached = "position-not-reached",
    /// A cache in front of the region answered, and its answer may be older than promised.
    GivenByCache = "given-by-cache",
    /// The session's mark is from an earlier epoch, so the read goes to the present owner.
    PositionOfOldEpoch = "position-of-old-epoch",
    /// The session's mark is from a later epoch than this edge knows. The edge looks for the later owner.
    PositionOfLaterEpoch = "position-of-later-epoch",
    /// The edge cannot read the origin's position. A window replaces it.
    PositionMalformed = "position-malformed",
    /// The origin's position has no epoch, so the edge does not use it.
    PositionUnowned = "position-unowned",
    /// A stamp is further ahead of the edge's clock than a minute, so the isolate does not go by it.
    ClockAhead = "clock-ahead",
    /// The edge cannot read the origin's stamp (`Homing-Clock`), so it ignores it.
    ClockMalformed = "clock-malformed",
    /// The route sends every read to the home.
    RouteHome = "route-home",
    /// No dataset claims the request, so it goes to the default home.
    DefaultHome = "default-home",
    /// The request names no subject, so it goes to the home for unidentified requests.
    Unidentified = "unidentified",
    /// The home is unknown, so the read goes to the nearest region.
    HomeUnknownNearest = "home-unknown-nearest",
    /// The home is unknown, and the request needs it.
    HomeUnknown = "home-unknown",
    /// The request was sent as a read, and its origin says that it wrote. `/_homing/api/suggestions` proposes a route.
    ReadThatWrote = "read-that-wrote",
    /// The region does not own the data. It named the owner, at a later epoch.
    Misdirected = "misdirected",
    /// The region does not own the data, and the request cannot follow the owner that it named.
    MisdirectedInVain = "misdirected-in-vain",
    /// The origin named the subject, so the request was sent again for that subject.
    SubjectNamed = "subject-named",
    /// The origin named the subject, but the request cannot be sent again. The session now names the subject.
    SubjectNamedInVain = "subject-named-in-vain",

    // What went wrong on the way.
    /// The edge could not connect to the region, so it sent nothing.
    FailoverConnect = "failover-connect",
    /// The region did not answer in time.
    FailoverTimeout = "failover-timeout",
    /// The connection was refused, or it broke before the answer was complete.
    FailoverBroken = "failover-broken",
    /// The region answered 502, 503 or 504.
    FailoverStatus = "failover-status",
    /// The request was sent to the same region again.
    Retried = "retried",
    /// Every region that may answer failed.
    AllRegionsFailed = "all-regions-failed",
    /// The home is down, and the route refuses stale reads.
    HomeDown = "home-down",
    /// The home is down, and the route allows a stale read from another region.
    HomeDownStale = "home-down-stale",
    /// The home did not answer the write. The write may or may not have happened.
    WriteUnknown = "write-unknown",
    /// The write did not reach its home.
    WriteNotSent = "write-not-sent",
    /// The region sent an interim answer (1xx) or a status above 599. The platform cannot pass it on.
    NotFinal = "not-final",
    /// The time for the whole request has run out.
    DeadlineExceeded = "deadline-exceeded",
    /// The region failed 5 times in a row, or in half of its last 32 requests. Reads go elsewhere; writes go there one at a time.
    BreakerOpen = "breaker-open",
    /// The region has just come back. It gets its share of requests step by step.
    BreakerRamp = "breaker-ramp",
    /// Every region that may answer looks bad, so this one is tried for at most 2 s.
    LastResort = "last-resort",
    /// The region is at capacity: the requests in flight have reached its ceiling.
    RegionFull = "region-full",
    /// The retry budget for writes is spent, so this write is not sent again.
    RetryBudgetSpent = "retry-budget-spent",
    /// An operator has marked the region as down, so nothing is sent there.
    RegionDown = "region-down",
    /// An operator has made the region read-only, so it takes no writes.
    RegionReadOnly = "region-read-only",
    /// An operator is draining the region, so other regions are read first.
    RegionDraining = "region-draining",
    /// An operator has isolated the region from the others, so it is not read.
    RegionIsolated = "region-isolated",
    /// The probers agree that the region does not answer, so other regions are read first.
    RegionUnreachable = "region-unreachable",
    /// The replica lags by more than the dataset allows.
    LagOverBound = "lag-over-bound",
    /// The replica lags by more than 60 s, so other regions are read first.
    LagTooHigh = "lag-too-high",
    /// The replica lags by more than 10 s, so it is not expected to have what the session has seen.
    SessionLagTooHigh = "session-lag-too-high",
    /// The replica reports no lag, but it lacks older writes of the home. Its replication has stopped.
    LagStalled = "lag-stalled",
    /// The region does not reach the home, so its replica gets no new writes.
    PeerUnreachable = "peer-unreachable",

    // Isolation drills.
    /// The request takes part in an isolation drill. Some regions count as unreachable for it.
    Drill = "drill",
    /// The region counts as unreachable in an isolation drill, so nothing is sent there.
    DrillUnreachable = "drill-unreachable",

    // How the home was found.
    /// The session names the home.
    HomeFromSession = "home-from-session",
    /// This isolate remembers the home.
    HomeFromMemory = "home-from-memory",
    /// The home store (KV) names the home.
    HomeFromStore = "home-from-store",
    /// The directory names the home. The home store does not have it yet.
    HomeFromDirectory = "home-from-directory",
    /// The subject had no home. The directory assigned one.
    HomeAssigned = "home-assigned",
    /// The client has named too many new subjects, so this one gets no home for now.
    TooManySubjects = "too-many-subjects",
    /// The directory failed or was too slow.
    DirectoryFailed = "directory-failed",
    /// The home store (KV) failed or was too slow.
    HomeLookupFailed = "home-lookup-failed",
    /// The home store (KV) holds no valid home for the subject.
    HomeInvalid = "home-invalid",
    /// The home store (KV) failed, so the edge used the home that it last knew.
    HomeLastKnown = "home-last-known",

    // What the session said.
    /// The request has no session.
    SessionAbsent = "session-absent",
    /// The session is valid.
    SessionValid = "session-valid",
    /// The session is not signed with this router's keys.
    SessionForged = "session-forged",
    /// The session has expired.
    SessionExpired = "session-expired",
    /// The edge cannot read the session.
    SessionMalformed = "session-malformed",
    /// A later version issued the session. It stays as it is, and reads that need it go to the home.
    SessionLater = "session-later",
    /// The request has several valid sessions, so the edge trusts none of them.
    SessionAmbiguous = "session-ambiguous",
    /// A redirect from another host of the application brought pins along.
    SessionCarried = "session-carried",
    /// The pins in the URL are not signed for this host, or are older than 60 s. The edge ignores them.
    CarriedNotBelieved = "carried-not-believed",
    /// The URL contained pins from another host. The browser is redirected to the URL without them.
    AddressCleaned = "address-cleaned",
    /// A pin ends later than any pin may, so the edge ignores it.
    PinNotBelieved = "pin-not-believed",

    // The edge cache.
    /// A stored response answers.
    CacheHit = "cache-hit",
    /// An expired stored response answers while the edge fetches a new one.
    CacheUpdating = "cache-updating",
    /// The regions failed, so an expired stored response answers.
    CacheStale = "cache-stale",
    /// The edge has no stored response.
    CacheMiss = "cache-miss",
    /// The stored response has expired.
    CacheExpired = "cache-expired",
    /// The stored response may be older than the session or the dataset allows.
    CacheTooOld = "cache-too-old",
    /// The client wants a newer response than the stored one.
    CacheNotWanted = "cache-not-wanted",
    /// No stored response matches the request's fields (`Vary`).
    CacheVaryMiss = "cache-vary-miss",
    /// The edge has other parts of the response than the request asks for.
    CachePartial = "cache-partial",
    /// The client cannot decode the stored response.
    CacheUndecodable = "cache-undecodable",
    /// The origin confirmed a stored response that the edge can no longer read. The edge asks for a new one.
    CacheLost = "cache-lost",
    /// The edge cache takes no part in this request.
    CacheBypass = "cache-bypass",
    /// Answers to this method never come from the cache.
    CacheMethod = "cache-method",

    // Refusals.
    /// The request has passed through this router too often.
    Loop = "loop",
    /// The URL is too long.
    UrlTooLong = "url-too-long",
    /// The request has too many header fields, or they are too large.
    HeadersTooLarge = "headers-too-large",
    /// A GET or HEAD request has a body.
    BodyOnGet = "body-on-get",
    /// The client sent the body too slowly, or stopped.
    RequestIncomplete = "request-incomplete",
    /// The client broke the body off, or its length is not the announced one.
    RequestBroken = "request-broken",
    /// The router cannot read the URL.
    BadRequest = "bad-request",
    /// Only the router may ask this address.
    NotForClients = "not-for-clients",
    /// Servers read this path in several ways, and those lead to different routes.
    AmbiguousPath = "ambiguous-path",
    /// The request asks not to be forwarded (`Max-Forwards`), so the router answers.
    MaxForwards = "max-forwards",
    /// The router does not forward this method.
    MethodNotAllowed = "method-not-allowed",
    /// The client wants a stored response or none, and no stored response may answer.
    OnlyIfCached = "only-if-cached",
    /// The router itself failed. The log has the cause.
    Internal = "internal",
}

impl Token {
    /// Whether it tells of trouble, even where the request was answered: the dashboard marks such requests.
    #[must_use]
    pub const fn is_trouble(self) -> bool {
        matches!(
            self,
            Self::FailoverConnect
                | Self::FailoverTimeout
                | Self::FailoverBroken
                | Self::FailoverStatus
                | Self::Retried
                | Self::AllRegionsFailed
                | Self::HomeDown
                | Self::HomeDownStale
                | Self::HomeUnknown
                | Self::HomeUnknownNearest
                | Self::HomeLookupFailed
                | Self::HomeInvalid
                | Self::HomeLastKnown
                | Self::DirectoryFailed
                | Self::WriteUnknown
                | Self::WriteNotSent
                | Self::Misdirected
                | Self::MisdirectedInVain
                | Self::DeadlineExceeded
                | Self::BreakerOpen
                | Self::BreakerRamp
                | Self::LastResort
                | Self::RegionFull
                | Self::RetryBudgetSpent
                | Self::LagOverBound
                | Self::DrillUnreachable
                | Self::SessionForged
                | Self::SessionMalformed
                | Self::SessionAmbiguous
                | Self::PinNotBelieved
                | Self::ClockAhead
                | Self::CacheStale
                | Self::Internal
        )
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
