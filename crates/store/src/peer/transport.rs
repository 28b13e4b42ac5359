//! TCP, the private network's cipher if there is one, Noise, Yamux.

use super::{Limits, PeerKey, SwarmKey, fault::Unconnected};
use libp2p::{
    Multiaddr, PeerId, Transport as _,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, timeout::TransportTimeout},
        upgrade::Version,
    },
    multiaddr::Protocol,
    noise, pnet, tcp, yamux,
};
use std::{
    io,
    net::{IpAddr, TcpListener},
    time::Duration,
};

/// The only way in and out of a node.
pub(super) fn build(
    key: &PeerKey,
    swarm_key: Option<&SwarmKey>,
    limits: &Limits,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let noise = noise::Config::new(key.as_secret())?;
    // Yamux's own defaults: 512 streams, windows that grow with the round trip. Other values
    // would mean its older version.
    let yamux = yamux::Config::default();
    let tcp = tcp::tokio::Transport::new(tcp::Config::default());
    let tcp = TransportTimeout::new(tcp, CONNECT).map_err(Unconnected);
    Ok(match swarm_key {
        Some(key) => {
            let private = pnet::PnetConfig::new(key.as_secret());
            tcp.and_then(move |socket, _| private.handshake(socket))
                .upgrade(Version::V1)
                .authenticate(noise)
                .multiplex(yamux)
                .timeout(limits.handshake + CONNECT)
                .boxed()
        }
        None => tcp
            .upgrade(Version::V1)
            .authenticate(noise)
            .multiplex(yamux)
            .timeout(limits.handshake + CONNECT)
            .boxed(),
    })
}

/// libp2p would share a port with another process that listens there: half of the connections
/// would go astray. The port is tried first, alone.
pub(super) fn refuse_taken(address: &Multiaddr) -> io::Result<()> {
    let mut parts = address.iter();
    let ip = match parts.next() {
        Some(Protocol::Ip4(ip)) => IpAddr::from(ip),
        Some(Protocol::Ip6(ip)) => IpAddr::from(ip),
        _ => return Ok(()), // refused below
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) => TcpListener::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

/// How long TCP may take to connect.
const CONNECT: Duration = Duration::from_secs(5);
