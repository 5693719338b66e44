//! One region: everything is there, for everybody.

use super::{PRIMARY, send};
use crate::{
    data::Data,
    strategy::{Answer, Asked, Back, Next, Strategy},
    world::PATIENCE,
};

pub struct OneRegion;

impl Strategy for OneRegion {
    fn log(&self, _key: u32) -> usize {
        0
    }

    fn arrive(&mut self, _asked: &Asked, _data: &mut Data) -> Next {
        send(PRIMARY, PATIENCE, 0, 0)
    }

    fn back(&mut self, _asked: &Asked, back: Back, _data: &mut Data) -> Next {
        let Back::Served(seen) = back else { return Next::Answer(Answer::FAILED) };
        Next::Answer(Answer::of(seen))
    }
}
