//! Between the protocol's addresses and libp2p's.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use proto::{Addr, Path};

use crate::error::Error;

/// Reads a multiaddr, e.g. `/ip4/192.168.1.5/tcp/4001`.
///
/// # Errors
/// [`Error::BadAddress`].
pub fn parse(text: &str) -> Result<Multiaddr, Error> {
    text.parse().map_err(|_malformed| Error::BadAddress)
}

/// The protocol's form of a TCP or QUIC address; none for anything else. A PeerId is left out.
pub(crate) fn from_multiaddr(multiaddr: &Multiaddr) -> Option<Addr> {
    let mut parts = multiaddr.iter();
    match (parts.next()?, parts.next()?, parts.next()) {
        (Protocol::Ip4(ip), Protocol::Tcp(port), _) => Some(Addr::Tcp4(ip.octets(), port)),
        (Protocol::Ip6(ip), Protocol::Tcp(port), _) => Some(Addr::Tcp6(ip.octets(), port)),
        (Protocol::Ip4(ip), Protocol::Udp(port), Some(Protocol::QuicV1)) => {
            Some(Addr::Quic4(ip.octets(), port))
        }
        (Protocol::Ip6(ip), Protocol::Udp(port), Some(Protocol::QuicV1)) => {
            Some(Addr::Quic6(ip.octets(), port))
        }
        (
            Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name),
            Protocol::Tcp(port),
            _,
        ) => Some(Addr::Dns(proto::Text::new(name.into_owned())?, port)),
        (_, _, _) => None,
    }
}

/// What to dial for an address; none for what this build does not speak.
pub(crate) fn to_multiaddr(addr: &Addr) -> Option<Multiaddr> {
    let tcp =
        |host: Protocol<'static>, port| Multiaddr::empty().with(host).with(Protocol::Tcp(port));
    let quic = |host: Protocol<'static>, port| {
        Multiaddr::empty().with(host).with(Protocol::Udp(port)).with(Protocol::QuicV1)
    };
    match addr {
        Addr::Tcp4(ip, port) => Some(tcp(Protocol::Ip4(Ipv4Addr::from(*ip)), *port)),
        Addr::Tcp6(ip, port) => Some(tcp(Protocol::Ip6(Ipv6Addr::from(*ip)), *port)),
        Addr::Quic4(ip, port) => Some(quic(Protocol::Ip4(Ipv4Addr::from(*ip)), *port)),
        Addr::Quic6(ip, port) => Some(quic(Protocol::Ip6(Ipv6Addr::from(*ip)), *port)),
        Addr::Dns(..) | Addr::MeetingPoint(..) => None,
    }
}

/// The address as given, with the port replaced.
pub(crate) fn with_port(multiaddr: &Multiaddr, port: u16) -> Multiaddr {
    multiaddr
        .iter()
        .map(|part| {
            if matches!(part, Protocol::Tcp(_)) {
                Protocol::Tcp(port)
            } else if matches!(part, Protocol::Udp(_)) {
                Protocol::Udp(port)
            } else {
                part
            }
        })
        .collect()
}

/// The port of a TCP or QUIC address.
pub(crate) fn port_of(multiaddr: &Multiaddr) -> Option<u16> {
    multiaddr.iter().find_map(|part| {
        if let Protocol::Tcp(port) | Protocol::Udp(port) = part { Some(port) } else { None }
    })
}

/// Whether nothing listens on a port of any interface. A swarm shares its ports with whoever else does, so that
/// it can dial from them; two groups never may.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

/// A port that is free now; 0 when the system names none.
pub(crate) fn any_free() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0));
    listener.and_then(|listener| listener.local_addr()).map_or(0, |address| address.port())
}

/// Whether an address can be told to others: no wildcard, and loopback only when that is where this
/// device was told to listen.
pub(crate) fn is_tellable(multiaddr: &Multiaddr, on_loopback: bool) -> bool {
    match multiaddr.iter().next() {
        Some(Protocol::Ip4(ip)) => !ip.is_unspecified() && (on_loopback || !ip.is_loopback()),
        Some(Protocol::Ip6(ip)) => {
            let is_link_local = ip.is_unicast_link_local();
            !ip.is_unspecified() && !is_link_local && (on_loopback || !ip.is_loopback())
        }
        Some(_) | None => false,
    }
}

/// Whether it leads back to this machine.
pub(crate) fn is_loopback(multiaddr: &Multiaddr) -> bool {
    match multiaddr.iter().next() {
        Some(Protocol::Ip4(ip)) => ip.is_loopback(),
        Some(Protocol::Ip6(ip)) => ip.is_loopback(),
        Some(_) | None => false,
    }
}

/// How a connection from or to this address runs.
pub(crate) fn path(remote: &Multiaddr) -> Path {
    match remote.iter().next() {
        Some(Protocol::Ip4(ip)) if ip.is_private() || ip.is_loopback() || ip.is_link_local() => {
            Path::Lan
        }
        Some(Protocol::Ip6(ip))
            if ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local() =>
        {
            Path::Lan
        }
        Some(_) | None => Path::Direct,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_way_there_and_back() {
        for text in [
            "/ip4/192.168.1.5/tcp/4001",
            "/ip6/fd00::1/tcp/9",
            "/ip4/192.168.1.5/udp/4001/quic-v1",
            "/ip6/fd00::1/udp/9/quic-v1",
        ] {
            let multiaddr = parse(text).unwrap();
            assert_eq!(port_of(&with_port(&multiaddr, 77)), Some(77));
            assert_eq!(to_multiaddr(&from_multiaddr(&multiaddr).unwrap()), Some(multiaddr));
        }
        assert!(parse("/ip4/999.1.1.1/tcp/x").is_err());
        assert_eq!(from_multiaddr(&parse("/ip4/1.2.3.4/udp/5").unwrap()), None);
    }

    #[test]
    fn loopback_is_told_only_when_it_was_asked_for() {
        let home = parse("/ip4/127.0.0.1/tcp/1").unwrap();
        assert!(is_tellable(&home, true) && !is_tellable(&home, false));
        assert!(!is_tellable(&parse("/ip4/0.0.0.0/tcp/1").unwrap(), true));
        assert!(is_tellable(&parse("/ip4/10.0.0.2/tcp/1").unwrap(), false));
        assert_eq!(path(&parse("/ip4/10.0.0.2/tcp/1").unwrap()), Path::Lan);
        assert_eq!(path(&parse("/ip4/93.184.216.34/tcp/1").unwrap()), Path::Direct);
    }
}
