//! What "this machine" is. `homing check`, the command's client, the operators' API and the router go by this one answer, for much
//! hangs on it: development opens what production must not have open.

use std::net::{IpAddr, Ipv4Addr};

use crate::http::{headers::Headers, url::Url};

/// Whether the authority of a URL (a host, and perhaps a port) is certainly this very machine: `localhost` and the names below it
/// (RFC 6761 section 6.3), 127.0.0.0/8 (RFC 1122 section 3.2.1.3) or `[::1]` (RFC 4291 section 2.5.3). What some reader of URLs might
/// take for another host is not: a user before an `@`, a backslash, an escape, an address in another spelling.
#[must_use]
pub fn is_local(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, "80"),
    };
    port.bytes().all(|byte| byte.is_ascii_digit()) && is_local_host(host)
}

/// Whether a whole URL is of this machine.
#[must_use]
pub fn is_local_url(url: &str) -> bool {
    Url::parse(url).is_some_and(|url| is_local(url.authority))
}

fn is_local_host(host: &str) -> bool {
    // Digits and dots only, four of them, no octal, no shorter form: `127.evil.com` and `127.1` are not.
    let loopback = host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let mut labels = host.split('.');
    let last = labels.next_back().is_some_and(|last| last.eq_ignore_ascii_case("localhost"));
    loopback || host == "[::1]" || last && labels.all(|label| !label.is_empty() && label.bytes().all(legal))
}

/// Who asks, as far as that tells whether it is somebody at this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller<'a> {
    /// The authority of the URL that was asked for.
    pub authority: &'a str,
    /// Whether there is a `CF-Ray`: the platform gives one to each request, and so do its tunnels; no development server does.
    pub ray: bool,
    /// `CF-Connecting-IP`: the platform sets it, and Miniflare does, to the address of the peer.
    pub address: Option<&'a str>,
}

impl<'a> Caller<'a> {
    /// Who asks for that authority with these header fields.
    #[must_use]
    pub fn of(authority: &'a str, headers: &Headers<'a>) -> Self {
        Self { authority, ray: headers.has("cf-ray"), address: headers.get("cf-connecting-ip") }
    }

    /// Whether it is somebody at this machine. The name alone does not say so: a tunnel may lead there from anywhere. Nor the
    /// address alone: it is also that of a browser here that another site has sent, by a name that leads here.
    #[must_use]
    pub fn is_here(&self) -> bool {
        let here =
            |address: &str| address.trim().parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
        !self.ray && self.address.is_none_or(here) && is_local(self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_everybody_reads_as_this_machine_is_local() {
        for local in [
            "localhost",
            "LocalHost",
            "localhost:8787",
            "app.localhost",
            "a.b-c.localhost:80",
            "127.0.0.1",
            "127.255.0.1:1",
            "[::1]",
            "[::1]:8787",
        ] {
            assert!(is_local(local), "{local}");
            assert!(is_local_url(&format!("http://{local}/x?y")), "{local}");
        }
        for foreign in [
            "",
            ":80",
            "example.com",
            "127.evil.com",
            "127.0.0.1.example.com",
            "127.1",
            "127.0.0.1.",
            "0177.0.0.1",
            "2130706433",
            "128.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::2]",
            "[::ffff:127.0.0.1]",
            "localhost.example.com",
            "notlocalhost",
            ".localhost",
            "a..localhost",
            "me@localhost",
            "localhost@evil.com",
            "localhost:80@evil.com",
            "localhost:x@evil.com:80",
            "evil.com\\.localhost",
            "evil.com%2f.localhost",
            "evil.com\t.localhost",
            "localhost:evil",
            "[::1]evil",
            "[::1",
        ] {
            assert!(!is_local(foreign), "{foreign}");
        }
        assert!(!is_local_url("localhost:80"));
        assert!(!is_local_url("http:\\\\localhost"));
        assert!(!is_local_url("http://127.0.0.1\\@evil.com/"));
    }

    #[test]
    fn who_came_through_the_platform_or_from_another_machine_is_not_here() {
        let caller = |authority, ray, address| Caller { authority, ray, address }.is_here();
        assert!(caller("localhost:8787", false, None));
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(caller("localhost:8787", false, Some(address)), "{address}");
        }
        assert!(!caller("localhost:8787", true, None), "a request with a ray came through the platform");
        for address in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "", "nonsense", "127.evil.com"] {
            assert!(!caller("localhost:8787", false, Some(address)), "{address}");
        }
        assert!(
            !caller("app.example.com", false, Some("127.0.0.1")),
            "a name that another site has bound to this address"
        );
    }
}
