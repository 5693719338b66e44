//! Positions: how far this copy has applied the owner's log, and whether that will do for a reader.

use crate::{
    Region,
    contract::{Asked, Broken},
    store::Owner,
};

/// How far this copy is: whose log it follows, since which epoch, and how much of it is applied. Lengths alone would be
/// unsafe across a change of owner. None while this copy has not heard of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) owner: Owner,
    pub(crate) place: i64,
}

pub(crate) fn position(region: &Region, dataset: &str, subject: &str) -> Result<Option<Position>, Broken> {
    let Some(owner) = region.store.owner(dataset, subject)? else { return Ok(None) };
    let place = region.store.applied(&owner.home)?;
    Ok(Some(Position { owner, place }))
}

/// How far this copy is before a read, and whether that will do; asked before the read's snapshot is taken, so that the
/// snapshot can only be newer.
pub(crate) fn reaches(
    region: &Region,
    asked: &Asked,
    dataset: &str,
    subject: &str,
) -> Result<(Option<Position>, bool), Broken> {
    let at = position(region, dataset, subject)?;
    let wanted = asked.min_position.as_deref().and_then(|text| read_position(text, dataset));
    let will_do = match (wanted, &at, &asked.claim) {
        (None, ..) => true,
        (Some(wanted), Some(at), Some(claim)) => at.owner == *claim && at.place >= wanted,
        (Some(_), ..) => false,
    };
    Ok((at, will_do))
}

/// `catalog=42`.
fn read_position(text: &str, dataset: &str) -> Option<i64> {
    text.split_once('=').filter(|(of, _)| *of == dataset)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_will_do_only_by_the_same_owner_and_epoch() {
        let region = Region::alone("eu");
        let asks = |home: &str, epoch, least: &str| Asked {
            claim: Some(Owner { home: home.to_owned(), epoch }),
            min_position: Some(least.to_owned()),
            ..Asked::default()
        };
        let will_do = |asked: &Asked| reaches(&region, asked, "cart", "ada").ok().unwrap().1;
        assert!(!will_do(&asks("eu", 1, "cart=0")), "nobody has told this copy of an owner");
        let owner = Owner { home: "eu".to_owned(), epoch: 2 };
        region.store.own("cart", "ada", &owner).unwrap();
        region.store.write("cart", "ada", None, |_| "1".to_owned()).unwrap();
        for (home, epoch, least, expected) in [
            ("eu", 2, "cart=1", true),
            ("eu", 2, "cart=2", false),
            ("eu", 1, "cart=1", false),
            ("us", 2, "cart=1", false),
            ("eu", 2, "notes=9", true),
            ("eu", 2, "nonsense", true),
        ] {
            assert_eq!(will_do(&asks(home, epoch, least)), expected, "{home} {epoch} {least}");
        }
    }
}
