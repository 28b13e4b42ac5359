//! Host names in addresses, by the machine's own resolver, at the time of each dial.

use libp2p::{Multiaddr, multiaddr::Protocol};
use std::{net::IpAddr, time::Duration};

/// The addresses with every host name in the place of its IP addresses. A name that does not
/// resolve gives none.
pub(super) async fn resolve(addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
    let mut resolved = Vec::with_capacity(addresses.len());
    for address in addresses {
        let mut parts = address.iter();
        let named = match parts.next() {
            Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) => name,
            _ => {
                resolved.push(address);
                continue;
            }
        };
        if let Some(Protocol::Tcp(port)) = parts.next() {
            let found = look_up(&named, port).await.into_iter();
            let of_kind = found.filter(|ip| is_of_kind(&address, ip));
            resolved.extend(of_kind.map(|ip| Multiaddr::from(ip).with(Protocol::Tcp(port))));
        }
    }
    resolved
}

async fn look_up(name: &str, port: u16) -> Vec<IpAddr> {
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name, port))).await;
    match found {
        Ok(Ok(found)) => found.map(|found| found.ip()).take(MOST).collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

fn is_of_kind(address: &Multiaddr, ip: &IpAddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Dns4(_)) => ip.is_ipv4(),
        Some(Protocol::Dns6(_)) => ip.is_ipv6(),
        _ => true,
    }
}

/// How long the resolver may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// IP addresses taken of one name.
const MOST: usize = 8;
