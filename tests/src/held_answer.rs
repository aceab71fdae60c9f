//! Something between a client and a manager that holds an answer back until it is told to let it go, or to lose it.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// How long the request may let itself be waited for.
const WITHIN: Duration = Duration::from_secs(60);

/// Carries connections to a manager. The answer to the first request with a certain path is held back.
#[derive(Debug)]
pub struct HeldAnswer {
    url: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Passing,
    Held,
    Released,
    Cut,
}

impl HeldAnswer {
    /// In front of the manager at this `http://HOST:PORT`.
    ///
    /// # Panics
    ///
    /// Where it cannot listen.
    #[must_use]
    pub fn of(manager: &str, path: &'static str) -> Self {
        let manager = manager.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let state = Arc::new((Mutex::new(State::Passing), Condvar::new()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&manager) else { continue };
                carry(client, server, path, &shared);
            }
        });
        Self { url, state }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until the manager has the request and its answer is held.
    ///
    /// # Panics
    ///
    /// When none comes in time.
    pub fn wait_until_held(&self) {
        let (state, changed) = &*self.state;
        let guard = state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(guard, WITHIN, |state| *state == State::Passing);
        let (guard, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert_eq!(*guard, State::Held, "no such request came");
    }

    /// Lets the answer go.
    pub fn release(&self) {
        self.become_of_it(State::Released);
    }

    /// Closes the connection in the place of the answer.
    pub fn cut(&self) {
        self.become_of_it(State::Cut);
    }

    fn become_of_it(&self, state: State) {
        *self.state.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.state.1.notify_all();
    }
}

/// Carries one connection, both ways.
fn carry(client: TcpStream, server: TcpStream, path: &'static str, state: &Arc<(Mutex<State>, Condvar)>) {
    let (Ok(mut from_client), Ok(mut from_server)) = (client.try_clone(), server.try_clone()) else { return };
    let (mut client, mut server) = (client, server);
    let (asked, held) = (Arc::new(Mutex::new(false)), state.clone());
    let is_asked = asked.clone();
    std::thread::spawn(move || {
        pass(&mut from_client, &mut server, |bytes| {
            if bytes.windows(path.len()).any(|window| window == path.as_bytes()) {
                *asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
            }
            true
        });
        let _ = server.shutdown(Shutdown::Write);
    });
    std::thread::spawn(move || {
        pass(&mut from_server, &mut client, |_| {
            if !*is_asked.lock().unwrap_or_else(PoisonError::into_inner) {
                return true;
            }
            let (state, changed) = &*held;
            let mut guard = state.lock().unwrap_or_else(PoisonError::into_inner);
            let is_first = *guard == State::Passing;
            if is_first {
                *guard = State::Held;
                changed.notify_all();
            }
            let waited = changed.wait_while(guard, |state| *state == State::Held);
            !is_first || *waited.unwrap_or_else(PoisonError::into_inner) != State::Cut
        });
        let _ = client.shutdown(Shutdown::Both);
    });
}

/// Carries bytes one way, for as long as `look` says.
fn pass(from: &mut TcpStream, to: &mut TcpStream, mut look: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
    {
        if !look(&buffer[..count]) || to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
