//! Responses, as they go from regions through edges to clients.

use homing_core::testing::http::{
    edits::{Edit, Edits},
    headers::Headers,
};

use crate::data::Id;

pub type Fields = Vec<(String, String)>;

/// A response: what an origin made, or what a store holds.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub status: u16,
    pub fields: Fields,
    pub body: Vec<Id>,
}

impl Response {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn edited(mut self, edits: &Edits) -> Self {
        for edit in edits.iter() {
            match edit {
                Edit::Remove(name) => self.fields.retain(|(field, _)| field != name),
                Edit::Set(name, value) => {
                    self.fields.retain(|(field, _)| field != name);
                    self.fields.push((name.to_owned(), value.to_owned()));
                }
                Edit::Add(name, value) => self.fields.push((name.to_owned(), value.to_owned())),
            }
        }
        self
    }
}

pub fn borrowed(fields: &Fields) -> Headers<'_> {
    Headers(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
}
