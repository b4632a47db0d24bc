//! How many connections one address may have to us: half of all at most, so that whoever takes all they get from
//! one machine leaves room for others.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

/// Connections from one address: still shaking hands, and established.
#[derive(Debug)]
pub(crate) struct Doors {
    pending_max: usize,
    established_max: usize,
    pending: BTreeMap<ConnectionId, IpAddr>,
    established: BTreeMap<ConnectionId, IpAddr>,
}

/// Too many connections from one address.
#[derive(Debug, thiserror::Error)]
#[error("too many connections from one address")]
struct Crowded;

impl Doors {
    pub(crate) const fn new(pending_max: usize, established_max: usize) -> Self {
        Self {
            pending_max,
            established_max,
            pending: BTreeMap::new(),
            established: BTreeMap::new(),
        }
    }
}

/// Notes a connection, unless there are so many from its address.
fn enter(
    from: &mut BTreeMap<ConnectionId, IpAddr>,
    max: usize,
    (connection, remote): (ConnectionId, &Multiaddr),
) -> Result<(), ConnectionDenied> {
    let Some(host) = host(remote) else { return Ok(()) };
    if from.values().filter(|other| **other == host).count() >= max {
        return Err(ConnectionDenied::new(Crowded));
    }
    from.insert(connection, host);
    Ok(())
}

/// Whose an address is: one household has a whole /64 of IPv6.
fn host(address: &Multiaddr) -> Option<IpAddr> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's protocols are non-exhaustive")]
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Some(IpAddr::from([a, b, c, d, 0, 0, 0, 0]))
        }
        _ => None,
    })
}

impl NetworkBehaviour for Doors {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        enter(&mut self.pending, self.pending_max, (connection, remote))
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&connection);
        enter(&mut self.established, self.established_max, (connection, remote))?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's event is non-exhaustive")]
        match event {
            FromSwarm::ConnectionClosed(closed) => {
                self.established.remove(&closed.connection_id);
            }
            // Another part of the swarm may have declined it after we did not.
            FromSwarm::ListenFailure(failed) => {
                self.pending.remove(&failed.connection_id);
                self.established.remove(&failed.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knock(doors: &mut Doors, nth: usize, from: &str) -> bool {
        let address: Multiaddr = from.parse().unwrap();
        let connection = ConnectionId::new_unchecked(nth);
        doors.handle_pending_inbound_connection(connection, &address, &address).is_ok()
    }

    #[test]
    fn a_thousand_connections_from_one_machine_leave_room_for_others() {
        let mut doors = Doors::new(32, 128);
        let many = "/ip6/2001:db8::5/tcp/9";
        let entered = (0..1000).filter(|nth| knock(&mut doors, *nth, many)).count();
        assert_eq!(entered, 32);
        assert!(!knock(&mut doors, 1001, "/ip6/2001:db8::99/udp/9/quic-v1"), "the same household");
        assert!(knock(&mut doors, 1002, "/ip6/2001:db8:0:1::5/tcp/9"));
        assert!(knock(&mut doors, 1003, "/ip4/192.0.2.1/tcp/9"));
        let came = ConnectionId::new_unchecked(0);
        let (address, peer) = (many.parse().unwrap(), PeerId::random());
        doors.handle_established_inbound_connection(came, peer, &address, &address).unwrap();
        assert!(knock(&mut doors, 1004, many), "one shakes hands no more");
        assert!(!knock(&mut doors, 1005, many));
    }
}
