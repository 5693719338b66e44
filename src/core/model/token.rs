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
    /// The region nearest to the edge that received the request.
    Nearest = "nearest",
    /// The home of the data.
    Home = "home",
    /// The nearest region that owns the multi-writer dataset.
    NearestOwner = "nearest-owner",
    /// The nearest region may not hold the data; said of locality, for the next nearest is as good.
    Residency = "residency",
    /// The session wrote a moment ago, so the read goes home.
    PinnedHome = "pinned-home",
    /// The copy is known to have reached what the session has seen, and nearer ones are not.
    PositionReached = "position-reached",
    /// The copy should have reached what the session has seen by now; its origin checks it.
    PositionExpected = "position-expected",
    /// The copy should have reached what the session has seen in a moment, which the route allows to wait and going home takes longer.
    PositionAwaited = "position-awaited",
    /// The copy has not reached what the session has seen.
    PositionNotReached = "position-not-reached",
    /// A cache between here and the region gave the answer, which may be older than what was promised.
    GivenByCache = "given-by-cache",
    /// What the session has seen was written under an earlier owner, and no nearer copy is known to have what is left of that.
    PositionOfOldEpoch = "position-of-old-epoch",
    /// The session has seen what a later owner wrote that nobody here has heard of; the home is looked up, and who is said to have written it is asked.
    PositionOfLaterEpoch = "position-of-later-epoch",
    /// The origin's position cannot be read; a window does in its place.
    PositionMalformed = "position-malformed",
    /// The origin's position does not say by which epoch it counts, so it is not used.
    PositionUnowned = "position-unowned",
    /// The route sends every read home.
    RouteHome = "route-home",
    /// No dataset claims the request, so it goes to the default home.
    DefaultHome = "default-home",
    /// Nobody has said whose request this is, so it goes to the home of the unidentified.
    Unidentified = "unidentified",
    /// The home could not be found out, so a read goes to the nearest region.
    HomeUnknownNearest = "home-unknown-nearest",
    /// The home could not be found out, and nothing else will do.
    HomeUnknown = "home-unknown",
    /// The request was sent as a read, and its origin says that it wrote; `/_homing/api/suggestions` has the route to add.
    ReadThatWrote = "read-that-wrote",
    /// The origin does not own this and named the owner, at a higher epoch.
    Misdirected = "misdirected",
    /// The origin does not own this, and what it named cannot be followed.
    MisdirectedInVain = "misdirected-in-vain",
    /// The origin said whose this is, so it went on, once, as that subject's.
    SubjectNamed = "subject-named",
    /// The origin said whose this is, and the request cannot be sent once more; the session knows now.
    SubjectNamedInVain = "subject-named-in-vain",

    // What went wrong on the way.
    /// No connection to the region came about, so nothing was sent.
    FailoverConnect = "failover-connect",
    /// The region did not answer in time.
    FailoverTimeout = "failover-timeout",
    /// The connection was refused, was closed as it was used, or broke before the answer was whole.
    FailoverBroken = "failover-broken",
    /// The region answered with a gateway failure.
    FailoverStatus = "failover-status",
    /// It was sent to the same region once more: an idempotent write, or a read whose connection had been closed.
    Retried = "retried",
    /// Every region that may answer failed.
    AllRegionsFailed = "all-regions-failed",
    /// The home is down and the route refuses stale reads.
    HomeDown = "home-down",
    /// The home is down and the route allows a stale read from elsewhere.
    HomeDownStale = "home-down-stale",
    /// The write was not answered; it may or may not have happened.
    WriteUnknown = "write-unknown",
    /// The write never reached its home.
    WriteNotSent = "write-not-sent",
    /// The region sent an interim answer (1xx) or a status beyond 599, and nothing else comes out of the platform.
    NotFinal = "not-final",
    /// The time for the whole request is used up.
    DeadlineExceeded = "deadline-exceeded",
    /// The region failed several times in a row, or as often as not; its breaker is open: reads go elsewhere, and of writes one at a time goes there.
    BreakerOpen = "breaker-open",
    /// The region has come back a moment ago and gets its share of requests little by little.
    BreakerRamp = "breaker-ramp",
    /// Every region that may answer looks bad, so it is tried anyway, for a short time.
    LastResort = "last-resort",
    /// As many requests are under way to the region as its ceiling allows.
    RegionFull = "region-full",
    /// So many writes are repeated already that one more would do harm.
    RetryBudgetSpent = "retry-budget-spent",
    /// An operator has said that the region is down, so nothing is sent there.
    RegionDown = "region-down",
    /// An operator has said that the region takes no writes for now.
    RegionReadOnly = "region-read-only",
    /// An operator is draining the region, so it is read last.
    RegionDraining = "region-draining",
    /// An operator has said that the region is cut off from the others, so it is not read.
    RegionIsolated = "region-isolated",
    /// The vantage points agree that the region does not answer; it is read last.
    RegionUnreachable = "region-unreachable",
    /// It lags more than the dataset's bound allows.
    LagOverBound = "lag-over-bound",
    /// It lags by more than a minute, so it is read last.
    LagTooHigh = "lag-too-high",
    /// It lags by more than ten seconds, so it is not expected to have what the session has seen.
    SessionLagTooHigh = "session-lag-too-high",
    /// It says that it does not lag, and lacks what the home wrote a while ago.
    LagStalled = "lag-stalled",
    /// It does not reach the home, so its copy stands still.
    PeerUnreachable = "peer-unreachable",

    // Isolation drills.
    /// The request takes part in an isolation drill: regions that may be well count as unreachable for it.
    Drill = "drill",
    /// An isolation drill has this region count as unreachable, so nothing is sent there.
    DrillUnreachable = "drill-unreachable",

    // How the home was found.
    /// The session says it.
    HomeFromSession = "home-from-session",
    /// This isolate remembers it.
    HomeFromMemory = "home-from-memory",
    /// The home store (KV) says it.
    HomeFromStore = "home-from-store",
    /// The directory says it; the home store had not heard of it yet.
    HomeFromDirectory = "home-from-directory",
    /// The subject had none; the directory assigned the nearest permitted region.
    HomeAssigned = "home-assigned",
    /// The client has named too many subjects that nobody knows; a new one gets no home for now.
    TooManySubjects = "too-many-subjects",
    /// The directory failed or was too slow.
    DirectoryFailed = "directory-failed",
    /// The home store failed or was too slow.
    HomeLookupFailed = "home-lookup-failed",
    /// The home store holds something that is no permitted ownership.
    HomeInvalid = "home-invalid",
    /// An older memory was used because the home store failed.
    HomeLastKnown = "home-last-known",

    // What the session said.
    /// No session came along.
    SessionAbsent = "session-absent",
    /// The session is ours and current.
    SessionValid = "session-valid",
    /// The session's signature is not ours.
    SessionForged = "session-forged",
    /// The session has expired.
    SessionExpired = "session-expired",
    /// The session cannot be read.
    SessionMalformed = "session-malformed",
    /// A later version has issued the session: it is left as it is, and reads that sessions are promised go home.
    SessionLater = "session-later",
    /// Two sessions came that are both ours, and nobody can tell which was slipped in, so neither is believed.
    SessionAmbiguous = "session-ambiguous",
    /// A redirect from another host of the application carried pins along.
    SessionCarried = "session-carried",
    /// What is said to have been carried along from another host is not ours, not for this host, or older than a minute.
    CarriedNotBelieved = "carried-not-believed",
    /// The address had in it what another host carried along; the browser is sent on to the address without it.
    AddressCleaned = "address-cleaned",
    /// A pin reaches further ahead than any pin may, and is not believed.
    PinNotBelieved = "pin-not-believed",

    // The edge cache.
    /// A fresh copy at the edge satisfies the reader.
    CacheHit = "cache-hit",
    /// An expired copy at the edge answers once more while a new one is fetched.
    CacheUpdating = "cache-updating",
    /// No region answered; an expired copy at the edge may still be shown.
    CacheStale = "cache-stale",
    /// The edge holds no copy.
    CacheMiss = "cache-miss",
    /// The copy at the edge has expired.
    CacheExpired = "cache-expired",
    /// The copy may lack what the session has written or seen, or is older than the dataset's bound.
    CacheTooOld = "cache-too-old",
    /// The client wants a newer copy than the edge holds.
    CacheNotWanted = "cache-not-wanted",
    /// The edge holds copies, but none for a request with these fields (`Vary`).
    CacheVaryMiss = "cache-vary-miss",
    /// The edge holds parts of it, and not the one that this request asks for.
    CachePartial = "cache-partial",
    /// The copy is coded in a way that the client cannot decode.
    CacheUndecodable = "cache-undecodable",
    /// The origin has confirmed a copy that could not be read: it is asked for a new one.
    CacheLost = "cache-lost",
    /// The edge cache takes no part in this request.
    CacheBypass = "cache-bypass",
    /// The method's answers never come from the cache.
    CacheMethod = "cache-method",

    // Refusals.
    /// The request passed through this router too often.
    Loop = "loop",
    /// The URL is too long.
    UrlTooLong = "url-too-long",
    /// There are too many or too large headers.
    HeadersTooLarge = "headers-too-large",
    /// A GET or HEAD came with a body.
    BodyOnGet = "body-on-get",
    /// The client's body stood still or came too slowly.
    RequestIncomplete = "request-incomplete",
    /// The client's body broke off, or is not as long as the request says.
    RequestBroken = "request-broken",
    /// The request's URL cannot be read.
    BadRequest = "bad-request",
    /// The router alone asks the regions at this address.
    NotForClients = "not-for-clients",
    /// Servers read the path in several ways, and these lead to different routes.
    AmbiguousPath = "ambiguous-path",
    /// The client wants its question to go no further than this router (`Max-Forwards`).
    MaxForwards = "max-forwards",
    /// No request of this method passes the router.
    MethodNotAllowed = "method-not-allowed",
    /// The reader wanted a cached copy or nothing.
    OnlyIfCached = "only-if-cached",
    /// The router itself is at fault; the log has the rest.
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
