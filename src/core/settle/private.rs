//! An answer that carries a session is for one client: no cache between the router and that client may keep it for others
//! (RFC 9111 section 5.2.2.7). What the edge itself stores is edited apart from this, and has no session in it.

use super::Settlement;
use crate::{
    cache::directives::members,
    http::{edits::Edit, headers::Headers},
};

/// Fields by which caches in front are told otherwise than by `Cache-Control`: RFC 9213 and what came before it.
const TARGETED: [&str; 5] =
    ["cdn-cache-control", "cloudflare-cdn-cache-control", "surrogate-control", "edge-control", "x-accel-expires"];

impl Settlement {
    /// Keeps the answer out of shared caches. `said` are the fields of the answer that the edits change, where they are known.
    pub(super) fn keep_private(&mut self, said: Option<&Headers<'_>>) {
        if std::mem::replace(&mut self.is_private, true) {
            return;
        }
        let edited = self.edits.iter().rev().find_map(|edit| match edit {
            Edit::Set("cache-control", value) => Some(value.to_owned()),
            Edit::Remove("cache-control") => Some(String::new()),
            _ => None,
        });
        let lines = || said.map(|said| said.all("cache-control").collect::<Vec<_>>().join(", "));
        let control = edited.or_else(lines).unwrap_or_default();
        if let Some(private) = private(&control) {
            self.edits.set("cache-control", &private);
        }
        TARGETED.iter().for_each(|name| self.edits.remove(name));
    }
}

/// The same directives for one client's cache only; none if they are that already, or for none at all.
fn private(control: &str) -> Option<String> {
    if control.is_empty() {
        return Some("private".to_owned());
    }
    let name = |directive: &str| directive.split('=').next().unwrap_or("").trim().to_ascii_lowercase();
    let said: Vec<&str> = members(control).collect();
    // `private="field"` speaks of that field alone.
    let is_whole = |directive: &&str| directive.trim().eq_ignore_ascii_case("private");
    let shared = |directive: &&str| matches!(name(directive).as_str(), "public" | "s-maxage" | "private");
    let is_so = said.iter().any(is_whole) && said.iter().filter(|directive| shared(directive)).count() == 1;
    if is_so || said.iter().any(|directive| name(directive) == "no-store") {
        return None;
    }
    let kept = said.into_iter().filter(|directive| !shared(directive) && !directive.trim().is_empty());
    Some(kept.map(str::trim).chain(["private"]).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another CDN in front would hand one user's session to the next.
    #[test]
    fn what_carries_a_session_is_for_one_client() {
        for (said, sent) in [
            ("", Some("private")),
            ("public, max-age=10", Some("max-age=10, private")),
            ("max-age=0, S-MaxAge=600, must-revalidate", Some("max-age=0, must-revalidate, private")),
            ("public; max-age=10", Some("max-age=10, private")),
            ("x=\"a \\\", s-maxage=9\", max-age=10", Some("x=\"a \\\", s-maxage=9\", max-age=10, private")),
            ("no-store", None),
            ("private, max-age=5", None),
            ("private, s-maxage=5", Some("private")),
            (r#"private="set-cookie, x", no-cache="a, public", PUBLIC"#, Some(r#"no-cache="a, public", private"#)),
        ] {
            assert_eq!(private(said).as_deref(), sent, "{said}");
        }
    }
}
