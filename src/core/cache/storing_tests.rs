use super::*;
use crate::http::edits::Edit;
use crate::{
    cache::{coding::Coding, lookup::Lookup, vary::SelectingFields},
    http::cookies::Cookies,
};

const SENT: Timestamp = Timestamp(784_111_777_000);
const CAME: Timestamp = Timestamp(784_111_777_500);

/// A response as it came, within the bounds that hold where nobody says otherwise.
fn came<'a>(status: u16, headers: &'a Headers<'a>, lookup: &'a Lookup) -> Storing<'a> {
    Storing {
        status,
        headers,
        framing: Framing::Delimited,
        asked: SENT,
        now: CAME,
        region: "eu",
        epoch: Epoch::FIRST,
        shows: Vec::new(),
        at_most: None,
        largest: LARGEST,
        cookies: false,
        lookup,
    }
}

fn stored(status: u16, lookup: &Lookup, fields: &[(&str, &str)]) -> Result<(Duration, Vec<String>), NotStorable> {
    let headers = Headers(fields.to_vec());
    let (variant, edits) = store(&came(status, &headers, lookup))?;
    let removed = edits.iter().filter_map(|edit| match edit {
        Edit::Remove(name) => Some(name.to_owned()),
        _ => None,
    });
    Ok((variant.fresh, removed.collect()))
}

fn plain(status: u16, fields: &[(&str, &str)]) -> Result<u64, NotStorable> {
    stored(status, &Lookup::default(), fields).map(|(fresh, _)| fresh.as_secs())
}

const FRESH: (&str, &str) = ("cache-control", "max-age=10");
const TAG: (&str, &str) = ("etag", "\"1\"");
const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
const MODIFIED: (&str, &str) = ("last-modified", "Sun, 06 Nov 1994 08:47:57 GMT");

#[test]
fn what_a_shared_cache_must_not_store() {
    // RFC 9111 section 3.
    for status in [100, 206, 226, 304] {
        assert_eq!(plain(status, &[FRESH]), Err(NotStorable::Status));
    }
    for control in ["private", "no-store", "no-cache", "private, no-cache=\"set-cookie\""] {
        assert_eq!(plain(200, &[FRESH, ("cache-control", control)]), Err(NotStorable::Control), "{control}");
    }
    assert_eq!(plain(200, &[FRESH, ("set-cookie", "a=b")]), Err(NotStorable::SetCookie));
    assert_eq!(plain(200, &[FRESH, ("vary", "*")]), Err(NotStorable::Vary));
    assert_eq!(plain(200, &[]), Err(NotStorable::NoFreshness));
    assert_eq!(plain(200, &[TAG]), Err(NotStorable::NoFreshness), "a tag alone is no permission");
    assert_eq!(plain(200, &[("expires", "0")]), Err(NotStorable::Stale));
    assert_eq!(plain(200, &[FRESH, ("age", "10")]), Err(NotStorable::Stale));
}

#[test]
fn a_status_that_speaks_of_the_resource_may_be_stored_by_its_own_word() {
    for status in [200, 204, 299, 302, 307, 404, 405, 410, 414, 451] {
        assert_eq!(plain(status, &[FRESH]), Ok(10), "{status}");
    }
    // Section 5.2.2.3.
    assert_eq!(plain(299, &[("cache-control", "max-age=10, must-understand")]), Err(NotStorable::Status));
    assert_eq!(plain(200, &[("cache-control", "max-age=10, must-understand, no-store")]), Ok(10));
}

#[test]
fn what_one_clients_request_has_brought_about_is_nobody_elses_answer() {
    // A hostile client sends what makes the origin refuse; everybody else must still get the resource.
    let public = ("cache-control", "public, max-age=60, s-maxage=60");
    let of_one_request = [
        226, 400, 401, 402, 403, 406, 407, 408, 409, 411, 412, 413, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426,
        428, 429, 431, 499,
    ];
    for status in of_one_request {
        assert_eq!(plain(status, &[public, TAG]), Err(NotStorable::Status), "{status}");
        let for_errors = ("cache-control", "max-age=60, stale-if-error=60");
        assert_eq!(plain(status, &[for_errors]), Err(NotStorable::Status), "{status}");
    }
}

#[test]
fn a_failure_is_stored_by_its_own_word_and_for_seconds() {
    // One client can make an origin fail whose every answer says that it is fresh for long, and good enough when all else fails.
    let public = ("cache-control", "public, max-age=60, s-maxage=60, stale-while-revalidate=60, stale-if-error=60");
    for status in [500, 502, 503, 504, 505, 511, 599] {
        let headers = Headers(vec![public]);
        let lookup = Lookup::default();
        let (copy, _) = store(&came(status, &headers, &lookup)).unwrap();
        assert_eq!(
            (copy.fresh - copy.age, copy.while_revalidate, copy.if_error, copy.reuse),
            (FAILURE, Duration::ZERO, None, Reuse::Never),
            "{status}"
        );
        assert_eq!(plain(status, &[("cache-control", "max-age=5")]), Ok(5), "{status}");
        // RFC 9110 section 10.2.3: then its origin is to be asked again.
        for (after, lasts) in [("3", 3), ("60", 10), ("Sun, 06 Nov 1994 08:49:42 GMT", 5), ("soon", 10)] {
            let headers = Headers(vec![public, ("retry-after", after)]);
            let (copy, _) = store(&came(status, &headers, &lookup)).unwrap();
            assert_eq!((copy.fresh - copy.age).as_millis().div_ceil(1000), lasts, "{status}: {after}");
        }
        // It may have failed at what only that client brings.
        for known in [Lookup { cookies: true, ..lookup.clone() }, Lookup { authorized: true, ..lookup.clone() }] {
            assert_eq!(stored(status, &known, &[public]), Err(NotStorable::Status), "{status}");
        }
        let headers = Headers(vec![public, TAG]);
        let (copy, _) = store(&came(status, &headers, &lookup)).unwrap();
        assert!(kept_for(std::iter::once(&copy), CAME) <= 10, "{status}: an expired one is in nobody's way");
        // RFC 9111 section 4.2.2: `public` permits a guess.
        assert_eq!(plain(status, &[DATE, MODIFIED, ("cache-control", "public")]), Ok(10), "{status}");
        for silent in [&[][..], &[TAG], &[DATE, MODIFIED], &[("expires", "Sun, 06 Nov 2050 08:49:37 GMT")]] {
            assert_eq!(plain(status, silent), Err(NotStorable::Status), "{status}: its Cache-Control says nothing");
        }
    }
    // 501 says what the server can do, whoever asks (RFC 9110 section 15.6.2).
    assert_eq!(plain(501, &[public]), Ok(60));
}

fn of_range(status: u16, fields: &[(&str, &str)]) -> Result<(Option<Slice>, String), NotStorable> {
    let mut lookup = Lookup::default();
    lookup.conditions.range = Some("bytes=-5".to_owned());
    let asked = Headers(vec![("range", "bytes=-5")]);
    lookup.fields = crate::cache::vary::SelectingFields::of(&asked, &crate::http::cookies::Cookies::of(&asked));
    let headers = Headers([&[FRESH], fields].concat());
    store(&came(status, &headers, &lookup)).map(|(copy, _)| (copy.part, copy.selecting.into_owned()))
}

#[test]
fn of_a_range_only_the_part_and_the_whole_are_stored() {
    for status in [204, 302, 404, 416] {
        assert_eq!(of_range(status, &[]), Err(NotStorable::Status), "{status}");
    }
    assert_eq!(of_range(200, &[]), Ok((None, String::new())));
    let last = ("content-range", "bytes 5-9/10");
    let part = Ok((Some(Slice { from: 5, length: 5, whole: 10 }), String::new()));
    assert_eq!(of_range(206, &[last]), part);
    assert_eq!(of_range(206, &[last, ("content-length", "5")]), part);
    assert_eq!(of_range(206, &[("content-range", "bytes 0-16777216/99999999")]), Err(NotStorable::Size));
}

#[test]
fn what_does_not_say_which_part_it_is_answers_its_own_range_alone() {
    let alone = Ok((None, "if-range&range=bytes%3D-5".to_owned()));
    let [last, five] = [("content-range", "bytes 5-9/10"), ("content-length", "5")];
    for fields in [
        &[][..],
        &[five],
        // Of the public cache tests: by its beginning it is 4 to 8, by its end and by what was asked for 5 to 9.
        &[("content-range", "bytes 4-9/10"), five],
        &[("content-range", "bytes 5-9/*"), five],
        &[last, last, five],
        &[("content-range", "bytes 5-10/10")],
        &[("content-range", "bytes 9-5/10")],
        &[("content-range", "bytes */10")],
        &[("content-range", "lines 5-9/10")],
        &[("content-range", "bytes 5-9/18446744073709551616")],
        &[last, ("content-type", "Multipart/ByteRanges; boundary=x")],
    ] {
        assert_eq!(of_range(206, fields), alone, "{fields:?}");
    }
}

#[test]
fn cookies_are_stored_where_the_route_says_that_they_are_for_all() {
    let stored = |fields: &[(&str, &str)]| {
        let (headers, lookup) = (Headers([&[FRESH], fields].concat()), Lookup::default());
        let (copy, edits) = store(&Storing { cookies: true, ..came(200, &headers, &lookup) }).unwrap();
        assert!(edits.iter().any(|edit| edit == Edit::Remove("set-cookie")), "the store keeps nothing that has one");
        copy.cookies.into_owned()
    };
    let [a, b] = [("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2")];
    assert_eq!(stored(&[a, b]), "a=1; Path=/\nb=2");
    assert_eq!(stored(&[a, ("cache-control", "private=\"set-cookie\"")]), "");
}

#[test]
fn a_lifetime_is_guessed_from_a_date_of_change() {
    // RFC 9111 section 4.2.2, RFC 9110 section 15.1.
    for status in [200, 203, 204, 301, 404, 405, 410, 414, 501] {
        assert_eq!(plain(status, &[DATE, MODIFIED]), Ok(10), "{status}");
    }
    for status in [201, 202, 302, 451] {
        assert_eq!(plain(status, &[DATE, MODIFIED]), Err(NotStorable::NoFreshness), "{status}");
    }
    assert_eq!(plain(451, &[DATE, MODIFIED, ("cache-control", "public")]), Ok(10));
    let known = Lookup { cookies: true, ..Lookup::default() };
    assert_eq!(stored(200, &known, &[DATE, MODIFIED]), Err(NotStorable::NoFreshness));
    assert!(stored(200, &known, &[FRESH]).is_ok());
}

#[test]
fn an_authorised_answer_needs_permission() {
    // Section 3.5.
    let authorized = Lookup { authorized: true, ..Lookup::default() };
    assert_eq!(stored(200, &authorized, &[FRESH]), Err(NotStorable::Authorization));
    for permission in ["public", "s-maxage=10", "must-revalidate"] {
        assert!(stored(200, &authorized, &[FRESH, ("cache-control", permission)]).is_ok(), "{permission}");
    }
}

#[test]
fn what_may_be_half_of_a_file_or_is_too_large_is_not_stored() {
    let (lookup, mebibyte) = (Lookup::default(), 1024 * 1024);
    let within = |largest, framing, length: Option<u64>| {
        let length = length.map(|length| length.to_string());
        let headers =
            Headers(std::iter::once(FRESH).chain(length.as_deref().map(|length| ("content-length", length))).collect());
        let (status, asked, now, region, epoch) = (200, SENT, CAME, "eu", Epoch::FIRST);
        let (shows, at_most, headers, lookup) = (Vec::new(), None, &headers, &lookup);
        store(&Storing {
            status,
            headers,
            framing,
            asked,
            now,
            region,
            epoch,
            shows,
            at_most,
            largest,
            cookies: false,
            lookup,
        })
        .map(|_| ())
        .err()
    };
    let sized = |framing, length| within(LARGEST, framing, length);
    // An origin that dies in the middle of such a body ends it like a whole one.
    assert_eq!(sized(Framing::UntilClose, None), Some(NotStorable::Framing));
    assert_eq!(sized(Framing::Delimited, None), None);
    assert_eq!(sized(Framing::Delimited, Some(16 * mebibyte)), None);
    assert_eq!(sized(Framing::Delimited, Some(16 * mebibyte + 1)), Some(NotStorable::Size));
    // What its route says goes before that, either way.
    assert_eq!(within(64 * mebibyte, Framing::Delimited, Some(64 * mebibyte)), None);
    assert_eq!(within(64 * mebibyte, Framing::Delimited, Some(64 * mebibyte + 1)), Some(NotStorable::Size));
    assert_eq!(within(mebibyte, Framing::Delimited, Some(2 * mebibyte)), Some(NotStorable::Size));
}

#[test]
fn a_limit_of_the_regions_lag_goes_before_what_the_response_says() {
    let (lookup, control) =
        (Lookup::default(), [("cache-control", "max-age=60, stale-while-revalidate=60"), ("age", "5")]);
    let headers = Headers(control.to_vec());
    let limited = |at_most: Option<u64>| {
        let at_most = at_most.map(Duration::from_secs);
        let (asked, now, region, epoch) = (SENT, SENT, "eu", Epoch::FIRST);
        let storing = Storing {
            status: 200,
            headers: &headers,
            framing: Framing::Delimited,
            asked,
            now,
            region,
            epoch,
            shows: Vec::new(),
            at_most,
            largest: LARGEST,
            cookies: false,
            lookup: &lookup,
        };
        store(&storing).map(|(variant, _)| (variant.fresh.as_secs(), variant.while_revalidate.as_secs()))
    };
    assert_eq!(limited(None), Ok((60, 60)));
    assert_eq!(limited(Some(55)), Ok((60, 60)));
    assert_eq!(limited(Some(3)), Ok((8, 0)), "from now on, and it is used no longer behind an answer");
    assert_eq!(limited(Some(0)), Err(NotStorable::Stale));
}

#[test]
fn what_can_be_asked_about_is_stored_though_it_is_stale_or_no_cache() {
    assert_eq!(plain(200, &[("cache-control", "no-cache"), TAG]), Ok(0));
    assert_eq!(plain(200, &[("cache-control", "max-age=0"), MODIFIED]), Ok(0));
}

#[test]
fn fields_that_must_not_be_stored_are_left_out() {
    // Section 3.1, and the qualified forms of no-cache and private.
    let control = ("cache-control", "max-age=10, no-cache=\"a\", private=\"set-cookie, b\"");
    let fields = [
        control,
        ("a", "1"),
        ("b", "2"),
        ("c", "3"),
        ("set-cookie", "x=y"),
        ("connection", "d"),
        ("d", "4"),
        ("age", "1"),
    ];
    let (_, removed) = stored(200, &Lookup::default(), &fields).unwrap();
    for name in ["a", "b", "set-cookie", "connection", "d", "age"] {
        assert!(removed.iter().any(|gone| gone == name), "{name}");
    }
    assert!(!removed.iter().any(|gone| gone == "c"));
}

#[test]
fn what_is_stored_says_nothing_that_the_store_or_those_behind_it_would_take_for_theirs() {
    // A store decodes what says that it is coded; the two targeted fields are for this cache alone.
    let fields = [
        ("content-encoding", "gzip"),
        ("cloudflare-cdn-cache-control", "max-age=60"),
        ("surrogate-control", "max-age=5"),
        ("cdn-cache-control", "max-age=7"),
        FRESH,
    ];
    let (fresh, removed) = stored(200, &Lookup::default(), &fields).unwrap();
    assert_eq!(fresh, Duration::from_secs(60));
    for (name, _) in &fields[..4] {
        assert!(removed.iter().any(|gone| gone == name), "{name} in {removed:?}");
    }
}

#[test]
fn what_another_cache_has_kept_was_made_before_it_was_asked_for() {
    // Else a session takes it for later than the write that it lacks.
    let fields = [FRESH, ("age", "7")];
    let headers = Headers(fields.to_vec());
    let lookup = Lookup::default();
    let (variant, _) = store(&came(200, &headers, &lookup)).unwrap();
    assert_eq!((variant.made, variant.came), (Timestamp(SENT.0 - 7000), CAME));
}

#[test]
fn what_has_selected_a_variant_goes_on_selecting_it_and_so_does_what_a_304_adds() {
    // A 304 that names other fields than the answer it stands for would give one reader's variant to another.
    let asks = |theme: &str| Lookup {
        fields: SelectingFields::of(
            &Headers(vec![("x-theme", theme), ("x-size", "s")]),
            &Cookies::of(&Headers(Vec::new())),
        ),
        ..Lookup::default()
    };
    let dark = asks("dark");
    let headers = Headers(vec![FRESH, TAG, ("vary", "X-Theme")]);
    let (old, _) = store(&came(200, &headers, &dark)).unwrap();
    for (vary, selecting) in [
        (Some("X-Size"), "x-theme=dark&x-size=s"),
        (Some("X-Theme"), "x-theme=dark"),
        (Some("X-Size, X-Theme"), "x-theme=dark&x-size=s"),
        (None, "x-theme=dark"),
    ] {
        let said = Headers([FRESH, TAG].into_iter().chain(vary.map(|vary| ("vary", vary))).collect());
        let new = confirm(&came(200, &said, &dark), &old).unwrap();
        assert_eq!(new.selecting, selecting);
        assert!(!Selector::of(&asks("light").fields, Coding::Identity).selects(&new.selecting, None));
    }
    let many = (0..MOST_MEMBERS).map(|n| format!("x-{n}")).collect::<Vec<_>>().join(", ");
    let said = Headers(vec![FRESH, TAG, ("vary", many.as_str())]);
    assert_eq!(confirm(&came(200, &said, &dark), &old).map(|_| ()), Err(NotStorable::Vary));
}

#[test]
fn a_304_that_names_fewer_owners_leaves_what_was_known_of_the_others() {
    let shows = |text: &str| Shows::read_all(text).unwrap();
    let (headers, lookup) = (Headers(vec![FRESH, TAG]), Lookup::default());
    let of = |text: &str| Storing { shows: shows(text), ..came(200, &headers, &lookup) };
    let each = crate::model::epoch::Epoch::OF_EACH_OWNER.0;
    let (old, _) = store(&of(&format!("us:{each}:11:11,eu:{each}:4:4"))).unwrap();
    let new = confirm(&of(&format!("us:{each}:12:12")), &old).unwrap();
    assert_eq!(new.shows, shows(&format!("us:{each}:12:12,eu:{each}:4:4")));
}

/// The store keeps an entry until nothing of it is of use: fresh, shown meanwhile, shown in place of a failure, or worth a question.
#[test]
fn an_entry_is_kept_as_long_as_one_of_its_variants_is_of_use() {
    let old = |fresh: u64| Variant {
        made: CAME,
        came: CAME,
        reuse: Reuse::Never,
        fresh: Duration::from_secs(fresh),
        ..Variant::with(&[])
    };
    let during = Variant { while_revalidate: Duration::from_secs(50), ..old(10) };
    let failing = Variant { if_error: Some(Duration::from_secs(70)), ..old(10) };
    let tagged = Variant {
        fresh: Duration::from_secs(10),
        reuse: Reuse::Never,
        came: CAME,
        made: CAME,
        ..Variant::with(&[("etag", "\"a\"")])
    };
    let kept =
        |variants: &[Variant<'static>], later: u64| kept_for(variants.iter(), CAME.after(Duration::from_secs(later)));
    assert_eq!([0, 4, 10].map(|later| kept(&[old(10)], later)), [10, 6, 1]);
    assert_eq!((kept(std::slice::from_ref(&during), 0), kept(&[failing, during], 20)), (60, 70));
    assert_eq!(kept(&[old(10), tagged], 0), 10 + VALIDATED.as_secs());
    assert_eq!(kept(&[Variant { reuse: Reuse::Allowed, ..old(10) }], 0), 10 + GRACE.as_secs());
    assert_eq!(kept(&[old(2 * LONGEST_KEPT)], 0), LONGEST_KEPT);
}
