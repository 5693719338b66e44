//! What targets make their inputs of.

use std::rc::Rc;

use arbitrary::{Result, Unstructured};
use homing_core::testing::{
    http::headers::Headers,
    model::{
        keys::{Key, SessionKeys},
        time::Timestamp,
    },
    topology::{error::KeyPath, parse::parse, raw, settings::Settings},
};

/// When everything happens.
pub const NOW: Timestamp = Timestamp(1_767_225_600_000);

thread_local! {
    static SETTINGS: Rc<Settings> = {
        let shared = r#""IDENTITY": { "hosts": ["a.example.com", "b.example.com"],"#;
        let vars = include_str!("../../support/topology.json").replacen(r#""IDENTITY": {"#, shared, 1);
        let raw = raw::from_json(&vars).unwrap();
        let topology = parse(&raw, &KeyPath::default().key("vars")).unwrap().0;
        let key = Key::new("the key that the fuzz targets sign with").unwrap();
        Rc::new(Settings { topology, session_keys: SessionKeys::new(key, None), origin_key: None, dev: true })
    };
}

/// The settings of the core's own tests, for an application at two hosts.
pub fn settings() -> Rc<Settings> {
    SETTINGS.with(Rc::clone)
}

/// The keys of [`settings`].
pub fn keys() -> SessionKeys {
    settings().session_keys.clone()
}

/// A text of known pieces, and now and then of any.
pub fn text(u: &mut Unstructured<'_>, pieces: &[&str], most: usize) -> Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=most)? {
        if u.ratio(1, 8)? {
            text.push_str(&u.arbitrary::<String>()?);
        } else {
            text.push_str(u.choose(pieces)?);
        }
    }
    Ok(text)
}

/// Header fields: a known name with pieces that mean something in its value. No value holds a newline, as on the wire.
pub fn fields(u: &mut Unstructured<'_>, known: &[(&str, &[&str])]) -> Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    for _ in 0..u.int_in_range(0..=8)? {
        let (name, pieces) = u.choose(known)?;
        let name = if u.ratio(1, 12)? { u.arbitrary::<String>()?.to_ascii_lowercase() } else { (*name).to_owned() };
        let value = text(u, pieces, 6)?;
        fields.push((name.replace('\n', ""), value.replace('\n', "")));
    }
    Ok(fields)
}

/// The same, borrowed.
pub fn borrowed(fields: &[(String, String)]) -> Headers<'_> {
    Headers(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
}
