//! The text of a cache entry: read as it was written, and harmless whatever lies in the cache.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use homing_core::testing::{
    cache::{
        entry::{KEPT, MOST_VARIANTS, StoredFields, Variant, read, write},
        freshness::Reuse,
        lookup::Lookup,
        select,
        slice::Slice,
    },
    model::{epoch::Epoch, time::Timestamp},
    ownership::stated::Shows,
};

use crate::made::{NOW, text};

/// Pieces of an entry's text.
const PIECES: [&str; 16] = [
    "1^",
    "^",
    "|",
    "%",
    "%7C",
    "%7",
    "200",
    "0",
    "1000",
    "18446744073709551616",
    "a",
    "n",
    "v",
    "us",
    "us:1:2a:-",
    "é",
];

/// How entries are written.
pub type Write = fn(&Variant<'_>, &[Variant<'_>], &[usize]) -> (String, Vec<usize>);

/// The target.
pub fn whatever(bytes: &[u8]) {
    let _ = holds(bytes, write);
}

/// The law, of whatever writes entries.
///
/// # Errors
/// If the bytes do not suffice.
pub fn holds(bytes: &[u8], write: Write) -> Result<()> {
    let u = &mut Unstructured::new(bytes);
    let first = variant(u)?;
    let mut held = Vec::new();
    for _ in 0..u.int_in_range(0..=9)? {
        held.push(variant(u)?);
    }
    let on: Vec<usize> = (0..held.len()).chain([99]).collect();
    let (written, kept) = write(&first, &held, &on);
    assert!(!written.contains(char::is_control) && written.is_ascii(), "no field can hold {written:?}");
    let back = read(&written).unwrap_or_else(|| panic!("not read back: {written}"));
    assert!(back.len() <= MOST_VARIANTS && back.len() == kept.len() + 1);
    assert_eq!(back[0], first, "{written}");
    for (back, at) in back[1..].iter().zip(&kept) {
        assert_eq!(*back, held[*at], "{written}");
    }
    // What somebody else put there, or half of it.
    let mut broken = text(u, &PIECES, 40)?;
    broken.push_str(written.get(u.int_in_range(0..=written.len())?..).unwrap_or(""));
    for variants in [read(&broken), read(&u.arbitrary::<String>()?)].into_iter().flatten() {
        for variant in &variants {
            let _ = (variant.current_age(NOW), select::judge(variant, &Lookup::default().wants, NOW));
            let _ = select::usable_when_stale(variant, &Lookup::default().wants, NOW);
        }
        let _ = select::select(&variants, &Lookup::default());
    }
    Ok(())
}

fn variant(u: &mut Unstructured<'_>) -> Result<Variant<'static>> {
    let span = |u: &mut Unstructured<'_>| u.arbitrary::<u32>().map(|millis| Duration::from_millis(millis.into()));
    let mut kept = StoredFields::default();
    for place in kept.0.iter_mut().take(KEPT.len()) {
        let value = if u.ratio(1, 3)? {
            text(u, &["a", "|", "^", "%", "%41", "\"", "é", "\u{1}", "max-age=1"], 5)?
        } else {
            String::new()
        };
        *place = (!value.is_empty()).then(|| value.into());
    }
    let part = u.arbitrary::<Option<(u32, u32, u32)>>()?.map(|(from, length, rest)| {
        let (from, length) = (u64::from(from), u64::from(length) + 1);
        Slice { from, length, whole: from + length + u64::from(rest) }
    });
    Ok(Variant {
        selecting: (*u.choose(&["", "accept-language=de:1000,", "cookie=#AAA&x-a", "x-a=%7C"])?).into(),
        status: if part.is_some() { 206 } else { u.arbitrary()? },
        part,
        made: Timestamp(u.arbitrary()?),
        came: Timestamp(u.arbitrary()?),
        age: span(u)?,
        fresh: span(u)?,
        while_revalidate: span(u)?,
        if_error: if u.arbitrary()? { Some(span(u)?) } else { None },
        reuse: *u.choose(&[Reuse::Allowed, Reuse::ByWord, Reuse::Never, Reuse::Validated])?,
        region: (*u.choose(&["us", "eu", "gone"])?).into(),
        epoch: Epoch(u.arbitrary()?),
        shows: Shows::read_all(u.choose(&["", "us:7:9:-", "us:2:9:7,eu:2:4:-"])?).unwrap_or_default(),
        kept,
        cookies: text(u, &["a=b", "\n", "|", "^", "é"], 4)?.into(),
    })
}
