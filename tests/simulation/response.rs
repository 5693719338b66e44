//! Responses, as they go from regions through edges to clients.

use homing_core::testing::http::headers::{Edit, Headers};

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

    pub fn edited<'e>(mut self, edits: impl IntoIterator<Item = &'e Edit>) -> Self {
        for edit in edits {
            match edit {
                Edit::Remove(name) => self.fields.retain(|(field, _)| field != name),
                Edit::Set(name, value) => {
                    self.fields.retain(|(field, _)| field != name);
                    self.fields.push(((*name).to_owned(), value.clone()));
                }
                Edit::Add(name, value) => self.fields.push((name.clone(), value.clone())),
                Edit::Append(name, value) => self.fields.push(((*name).to_owned(), value.clone())),
            }
        }
        self
    }
}

pub fn borrowed(fields: &Fields) -> Headers<'_> {
    Headers(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
}
