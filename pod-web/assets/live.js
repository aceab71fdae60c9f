// What keeps an open page up to date: where the manager is, how news of it are heard, and what a page does with them.
"use strict";
const pod = (() => {
  // Before the manager's own paths there may be one of a proxy. It ends with a slash.
  const base = new URL("..", document.currentScript.src).pathname;

  // A browser opens six connections to a manager, for all its windows and tabs together, and a stream holds one as long
  // as it lasts. So a page has one only while it is looked at; and pages that are looked at side by side have so many
  // places among them, turn by turn. Three connections are left for everything else.
  const PLACES = ["pod-stream-1", "pod-stream-2", "pod-stream-3"];
  const TURN = 2000;

  const pause = (time, signal) => new Promise((done) => {
    const timer = setTimeout(done, time);
    signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
  });

  // Uses a place for as long as nobody else waits for it; `use` is told when its turn is over.
  const holding = async (name, use) => {
    const turn = new AbortController();
    const look = setInterval(async () => {
      const { pending } = await navigator.locks.query();
      if (pending.some((waits) => waits.name === name)) turn.abort();
    }, TURN);
    try { await use(turn.signal); } finally { clearInterval(look); }
  };
  const sharing = async (signal, use) => {
    for (const name of PLACES) {
      const had = await navigator.locks.request(name, { ifAvailable: true }, async (place) => {
        if (place && !signal.aborted) await holding(name, use);
        return Boolean(place);
      });
      if (had || signal.aborted) return;
    }
    const name = PLACES[Math.floor(Math.random() * PLACES.length)];
    await navigator.locks.request(name, { signal }, () => holding(name, use));
  };
  // Over plain HTTP to a name, pages know nothing of each other. The one that is worked in listens on, and others that
  // are in sight do so now and then.
  const alone = async (signal, use) => {
    const turn = new AbortController();
    const look = setInterval(() => { if (!document.hasFocus()) turn.abort(); }, TURN);
    try { await use(turn.signal); } finally { clearInterval(look); }
    if (turn.signal.aborted) await pause(3 * TURN, signal);
  };
  const taking = navigator.locks ? sharing : alone;

  // Follows a stream of events while the page is looked at, until it is told to stop: `hear` has what is done with each
  // kind. `opened` is told, whenever it listens, whether something may have been missed since the page was made; `lost`,
  // that the manager went away; `closed`, that it answered and refused. On a page that was left, it waits for `back` first.
  const follow = ({ address, hear, opened = () => {}, lost = () => {}, closed = () => {}, back = async () => {} }) => {
    let visit = null, left = document.hidden, missed = document.hidden, over = false;
    const once = (visited, turn) => new Promise((done) => {
      if (visited.aborted) { done("left"); return; }
      const source = new EventSource(address());
      const end = (why) => {
        source.close();
        visited.removeEventListener("abort", leave);
        done(why);
      };
      const leave = () => end("left");
      visited.addEventListener("abort", leave);
      turn.addEventListener("abort", () => end("turn"), { once: true });
      for (const [kind, heard] of Object.entries(hear)) source.addEventListener(kind, heard);
      source.addEventListener("open", () => {
        opened(missed);
        missed = true;
      });
      source.addEventListener("error", () => {
        if (visited.aborted) return;
        lost();
        // It dials again by itself, but where it got an answer that is no stream.
        if (source.readyState !== EventSource.CLOSED) return;
        closed();
        end("refused");
      });
    });
    const listen = async (visited) => {
      if (left) await back();
      left = false;
      let wait = 1000;
      while (!visited.aborted) {
        let why = "left";
        try {
          await taking(visited, async (turn) => { why = await once(visited, turn); });
        } catch (error) {
          if (error.name !== "AbortError") throw error;
        }
        if (why === "refused") await pause(wait, visited);
        wait = why === "refused" ? Math.min(2 * wait, 30000) : 1000;
      }
    };
    const come = () => {
      if (over || visit || document.hidden) return;
      visit = new AbortController();
      listen(visit.signal);
    };
    const go = () => {
      if (!visit) return;
      visit.abort();
      visit = null;
      left = true;
    };
    document.addEventListener("visibilitychange", () => { if (document.hidden) go(); else come(); });
    // A page that one goes back to is taken from memory, just as it was left.
    addEventListener("pagehide", go);
    addEventListener("pageshow", come);
    come();
    return { stop: () => { over = true; go(); } };
  };

  // A part of the page was refused. Where the session has ended, while the computer slept perhaps, that is said: what is
  // typed into the page stays.
  const refused = (answer) => {
    if (answer.status !== 401 || document.getElementById("signed-out")) return;
    const note = document.createElement("div");
    note.id = "signed-out";
    note.className = "flash flash-refused";
    note.setAttribute("role", "alert");
    const link = document.createElement("a");
    link.href = location.pathname + location.search;
    link.textContent = "Sign in again";
    const sentence = document.createElement("p");
    sentence.append("You are not signed in any more, and this page stands still. ", link);
    note.append(sentence);
    document.getElementById("main").prepend(note);
  };
  // What forms carry is written anew for every page: those that are open take the newest.
  const takeTokens = (page) => {
    const token = page.querySelector("input[name=form]")?.getAttribute("value");
    if (token) for (const field of document.querySelectorAll("input[name=form]")) field.setAttribute("value", token);
  };

  return { base, follow, refused, takeTokens };
})();
