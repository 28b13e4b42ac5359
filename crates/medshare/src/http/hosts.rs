//! Whom loopback TCP answers: programs of this machine, no web pages of other sites.
//!
//! A browser can be made to reach 127.0.0.1 by a name that a stranger owns (DNS
//! rebinding), and pages may post across origins. Both tell on themselves: the first in
//! `Host`, the second in `Origin`. A Unix socket cannot be reached by a page.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::{answer::Answer, media};

/// The address that a request over TCP must name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hosts(SocketAddr);

impl Hosts {
    /// Of a listener at `bound`.
    pub(super) fn of(bound: SocketAddr) -> Self {
        Self(bound)
    }

    /// Whether a request with this target and these headers is meant for this node and
    /// comes from no page of another site.
    pub(super) fn admit(&self, target: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let named = host.is_some_and(|host| self.is_here(host)) && hosts.next().is_none();
        let aimed = target
            .authority()
            .is_none_or(|authority| self.is_here(authority.as_str()));
        let mut origins = headers.get_all(header::ORIGIN).iter();
        named && aimed && origins.all(|origin| self.is_own(origin))
    }

    fn is_own(&self, origin: &HeaderValue) -> bool {
        origin
            .to_str()
            .ok()
            .and_then(|origin| origin.strip_prefix("http://"))
            .is_some_and(|host| self.is_here(host))
    }

    /// `host:port` of this listener; loopback's names stand for each other.
    fn is_here(&self, text: &str) -> bool {
        let Ok(authority) = text.parse::<Authority>() else {
            return false;
        };
        let host = authority.host();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = host.eq_ignore_ascii_case("localhost")
            || address
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        let port = authority.port_u16().unwrap_or(80);
        is_loopback && port == self.0.port() && !text.contains('@')
    }
}

/// Refuses what is meant for somebody else.
pub(super) async fn check(
    State(hosts): State<Arc<Hosts>>,
    request: Request,
    next: Next,
) -> Response {
    if hosts.admit(request.uri(), request.headers()) {
        return next.run(request).await;
    }
    let refused = Answer::malformed(
        "Host must be this node's address, and pages of other sites are not served",
    );
    media::guard(refused.into_response())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn admits(target: &str, pairs: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                name.parse::<axum::http::HeaderName>().unwrap(),
                value.parse().unwrap(),
            );
        }
        Hosts::of("127.0.0.1:7400".parse().unwrap()).admit(&target.parse().unwrap(), &headers)
    }

    #[test]
    fn only_this_machine_and_no_strange_pages() {
        for host in [
            "127.0.0.1:7400",
            "localhost:7400",
            "LOCALHOST:7400",
            "[::1]:7400",
        ] {
            assert!(admits("/v1/head", &[("host", host)]), "{host}");
            let own = format!("http://{host}");
            assert!(admits("/v1/head", &[("host", host), ("origin", &own)]));
        }
        for host in [
            "evil.example:7400",
            "127.0.0.1",
            "127.0.0.1:7401",
            "192.0.2.1:7400",
            "127.0.0.1.evil.example:7400",
            "x@127.0.0.1:7400",
            "",
            "medshare",
        ] {
            assert!(!admits("/v1/head", &[("host", host)]), "{host}");
        }
        let here = ("host", "127.0.0.1:7400");
        for origin in [
            "http://evil.example",
            "null",
            "https://127.0.0.1:7400",
            "http://127.0.0.1:80",
        ] {
            assert!(!admits("/v1/head", &[here, ("origin", origin)]), "{origin}");
        }
        assert!(!admits("/v1/head", &[]), "no Host at all");
        assert!(!admits("/v1/head", &[here, ("host", "evil.example:7400")]));
        assert!(!admits("http://evil.example/v1/head", &[here]));
        assert!(admits("http://localhost:7400/v1/head", &[here]));
    }
}
