//! Kinds of fields that applications and clients have sent, and whether a trace goes on with them.
use super::*;
use crate::http::edits::Edit;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What the origin gets: the trace that it is told (`None`: a new one), and whether the state goes along.
fn told(lines: &[(&str, &str)]) -> (Option<String>, bool) {
    let headers = Headers(lines.to_vec());
    let (mut parent, mut keeps) = (headers.get("traceparent").map(str::to_owned), headers.has("tracestate"));
    let mut edits = Edits::default();
    edit(&headers, &mut Entropy::Fixed(7), &mut edits);
    for edit in edits.iter() {
        match edit {
            Edit::Set("traceparent", told) => {
                assert!(is_parent(told.as_bytes()), "{told}");
                parent = Some(told.to_owned()).filter(|told| told.contains(TRACE));
            }
            Edit::Remove("tracestate") => keeps = false,
            other => panic!("{other:?}"),
        }
    }
    (parent, keeps)
}

#[test]
fn a_trace_goes_on_as_it_came() {
    for flags in ["00", "01", "02", "03", "ff"] {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
        assert_eq!(told(&[("traceparent", &parent), ("tracestate", "a=1")]), (Some(parent.clone()), true));
    }
    // A later version may have more to say, behind a hyphen.
    for later in ["cc-T-P-01", "fe-T-P-01-more", "01-T-P-00-"] {
        let parent = later.replace('T', TRACE).replace('P', "00f067aa0ba902b7");
        let known = format!("00{}", &parent[2..55]);
        assert_eq!(
            told(&[("traceparent", &parent), ("tracestate", "a=1")]),
            (Some(known), true),
            "as what is known of it"
        );
    }
}

#[test]
fn what_names_no_trace_is_replaced_and_its_state_goes_with_it() {
    // A client writes junk into everybody's tracing, or a proxy cuts the field in half.
    let wrong = [
        "",
        "00",
        "junk",
        "00-T-P",
        "00-T-P-0",
        "00-T-P-001",
        "00-T-P-01-",
        "00-T-P-01-more",
        "00-T-P-01.",
        "0-T-P-01",
        "000-T-P-01",
        "ff-T-P-01",
        "cc-T-P-01.more",
        "g0-T-P-01",
        "00-T-P-0g",
        "00-T-P-0A",
        "00-t-P-01",
        "00_T-P-01",
        "00-T-P_01",
        "00-T0-P-01",
        "00-T-P0-01",
        "00-Z-P-01",
        "00-T-z-01",
        "00-T-00f067aa0ba902b-01",
        "00-T-00F067AA0BA902B7-01",
        "00-T-P-01, 00-T-P-01",
        "00-T-P-é1",
    ];
    for text in wrong {
        let parent = text
            .replace('t', &TRACE.to_uppercase())
            .replace('T', TRACE)
            .replace('Z', &"0".repeat(32))
            .replace('z', &"0".repeat(16))
            .replace('P', "00f067aa0ba902b7");
        assert_eq!(told(&[("traceparent", &parent), ("tracestate", "a=1")]), (None, false), "{text}");
    }
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let twice = [("traceparent", parent.as_str()), ("tracestate", "a=1"), ("traceparent", &parent)];
    assert_eq!(told(&twice), (None, false), "it came twice");
    // The state of one trace says nothing of another.
    assert_eq!(told(&[("tracestate", "a=1")]), (None, false));
}

#[test]
fn a_state_goes_on_if_all_of_it_can_be_read() {
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let state = |lines: &[&str]| {
        let lines = lines.iter().map(|line| ("tracestate", *line));
        let (parent_told, keeps) =
            told(&[("traceparent", parent.as_str())].into_iter().chain(lines).collect::<Vec<_>>());
        assert_eq!(parent_told.as_ref(), Some(&parent), "the trace is none the worse");
        keeps
    };
    let longest = "k".repeat(256);
    let many = |count: usize| (0..count).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join(",");
    for good in [
        "a=1",
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "a=1 \t, \tb=2,",
        ",a=1,,",
        "0a_-*/@=!\"#~ <>",
        "a@=1",
        "a@@b=1",
        "a=1,a=2",
        &format!("{longest}={longest}"),
        &many(32),
    ] {
        assert!(state(&[good]), "{good}");
    }
    assert!(state(&["a=1", "", "b=2"]), "several lines are one list");
    for bad in [
        "",
        " ,\t,",
        "a",
        "=1",
        "a=",
        "a==",
        "a=b=c",
        "A=1",
        "a.b=1",
        "a =1",
        "@a=1",
        "_a=1",
        "é=1",
        "a=é",
        "a=\u{1}",
        "a=1,b",
        &format!("{longest}k=1"),
        &format!("a={longest}v"),
        &many(33),
    ] {
        assert!(!state(&[bad]), "{bad}");
    }
    assert!(!state(&["a=1", "B=2"]), "one bad line");
    assert!(!state(&[&many(16), &many(17)]));
}

#[test]
fn what_leaves_does_not_tell_what_decides() {
    // Somebody at an origin takes the trace ids of her own requests and runs the generator back.
    let unshift = |number: u64, by: u32| (0..64 / by).fold(number, |undone, _| number ^ (undone >> by));
    let inverse = |number: u64| {
        // The inverses of SplitMix64's factors modulo 2^64.
        let number = unshift(number, 31).wrapping_mul(0x3196_42b2_d24d_8ec3);
        unshift(unshift(number, 27).wrapping_mul(0x96de_1b17_3f11_9089), 30)
    };
    let mut chance = Entropy::of([0x0123_4567_89ab_cdef, 3]);
    let decides = chance.draw();
    let mut begun = || {
        let mut field = String::new();
        parent(&mut field, &mut chance);
        field
    };
    let field = begun();
    let numbers = [3..19, 19..35, 36..52].map(|place| u64::from_str_radix(&field[place], 16).unwrap());
    for number in numbers.into_iter().flat_map(|number| [number, number ^ 1]) {
        for step in 0..4u64 {
            assert_ne!(inverse(number).wrapping_sub(step.wrapping_mul(0x9e37_79b9_7f4a_7c15)), decides);
        }
        assert_ne!(number, decides);
    }
    assert_ne!(field, begun(), "no two traces have one name");
    assert!(field.ends_with("-02"), "nothing records it, and it is random: {field}");
}
