//! gossipsub 0.50.1 over TCP: every message goes to all peers first, and nothing is signed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use libp2p_gossipsub::{
    Behaviour, Config, ConfigBuilder, Event, IdentTopic, Message, MessageAuthenticity, MessageId,
    ValidationMode,
};

use crate::board::Board;
use crate::subject::{MESSAGE, Runtimes, Subject, number, words};
use crate::swarms::{self, Order, Running};

const TOPIC: &str = "bench";
/// Five seconds until the first heartbeat, and two more: everyone knows who listens, and has a mesh.
const MESH: Duration = Duration::from_millis(7_500);

/// A group of members, all connected to all.
pub struct Gossipsub {
    running: Vec<Running>,
    _runtimes: Runtimes,
}

impl Gossipsub {
    pub fn new(runtimes: Runtimes, board: &Arc<Board>) -> Self {
        let members = runtimes.members();
        let start = |member: usize| {
            let anonymous = MessageAuthenticity::Anonymous;
            let _inside = runtimes.of(member).enter();
            let mut gossipsub = Behaviour::new(anonymous, config(members)).expect("a behaviour");
            gossipsub.subscribe(&IdentTopic::new(TOPIC)).expect("a topic");
            let board = Arc::clone(board);
            let on_event = move |event| {
                if let Event::Message { message, .. } = event {
                    board.hear(member, number(&message.data).expect("a number"));
                }
            };
            swarms::run(runtimes.of(member), gossipsub, publish, on_event)
        };
        let running: Vec<_> = (0..members).map(start).collect();
        swarms::connect_all(&running);
        std::thread::sleep(MESH);
        Self { running, _runtimes: runtimes }
    }
}

impl Subject for Gossipsub {
    fn say(&self, from: usize, nth: usize) {
        self.running[from].orders.send(Order::Say(nth)).expect("it runs");
    }
}

fn publish(gossipsub: &mut Behaviour, nth: usize) {
    if let Err(error) = gossipsub.publish(IdentTopic::new(TOPIC), words(nth, MESSAGE)) {
        println!("fault not published: {error}");
    }
}

/// As a small private group would have it.
fn config(members: usize) -> Config {
    let mut config = ConfigBuilder::default();
    config.flood_publish(true).validation_mode(ValidationMode::Anonymous).message_id_fn(
        |message: &Message| {
            let mut hasher = DefaultHasher::new();
            message.data.hash(&mut hasher);
            MessageId::from(hasher.finish().to_le_bytes().to_vec())
        },
    );
    if members < 7 {
        config.mesh_outbound_min(0).mesh_n_low(1).mesh_n(2).mesh_n_high(8);
    }
    config.build().expect("a configuration")
}
