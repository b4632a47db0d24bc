//! `kith rpc`: the same client without a window, JSON-RPC 2.0, one object a line (docs/rpc.md).
//!
//! ```text
//! standard input -> line -> request -> method -> reply -> standard output
//!                            store -> notices -> events ----^
//! ```
//!
//! Logs go to standard error only. It ends when standard input closes, after everything acknowledged
//! is durable. Everything on standard input is hostile: an answer for every shape of it.

mod events;
mod lines;
mod methods;
mod params;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};

use crate::backend::{Backend as _, Trouble};
use crate::client::Client;
use events::Events;
use lines::{Line, Lines};
use methods::Speed;

/// Slow requests that may be under way at once; more are answered `busy`.
const SLOW_MAX: usize = 32;

/// Standard output, a whole line at a time.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<()>>);

impl Out {
    /// Writes one object. Whoever read our output may be gone: then nobody is left to tell.
    fn say(&self, value: &Value) {
        let _one_at_a_time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = io::stdout().lock();
        writeln!(out, "{value}").and_then(|()| out.flush()).ok();
    }
}

/// What every request needs.
struct Server {
    client: Client,
    events: Events,
    out: Out,
    slow: AtomicUsize,
}

/// Serves requests until standard input ends.
pub(crate) fn serve(client: Client) -> ExitCode {
    let out = Out::default();
    let server =
        Arc::new(Server { client, events: Events::default(), out, slow: AtomicUsize::new(0) });
    events::start(&server);
    let mut threads: Vec<thread::JoinHandle<()>> = Vec::new();
    for line in Lines::new(io::stdin().lock()) {
        threads.retain(|thread| !thread.is_finished());
        match line {
            Line::Whole(bytes) => threads.extend(on_line(&server, &bytes)),
            Line::TooLong => {
                let trouble = Trouble::new("too_large", "A request line has at most 2 MiB.");
                server.out.say(&refused(&Value::Null, &trouble));
            }
        }
    }
    // Requests under way hear that the profile is locked, and answer so.
    let locked = server.client.lock();
    for thread in threads {
        thread.join().ok();
    }
    match locked {
        Err(trouble) if trouble.name != "no_profile" => ExitCode::FAILURE,
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

/// One line: a request, or something that gets an error. A slow one goes on in a thread.
fn on_line(server: &Arc<Server>, bytes: &[u8]) -> Option<thread::JoinHandle<()>> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    let request: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(_malformed) => {
            server.out.say(&malformed(-32700, "this line is no JSON"));
            return None;
        }
    };
    let Some((id, method, params)) = request_of(request) else {
        server
            .out
            .say(&malformed(-32600, "this is no JSON-RPC 2.0 request, and batches are not taken"));
        return None;
    };
    let Some(speed) = methods::speed(&method) else {
        let error =
            json!({"code": -32601, "message": "there is no such method; rpc.methods names them"});
        server.out.say(&json!({"jsonrpc": "2.0", "id": id, "error": error}));
        return None;
    };
    match speed {
        Speed::Quick => {
            answer(server, &id, &method, params);
            None
        }
        Speed::Slow => slowly(server, id, method, params),
    }
}

fn slowly(
    server: &Arc<Server>,
    id: Value,
    method: String,
    params: Value,
) -> Option<thread::JoinHandle<()>> {
    let busy = || Trouble::new("busy", "Too many requests are under way; wait for one to end.");
    if server.slow.fetch_add(1, Ordering::Relaxed) >= SLOW_MAX {
        server.slow.fetch_sub(1, Ordering::Relaxed);
        server.out.say(&refused(&id, &busy()));
        return None;
    }
    let (this, that) = (Arc::clone(server), id.clone());
    let spawned = thread::Builder::new().name("request".into()).spawn(move || {
        answer(&this, &that, &method, params);
        this.slow.fetch_sub(1, Ordering::Relaxed);
    });
    spawned
        .inspect_err(|_no_thread| {
            server.slow.fetch_sub(1, Ordering::Relaxed);
            server.out.say(&refused(&id, &busy()));
        })
        .ok()
}

fn answer(server: &Server, id: &Value, method: &str, params: Value) {
    let reply = match methods::call(server, method, params) {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(trouble) => refused(id, &trouble),
    };
    server.out.say(&reply);
}

/// The parts of a request; none when it is not one.
fn request_of(request: Value) -> Option<(Value, String, Value)> {
    let Value::Object(mut request) = request else { return None };
    if request.get("jsonrpc").is_none_or(|version| version != "2.0") {
        return None;
    }
    let id = request.remove("id").unwrap_or(Value::Null);
    let Some(Value::String(method)) = request.remove("method") else { return None };
    let has_id = matches!(id, Value::Null | Value::Number(_) | Value::String(_));
    let params = request.remove("params").unwrap_or_else(|| json!({}));
    has_id.then_some((id, method, params))
}

fn refused(id: &Value, trouble: &Trouble) -> Value {
    let error = json!({"code": 1000, "message": trouble.says, "data": {"name": trouble.name}});
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

fn malformed(code: i32, says: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": says}})
}
