//! Reasons as what they are: why a region was chosen, how a send failed, what speaks against a region, what is refused, what was found of
//! the session. Decisions are made by these; each has a [`Token`], by which it is told. One token may tell of several: that a region is
//! full speaks against it, and is a refusal where no other is left.

use super::token::Token;

/// Enums of which each variant has a token; behind a semicolon, one that holds another reason, and is told by that one's.
macro_rules! reasons {
    ($($(#[$meta:meta])* pub enum $name:ident {
        $($variant:ident = $token:ident),+ $(,)?
        $(; $(#[$about:meta])* $holds:ident($held:ident))?
    })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("See [`Token::", stringify!($token), "`].")] $variant,)+
            $($(#[$about])* $holds($held),)?
        }

        impl $name {
            /// Every one there is that has a token of its own.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// By which it is told.
            #[must_use]
            pub const fn token(self) -> Token {
                match self {
                    $(Self::$variant => Token::$token,)+
                    $(Self::$holds(held) => $held::token(held),)?
                }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                // Of all sentences only these are in the binary where nothing else asks for others.
                match self {
                    $(Self::$variant => const { Token::$token.sentence() },)+
                    $(Self::$holds(held) => $held::sentence(held),)?
                }
            }
        }
    )+};
}

reasons! {
    /// How a send failed.
    pub enum Failure {
        Connect = FailoverConnect,
        Timeout = FailoverTimeout,
        Broken = FailoverBroken,
        Status = FailoverStatus,
    }

    /// Why a region was chosen.
    pub enum Choice {
        Nearest = Nearest,
        Home = Home,
        NearestOwner = NearestOwner,
        OwnWritesOwner = OwnWritesOwner,
        PinnedHome = PinnedHome,
        RouteHome = RouteHome,
        DefaultHome = DefaultHome,
        Unidentified = Unidentified,
        PositionReached = PositionReached,
        PositionExpected = PositionExpected,
        PositionAwaited = PositionAwaited,
        PositionOfOldEpoch = PositionOfOldEpoch,
        PositionOfLaterEpoch = PositionOfLaterEpoch,
        HomeUnknownNearest = HomeUnknownNearest,
        HomeDownStale = HomeDownStale,
        LastResort = LastResort,
        Misdirected = Misdirected,
        SubjectNamed = SubjectNamed,
        Retried = Retried,
        Behind = PositionNotReached,
        Drill = DrillUnreachable;
        /// The one before it has failed, in that way.
        After(Failure)
    }

    /// What speaks against a region: it was not asked, or others come first.
    pub enum Exclusion {
        RegionDown = RegionDown,
        RegionReadOnly = RegionReadOnly,
        RegionDraining = RegionDraining,
        RegionIsolated = RegionIsolated,
        RegionUnreachable = RegionUnreachable,
        RegionFull = RegionFull,
        BreakerOpen = BreakerOpen,
        BreakerRamp = BreakerRamp,
        LagOverBound = LagOverBound,
        LagTooHigh = LagTooHigh,
        SessionLagTooHigh = SessionLagTooHigh,
        LagStalled = LagStalled,
        PeerUnreachable = PeerUnreachable,
        PositionNotReached = PositionNotReached,
        GivenByCache = GivenByCache,
        Drill = DrillUnreachable,
    }

    /// What the router refuses; its status is in `http/problem.rs`.
    pub enum Refusal {
        Loop = Loop,
        MethodNotAllowed = MethodNotAllowed,
        MaxForwards = MaxForwards,
        UrlTooLong = UrlTooLong,
        HeadersTooLarge = HeadersTooLarge,
        BodyOnGet = BodyOnGet,
        RequestIncomplete = RequestIncomplete,
        RequestBroken = RequestBroken,
        BadRequest = BadRequest,
        AmbiguousPath = AmbiguousPath,
        NotForClients = NotForClients,
        OnlyIfCached = OnlyIfCached,
        TooManySubjects = TooManySubjects,
        HomeUnknown = HomeUnknown,
        HomeDown = HomeDown,
        RegionDown = RegionDown,
        RegionReadOnly = RegionReadOnly,
        RegionFull = RegionFull,
        BreakerOpen = BreakerOpen,
        LagOverBound = LagOverBound,
        PositionNotReached = PositionNotReached,
        GivenByCache = GivenByCache,
        AllRegionsFailed = AllRegionsFailed,
        DeadlineExceeded = DeadlineExceeded,
        NotFinal = NotFinal,
        WriteNotSent = WriteNotSent,
        WriteUnknown = WriteUnknown,
        MisdirectedInVain = MisdirectedInVain,
        SubjectNamedInVain = SubjectNamedInVain,
        DrillUnreachable = DrillUnreachable,
        Internal = Internal,
    }

    /// What was found of the session.
    pub enum Verdict {
        Absent = SessionAbsent,
        Valid = SessionValid,
        Forged = SessionForged,
        Expired = SessionExpired,
        Malformed = SessionMalformed,
        Later = SessionLater,
        Ambiguous = SessionAmbiguous,
    }

    /// Where a home is known from.
    pub enum HomeSource {
        Session = HomeFromSession,
        Memory = HomeFromMemory,
        Store = HomeFromStore,
        Directory = HomeFromDirectory,
        Assigned = HomeAssigned,
        LastKnown = HomeLastKnown,
    }

    /// Why a home was not found.
    pub enum HomeTrouble {
        LookupFailed = HomeLookupFailed,
        DirectoryFailed = DirectoryFailed,
        Invalid = HomeInvalid,
        TooManySubjects = TooManySubjects,
    }

    /// What else is told of a request.
    pub enum Note {
        Carried = SessionCarried,
        CarriedNotBelieved = CarriedNotBelieved,
        AddressCleaned = AddressCleaned,
        PinNotBelieved = PinNotBelieved,
        Drill = Drill,
        SubjectNamed = SubjectNamed,
        CacheLost = CacheLost,
        RetryBudgetSpent = RetryBudgetSpent,
        ReadThatWrote = ReadThatWrote,
        PositionMalformed = PositionMalformed,
        PositionUnowned = PositionUnowned,
        ClockAhead = ClockAhead,
        ClockMalformed = ClockMalformed,
    }
}

/// Why a request left its nearest region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// Another was chosen, and not for being near.
    Chosen(Choice),
    /// Any replica would do, and this speaks against the nearest.
    Against(Exclusion),
    /// Any replica would do, and the nearest had failed.
    Failed(Failure),
    /// The data may not be in the nearest.
    Residency,
}

impl Crossing {
    /// Why a request that is sent elsewhere leaves its nearest region: that for which the other was chosen, or, where any replica would
    /// do, what speaks against the nearest.
    #[must_use]
    pub fn of(choice: Choice, nearest: Option<Self>) -> Self {
        match choice {
            Choice::Nearest => nearest.unwrap_or(Self::Residency),
            choice => Self::Chosen(choice),
        }
    }

    /// By which it is told.
    #[must_use]
    pub const fn token(self) -> Token {
        match self {
            Self::Chosen(choice) => choice.token(),
            Self::Against(exclusion) => exclusion.token(),
            Self::Failed(failure) => failure.token(),
            Self::Residency => Token::Residency,
        }
    }
}

impl Token {
    /// Whether it tells of a send that failed.
    #[must_use]
    pub fn is_failure(self) -> bool {
        self.failure().is_some()
    }

    /// The failed send that it tells of.
    pub(crate) fn failure(self) -> Option<Failure> {
        Failure::ALL.iter().copied().find(|failure| failure.token() == self)
    }
}
