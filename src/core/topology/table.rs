//! The routes in their order, and beside it what tells most of those from each other that cannot take a path.

use crate::topology::{
    pattern::beginning::{Beginning, Beginnings},
    route::Route,
};

/// All routes.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(from = "Vec<Route>", into = "Vec<Route>")]
pub(crate) struct RouteTable {
    routes: Vec<Route>,
    /// Of each: eight bytes to look at instead of all that it is.
    beginnings: Vec<Beginning>,
}

impl From<Vec<Route>> for RouteTable {
    fn from(routes: Vec<Route>) -> Self {
        Self::new(routes)
    }
}

impl From<RouteTable> for Vec<Route> {
    fn from(table: RouteTable) -> Self {
        table.routes
    }
}

impl RouteTable {
    /// These, in the order in which they are tried.
    pub(crate) fn new(routes: Vec<Route>) -> Self {
        let beginnings = routes.iter().map(|route| route.pattern.beginning()).collect();
        Self { routes, beginnings }
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Route] {
        &self.routes
    }

    /// Those that may take the path, in any case of its letters, with their indices; of all others it is certain that they do not.
    pub(crate) fn may_take(&self, path: &str) -> impl Iterator<Item = (usize, &Route)> {
        let path = Beginnings::of(path);
        let all = self.beginnings.iter().zip(&self.routes).enumerate();
        all.filter(move |(_, (beginning, _))| path.may_have(**beginning)).map(|(at, (_, route))| (at, route))
    }
}
