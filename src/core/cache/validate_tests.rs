use super::*;
use crate::model::time::Timestamp;

fn variant(fields: &[(&str, &'static str)]) -> Variant<'static> {
    Variant { came: Timestamp(784_111_777_000), ..Variant::with(fields) }
}

fn client(none_match: Option<&str>, since: Option<&str>) -> Conditions {
    Conditions {
        if_none_match: none_match.map(str::to_owned),
        if_modified_since: since.map(str::to_owned),
        ..Conditions::default()
    }
}

const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AFTER: &str = "Sunday, 06-Nov-94 08:49:38 GMT";

#[test]
fn a_tag_of_the_clients_is_compared_weakly_and_comes_before_a_date() {
    // RFC 9110 sections 13.1.2, 13.1.3 and 13.2.2.
    let stored = variant(&[("etag", "\"a,b\""), ("last-modified", THEN)]);
    for held in ["\"a,b\"", "W/\"a,b\"", "\"x\", \"a,b\"", "*"] {
        assert!(client_has(&stored, &client(Some(held), Some(BEFORE))), "{held}");
    }
    assert!(!client_has(&stored, &client(Some("\"x\", \"a\""), Some(AFTER))));
    assert!(!client_has(&Variant { status: 404, ..stored }, &client(Some("*"), None)));
}

#[test]
fn a_date_of_the_clients_is_held_against_the_best_that_is_known() {
    // RFC 9111 section 4.3.2.
    for stored in [variant(&[("last-modified", THEN), ("date", AFTER)]), variant(&[("date", THEN)]), variant(&[])] {
        assert!(client_has(&stored, &client(None, Some(THEN))) && client_has(&stored, &client(None, Some(AFTER))));
        assert!(!client_has(&stored, &client(None, Some(BEFORE))) && !client_has(&stored, &client(None, Some("now"))));
    }
}

#[test]
fn the_origin_is_asked_about_what_is_stored() {
    // RFC 9111 section 4.3.1.
    let stored = variant(&[("etag", "W/\"a\""), ("last-modified", THEN)]);
    let set = |client: &Conditions| {
        let mut edits = Edits::default();
        add_conditions(&stored, client, &mut edits);
        let value = |name| edits.set_to(name).map(str::to_owned);
        (value("if-none-match").unwrap(), value("if-modified-since").unwrap())
    };
    assert_eq!(set(&client(None, Some(AFTER))), ("W/\"a\"".to_owned(), THEN.to_owned()));
    assert_eq!(set(&client(Some("\"b\", \"c\""), None)).0, "W/\"a\", \"b\", \"c\"");
    assert_eq!(set(&client(Some("\"a\""), None)).0, "W/\"a\"");
    assert_eq!(set(&client(Some("*"), None)).0, "W/\"a\"");
}

#[test]
fn a_304_confirms_only_what_it_names() {
    // RFC 9111 section 4.3.4.
    let said = |tag: Option<&'static str>| Headers(tag.map(|tag| ("etag", tag)).into_iter().collect());
    let tagged = variant(&[("etag", "\"a\"")]);
    let dated = variant(&[("last-modified", THEN)]);
    let nobody = client(None, None);
    assert_eq!(confirms(&said(Some("\"a\"")), &tagged, &nobody), Confirms::Stored);
    assert_eq!(confirms(&said(None), &tagged, &nobody), Confirms::Stored);
    assert_eq!(confirms(&said(None), &dated, &nobody), Confirms::Stored);
    assert_eq!(confirms(&said(Some("\"b\"")), &tagged, &nobody), Confirms::Contradictory);
    let both = variant(&[("etag", "\"a\""), ("last-modified", THEN)]);
    assert_eq!(confirms(&said(Some("\"b\"")), &both, &nobody), Confirms::Nothing);
    assert_eq!(confirms(&said(Some("\"b\"")), &dated, &nobody), Confirms::Nothing);
    let holder = client(Some("\"b\""), None);
    assert_eq!(confirms(&said(Some("\"b\"")), &tagged, &holder), Confirms::Client);
    assert_eq!(confirms(&said(Some("\"a\"")), &tagged, &holder), Confirms::Stored);
    assert_eq!(confirms(&said(None), &tagged, &holder), Confirms::Client);
    assert_eq!(confirms(&said(Some("\"c\"")), &tagged, &holder), Confirms::Nothing);
}

#[test]
fn an_update_changes_all_but_what_belongs_to_the_body_or_the_connection() {
    // RFC 9111 section 3.2.
    let headers = Headers(vec![
        ("x", "1"),
        ("content-length", "0"),
        ("content-encoding", "br"),
        ("etag", "\"b\""),
        ("connection", "y"),
        ("y", "2"),
        ("homing-lag", "us=1"),
        ("set-cookie", "a=b"),
        ("x", "3"),
    ]);
    let expected = [Edit::Remove("x"), Edit::Add("x", "1"), Edit::Add("x", "3")];
    assert_eq!(updates(&headers).iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_head_is_about_the_same_representation_if_nothing_differs() {
    // RFC 9111 section 4.3.5.
    let stored = variant(&[("etag", "\"a\"")]);
    let same = |fields: &[(&'static str, &'static str)], length| {
        same_representation(&Headers(fields.to_vec()), &stored, length)
    };
    assert!(
        same(&[], Some(3))
            && same(&[("etag", "\"a\""), ("content-length", "3")], Some(3))
            && same(&[("content-length", "3")], None)
    );
    assert!(
        !same(&[("etag", "\"b\"")], None)
            && !same(&[("content-length", "4")], Some(3))
            && !same(&[("last-modified", THEN)], None)
    );
}

/// RFC 9111 section 3.2: a field that comes takes the place of the stored one, and what is not said stays. Tag and coding are the body's.
#[test]
fn a_304_updates_the_fields_that_it_brings() {
    let old = variant(&[
        ("etag", "\"a\""),
        ("cache-control", "max-age=1"),
        ("last-modified", THEN),
        ("content-encoding", "gzip"),
    ]);
    let new = Headers(vec![
        ("etag", "\"b\""),
        ("cache-control", "max-age=9"),
        ("content-encoding", "br"),
        ("set-cookie", "a=b"),
    ]);
    let said = |cookies: bool, name: &str| merged(&old, &new, cookies).all(name).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(said(false, "etag"), ["\"a\""]);
    assert_eq!(said(false, "content-encoding"), ["gzip"]);
    assert_eq!(said(false, "cache-control"), ["max-age=9"]);
    assert_eq!(said(false, "last-modified"), [THEN]);
    assert_eq!((said(false, "set-cookie").len(), said(true, "set-cookie").len()), (0, 1));
}

#[test]
fn a_weak_tag_that_is_new_to_us_contradicts_no_date() {
    let dated = variant(&[("last-modified", THEN)]);
    let said = |tag| confirms(&Headers(vec![("etag", tag)]), &dated, &Conditions::default());
    assert!(matches!(said("W/\"a\""), Confirms::Stored));
    assert!(matches!(said("\"a\""), Confirms::Nothing));
}
