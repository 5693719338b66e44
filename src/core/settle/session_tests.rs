use super::*;
use crate::topology::{error::KeyPath, parse, raw};

fn topology() -> Topology {
    let split = |kind| format!(r#"{{"ownership":"geo-partitioned","subject":"{kind}","regions":["us","eu"]}}"#);
    let vars = format!(
        r#"{{"REGIONS":{{"us":{{"origin":"https://us.example"}},"eu":{{"origin":"https://eu.example"}}}},
            "DATASETS":{{"mail":{},"notes":{},"news":{{"ownership":"single-writer","home":"us"}}}},
            "IDENTITY":{{"user":{{"response_header":"X-User"}},"tenant":{{"response_header":"X-Tenant"}}}}}}"#,
        split("user"),
        split("tenant")
    );
    parse(&raw::from_json(&vars).unwrap(), &KeyPath::default()).unwrap().0
}

fn user(name: &str) -> SubjectId {
    SubjectId::of(SubjectKind::User, name)
}

fn tenant(name: &str) -> SubjectId {
    SubjectId::of(SubjectKind::Tenant, name)
}

fn pin(dataset: &str, subject: Option<SubjectId>) -> Pin {
    let (dataset, region) = (dataset.to_owned(), "us".to_owned());
    Pin { dataset, subject, region, since: Timestamp(1), claim: Claim::Until(Timestamp(2)) }
}

/// The datasets on which pins are left after those whom the session had become those whom the application names.
fn left(had: &[SubjectId], pins: &[Pin], named: &[(SubjectKind, Option<SubjectId>)]) -> Vec<String> {
    let mut session = Session { pins: pins.to_vec(), ..Session::default() };
    for subject in had {
        let kind = if *subject == user("ada") { SubjectKind::User } else { SubjectKind::Tenant };
        session.subjects.sign(kind, Some(subject.clone()));
    }
    signed(&mut session, named, &topology());
    session.pins.into_iter().map(|pin| pin.dataset).collect()
}

#[test]
fn what_somebody_wrote_stays_with_them() {
    let (ada, acme, bolt) = (user("ada"), tenant("acme"), tenant("bolt"));
    let all = [pin("mail", Some(ada.clone())), pin("notes", Some(acme.clone())), pin("news", None)];
    let tenant_is = |to: &SubjectId| (SubjectKind::Tenant, Some(to.clone()));
    let out = (SubjectKind::User, None);
    for (had, named, stays) in [
        (&[ada.clone(), acme.clone()][..], &[tenant_is(&bolt)][..], &["mail", "news"][..]),
        (&[ada.clone(), acme.clone()], std::slice::from_ref(&out), &["notes", "news"]),
        // The tenant's pins were there before its name was, and stay though the user leaves.
        (std::slice::from_ref(&ada), &[out.clone(), tenant_is(&acme)], &["notes"]),
        (std::slice::from_ref(&ada), std::slice::from_ref(&out), &[]),
        (&[], &[tenant_is(&acme)], &["mail", "notes", "news"]),
    ] {
        assert_eq!(left(had, &all, named), stays, "{had:?} and then {named:?}");
    }
}

/// A pin on nobody's part of a split dataset is not taken for the part of whoever signs in.
#[test]
fn nobodys_part_becomes_nobody_elses() {
    let pins = [pin("mail", None), pin("notes", None), pin("news", None)];
    assert_eq!(left(&[], &pins, &[(SubjectKind::User, Some(user("ada")))]), ["notes", "news"]);
}

#[test]
fn nothing_changes_by_a_name_that_the_session_has() {
    let (topology, ada) = (topology(), user("ada"));
    let mut session = Session::default();
    session.subjects.sign(SubjectKind::User, Some(ada.clone()));
    assert!(!signed(&mut session, &[(SubjectKind::User, Some(ada))], &topology));
    assert!(!signed(&mut session, &[], &topology));
    assert!(signed(&mut session, &[(SubjectKind::User, None)], &topology));
}
