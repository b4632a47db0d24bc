//! What is asked of a group: now and then a message, as many as it bears, or twice as many.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::board::{Board, micros};
use crate::subject::{Kind, Subject};

/// Messages a second, one at a time.
const SLOW: u32 = 20;
/// How long that goes on, in messages.
const SLOW_MESSAGES: usize = 100;
/// Messages that are under way at once, in the whole group.
const WINDOW: usize = 64;
/// Before anything is counted.
const WARM: Duration = Duration::from_millis(500);
/// How long as many are said as it bears.
const BUSY: Duration = Duration::from_secs(4);
/// How long more than it bears are said.
const OVER: Duration = Duration::from_secs(4);
/// When nothing arrives for so long, nothing more will.
const SILENCE: Duration = Duration::from_secs(8);
/// The most messages of a cell.
const ROOM: usize = 1_000_000;

/// Who says what.
struct Group {
    subject: Box<dyn Subject>,
    board: Arc<Board>,
    completed: Receiver<usize>,
    rng: ChaCha12Rng,
    /// Who is still to speak in this round: everyone once, in any order.
    round: Vec<usize>,
}

impl Group {
    fn start(kind: Kind, members: usize) -> Self {
        let (board, completed) = Board::new(members, ROOM);
        let board = Arc::new(board);
        let subject = kind.start(members, &board);
        let rng = ChaCha12Rng::seed_from_u64(11);
        Self { subject, board, completed, rng, round: Vec::new() }
    }

    /// Someone says something. False when all that may be said was said.
    fn say(&mut self) -> bool {
        if self.round.is_empty() {
            self.round = (0..self.board.members()).collect();
        }
        let at = self.rng.next_u64() as usize % self.round.len();
        let from = self.round.swap_remove(at);
        let Some(nth) = self.board.next().filter(|nth| *nth < self.messages_max()) else {
            return false;
        };
        self.board.say(nth);
        self.subject.say(from, nth);
        true
    }

    fn messages_max(&self) -> usize {
        self.subject.each_max().saturating_mul(self.board.members()).min(ROOM)
    }

    /// Says so many at a constant rate, whatever comes of it. How many were said.
    fn say_at_rate(&mut self, per_second: f64, messages: usize) -> usize {
        let began = Instant::now();
        for nth in 0..messages {
            let due = began + Duration::from_secs_f64(nth as f64 / per_second);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if !self.say() {
                return nth;
            }
        }
        messages
    }

    /// Waits until so many are complete, or nothing arrives any more.
    fn wait(&self, messages: usize) -> usize {
        (0..messages).take_while(|_| self.completed.recv_timeout(SILENCE).is_ok()).count()
    }

    /// What must be so in the end: who keeps words has each that was said, once.
    fn check(&self, messages: usize) {
        for (member, (held, twice)) in self.subject.held().unwrap_or_default().iter().enumerate() {
            println!("held {member} {held} {twice}");
            if *held != messages || *twice != 0 {
                println!("fault member {member} holds {held} of {messages}, {twice} of them twice");
            }
        }
    }
}

/// A cell: one at a time, then as many as it bears. Prints lines of a name and a number.
pub fn delivery(kind: Kind, members: usize) {
    let mut group = Group::start(kind, members);
    group.say_at_rate(f64::from(SLOW), 10);
    group.wait(10);
    let said = group.say_at_rate(f64::from(SLOW), SLOW_MESSAGES);
    group.wait(said);
    let slow = 10..10 + said;
    print_times(&group.board, slow.clone());
    let busy = saturate(&mut group, slow.end);
    println!("lost {}", group.board.missing(0..busy));
    group.board.print_missing(0..busy);
    println!("twice {}", group.board.twice());
    group.check(busy);
}

/// Says a new message whenever one is complete. How many were said since the cell began.
fn saturate(group: &mut Group, before: usize) -> usize {
    let (mut said, mut done) = (0, 0);
    while said < WINDOW && group.say() {
        said += 1;
    }
    let began = Instant::now();
    let mut counted: Option<(usize, Instant, ProcessTime)> = None;
    let mut last = (0, Instant::now(), Duration::ZERO);
    while done < said && group.completed.recv_timeout(SILENCE).is_ok() {
        done += 1;
        let now = Instant::now();
        if counted.is_none() && now - began >= WARM {
            counted = Some((done, now, ProcessTime::now()));
        }
        let is_over = now - began >= WARM + BUSY;
        if !is_over && group.say() {
            said += 1;
            let cpu = counted.as_ref().map_or(Duration::ZERO, |(_, _, cpu)| cpu.elapsed());
            last = (done, now, cpu);
        }
    }
    let (first, since, _) = counted.expect("it bears something");
    let (messages, took) = (last.0 - first, last.1 - since);
    let deliveries = messages * (group.board.members() - 1);
    println!("rate {:.1}", messages as f64 / took.as_secs_f64());
    println!("cpu {:.2}", last.2.as_secs_f64() * 1e6 / deliveries as f64);
    println!("cores {:.2}", last.2.as_secs_f64() / took.as_secs_f64());
    before + said
}

fn print_times(board: &Board, messages: Range<usize>) {
    let (each, last) = board.times(messages);
    for (name, of) in [("p50", 500), ("p99", 990)] {
        println!("{name} {:.1}", micros(&each, of));
        println!("last-{name} {:.1}", micros(&last, of));
    }
}

/// A cell: so many a second, whatever comes of it, until the end of some seconds or of the budgets.
pub fn overload(kind: Kind, members: usize, per_second: f64) {
    let mut group = Group::start(kind, members);
    let wanted = (per_second * OVER.as_secs_f64()) as usize;
    let began = Instant::now();
    let said = group.say_at_rate(per_second, wanted);
    let saying = began.elapsed();
    let complete = group.wait(said);
    let caught_up =
        began.elapsed() - saying - if complete < said { SILENCE } else { Duration::ZERO };
    println!("said {said}");
    println!("offered {:.1}", said as f64 / saying.as_secs_f64());
    println!("seconds {:.2}", saying.as_secs_f64());
    println!("behind {:.2}", caught_up.as_secs_f64());
    print_times(&group.board, 0..said);
    println!("lost {}", group.board.missing(0..said));
    group.board.print_missing(0..said);
    println!("twice {}", group.board.twice());
    group.check(said);
}
