//! Lids that are closed over a running program, which goes on when they are opened: its wall clock ran
//! meanwhile, and nothing else did.

use proto::Input;

use crate::World;
use crate::network::Arrival;

impl World {
    /// The lid is closed: the program stands still, and has not ended.
    pub fn close_lid(&mut self, who: usize) {
        self.people[who].lid_closed = Some(self.now_ms);
        self.people[who].due = None;
    }

    /// The lid is opened: the program goes on where it was, with what came before the others gave it up.
    pub fn open_lid(&mut self, who: usize) {
        let Some(since) = self.people[who].lid_closed.take() else { return };
        self.people[who].slept_ms += self.now_ms - since;
        for arrival in std::mem::take(&mut self.people[who].unread) {
            self.on_arrival(arrival);
        }
        self.input(who, Input::Tick);
    }

    /// What arrives at a device whose lid is closed waits. That a stream is closed is not heard there at all:
    /// nobody tells it later.
    pub(crate) fn past_lids(&mut self, arrival: Arrival) -> Option<Arrival> {
        match arrival {
            Arrival::Bytes { link, .. } => {
                let Some((to, _)) = self.network.other_end(link) else { return Some(arrival) };
                if self.people[to].lid_closed.is_none() {
                    return Some(arrival);
                }
                self.people[to].unread.push(arrival);
            }
            Arrival::Closed { link } => {
                let Some((to, _)) = self.network.other_end(link) else { return Some(arrival) };
                if self.people[to].lid_closed.is_none() {
                    return Some(arrival);
                }
                if let Some((this, _)) = self.network.close(link) {
                    self.input(this, Input::Closed { link });
                }
            }
            Arrival::Dial { who } if self.people[who].lid_closed.is_some() => {
                self.network.dial_at(self.now_ms + 5000, who);
            }
            Arrival::Dial { .. } => return Some(arrival),
        }
        None
    }
}
