//! What a hundred thousand messages cost, printed: docs/benchmarks.md, "The window".

use std::time::{Duration, Instant};

use eframe::egui::{Event, Key, Modifiers, MouseWheelSource, MouseWheelUnit, TouchPhase, vec2};

use crate::gui::testing::{Fake, ME, Screen, message};

/// How many frames each figure is the median of.
const FRAMES: usize = 200;

/// The middle and the 95th of a hundred.
fn middle(mut took: Vec<Duration>) -> (f64, f64) {
    took.sort();
    let ms = |nth: usize| took[nth].as_secs_f64() * 1000.0;
    (ms(took.len() / 2), ms(took.len() * 95 / 100))
}

fn frames(screen: &mut Screen, mut before: impl FnMut(&mut Screen, usize)) -> (f64, f64) {
    let mut took = Vec::new();
    for nth in 0..FRAMES {
        before(screen, nth);
        let start = Instant::now();
        screen.one_frame();
        took.push(start.elapsed());
    }
    middle(took)
}

fn wheel(screen: &Screen, points: f32) {
    screen.point_at(vec2(640.0, 400.0));
    screen.event(Event::MouseWheel {
        unit: MouseWheelUnit::Point,
        delta: vec2(0.0, points),
        phase: TouchPhase::Move,
        source: MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    });
}

#[test]
#[ignore = "prints figures: see docs/benchmarks.md"]
fn a_hundred_thousand_messages() {
    let words = "I know that nothing. I spent my first one at a friend's house. ";
    let all = (0..100_000_u64).map(|nth| {
        let text = words.repeat(1 + usize::try_from(nth % 5).unwrap());
        let mut said = message(0, ME, &text, 400_000 - nth * 4);
        said.id[..8].copy_from_slice(&nth.to_be_bytes());
        said
    });
    let all: Vec<_> = all.collect();
    let start = Instant::now();
    let mut screen = Screen::new(Fake::talking());
    println!("a window with a few messages, drawn for the first time: {:?}", start.elapsed());
    let start = Instant::now();
    screen.load(all);
    screen.one_frame();
    println!("the first frame of 100,000: {:?}", start.elapsed());
    let show = |what: &str, (half, most): (f64, f64)| {
        println!("{what:32} median {half:6.2} ms, 95 of 100 within {most:6.2} ms");
    };
    show("nothing happens", frames(&mut screen, |_, _| {}));
    show("scrolling 40 a frame", frames(&mut screen, |screen, _| wheel(screen, 40.0)));
    show("scrolling 900 a frame", frames(&mut screen, |screen, _| wheel(screen, 900.0)));
    show("typing a letter", frames(&mut screen, |screen, _| screen.event(Event::Text("a".into()))));
    show("a message comes, far above", frames(&mut screen, Screen::append));
    screen.keys(Modifiers::COMMAND, Key::End);
    show("a message comes, at the end", frames(&mut screen, Screen::append));
}
