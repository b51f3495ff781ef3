//! Whose request it is, by the connection and by what proxies say that are believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request comes from.
pub(super) fn client_address(parts: &Parts, trusted: &[IpNet]) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    behind(peer, &parts.headers, trusted)
}

/// Each proxy adds for whom it asks at the end: the last one that is not believed is the client.
/// What stands before it, anybody can have written.
fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut client = peer.to_canonical();
    let lines = headers.get_all(&X_FORWARDED_FOR).into_iter().rev();
    for said in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        if !is_trusted(client) {
            break;
        }
        // What cannot be read leaves the proxy that passed it on.
        let Some(address) = address(said) else { break };
        client = address.to_canonical();
    }
    client
}

/// `192.0.2.1`, `2001:db8::1`; some proxies add a port.
fn address(said: &[u8]) -> Option<IpAddr> {
    let said = std::str::from_utf8(said).ok()?.trim();
    let with_port = || said.parse::<SocketAddr>().ok().map(|address| address.ip());
    said.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn client(peer: &str, lines: &[&'static str]) -> String {
        let trusted = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
        let line = |line: &&'static str| (X_FORWARDED_FOR.clone(), HeaderValue::from_static(line));
        let headers = lines.iter().map(line).collect();
        behind(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn who_is_not_a_trusted_proxy_speaks_for_itself() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_says_for_whom_it_asks() {
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(client("::1", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(client("10.0.0.1", &["198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["198.51.100.7", "10.0.0.2"]), "198.51.100.7");
    }

    #[test]
    fn what_a_client_writes_itself_is_not_believed() {
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["10.0.0.9, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["198.51.100.7, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[""]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }
}
