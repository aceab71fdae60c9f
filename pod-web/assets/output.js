// The output of an execution, live. The server makes the rows; this puts them into the page, follows the end until one
// scrolls up, loads what lies further, and keeps only a window of it. Every page works without it.
"use strict";
(() => {
  const output = document.getElementById("output");
  const lines = document.getElementById("lines");
  if (!output || !lines) return;
  const { id, view, attempt } = output.dataset;
  const unfinished = document.getElementById("unfinished");
  const earlier = document.getElementById("earlier");
  const later = document.getElementById("later");
  const nothing = document.getElementById("nothing");
  const jump = document.getElementById("jump");
  const connection = document.getElementById("connection");
  const wrap = document.getElementById("wrap");
  const follow = document.getElementById("follow");
  const times = document.getElementById("times");
  const query = new URLSearchParams({ view });
  if (attempt) query.set("attempt", attempt);

  const ROWS_PER_BLOCK = 250;
  const MOST_ROWS = 20000;
  // Each row costs a little whenever more come, also far above what is in sight.
  const MOST_FOLLOWED = 5000;
  let next = output.dataset.next;
  let over = "over" in output.dataset;
  let atEnd = !("later" in output.dataset);
  let laterPart = output.dataset.later;
  let stream = null, held = 0, rows = lines.querySelectorAll(".l").length, waiting = [], frame = 0;

  const number = (row) => Number(row.dataset.n);
  const isAtBottom = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 40;
  // Blocks have their real height only when they come into sight: it is gone to again until it stays.
  // Where that leads is known at once: what is above it later is somebody's scrolling.
  let settling = 0, lastTop = scrollY;
  const toBottom = (left = 4) => {
    cancelAnimationFrame(settling);
    scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
    lastTop = scrollY;
    if (left > 0) settling = requestAnimationFrame(() => { if (!isAtBottom()) toBottom(left - 1); });
  };

  // The time at which a line came, in the reader's zone; rows have it as a number until it is asked for.
  const two = (number) => String(number).padStart(2, "0");
  const stamp = (row) => {
    if (row.classList.contains("c") || !row.classList.contains("l")) return;
    let time = row.querySelector(":scope > .t");
    if (time?.title) return;
    if (!time) {
      time = document.createElement("span");
      time.className = "t";
      row.querySelector(":scope > code").before(time);
    }
    if (!row.dataset.t) return;
    const at = new Date(Number(row.dataset.t));
    time.title = at.toLocaleString();
    time.textContent = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  };

  // Rows as the server made them. It has escaped all text; a page allows no script in them in any case.
  const rowsOf = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    const made = [...template.content.children];
    if (times.checked) made.forEach(stamp);
    return made;
  };
  const addBlock = () => {
    const block = document.createElement("div");
    block.className = "block";
    lines.insertBefore(block, unfinished);
    return block;
  };
  const append = (fresh) => {
    let block = unfinished.previousElementSibling ?? addBlock();
    for (const row of fresh) {
      if (block.childElementCount >= ROWS_PER_BLOCK) block = addBlock();
      block.append(row);
    }
    rows += fresh.length;
  };
  const dropTop = (most) => {
    let dropped = false;
    while (rows > most && lines.children.length > 2) {
      const block = lines.firstElementChild;
      rows -= block.childElementCount;
      block.remove();
      dropped = true;
    }
    if (dropped) earlier.hidden = false;
  };
  const dropBottom = () => {
    let dropped = false;
    while (rows > MOST_ROWS && lines.children.length > 2) {
      const block = unfinished.previousElementSibling;
      rows -= block.childElementCount;
      block.remove();
      dropped = true;
    }
    if (dropped) {
      atEnd = false;
      laterPart = undefined;
      unfinished.replaceChildren();
      later.hidden = false;
    }
  };

  // What comes is put in once a frame, however often it comes.
  const draw = () => {
    frame = 0;
    const events = waiting;
    waiting = [];
    if (!events.length) return;
    const count = events.reduce((sum, event) => sum + event.count, 0);
    const following = follow.checked;
    if (!atEnd || (!following && rows > MOST_ROWS)) {
      // One reads further up: what comes is only counted, and loaded when one goes to the end.
      if (atEnd) { atEnd = false; laterPart = undefined; later.hidden = false; unfinished.replaceChildren(); }
      held += count;
    } else {
      append(rowsOf(events.map((event) => event.html).join("")));
      unfinished.replaceChildren(...rowsOf(events.at(-1).unfinished));
      if (rows || unfinished.childElementCount) nothing.hidden = true;
      if (following) { dropTop(MOST_FOLLOWED); toBottom(1); } else held += count;
    }
    if (events.at(-1).end) { over = true; refreshHead(); }
    showHeld();
  };
  const showHeld = () => {
    const show = !follow.checked && (held > 0 || !atEnd) && !isAtBottom();
    jump.hidden = !show;
    jump.textContent = held > 0 ? `↓ ${held.toLocaleString("en")} new ${held === 1 ? "line" : "lines"}` : "↓ To the end";
  };

  // Goes on where the rows end, until the output does.
  const dial = () => {
    stream?.stop();
    if (over || attempt) return;
    stream = pod.follow({
      address: () => `${pod.base}executions/${id}/output/live?${new URLSearchParams({ view, from: next })}`,
      hear: {
        rows: (event) => {
          const data = JSON.parse(event.data);
          if (data.end) stream.stop(); else next = event.lastEventId;
          waiting.push(data);
          frame ||= requestAnimationFrame(draw);
        },
      },
      opened: () => { connection.textContent = ""; },
      lost: () => { if (!over) connection.textContent = "reconnecting…"; },
      closed: () => refreshHead(),
      back: catchUp,
    });
  };


  const load = async (more) => {
    const asked = new URLSearchParams(query);
    for (const [name, value] of Object.entries(more)) asked.set(name, value);
    const answer = await fetch(`${pod.base}executions/${id}/output/part?${asked}`);
    if (!answer.ok) throw new Error(answer.statusText);
    return answer.json();
  };

  let loading = false;
  const once = async (work) => {
    if (loading) return;
    loading = true;
    try { await work(); } catch { connection.textContent = "could not be loaded; try again"; }
    loading = false;
  };
  const loadEarlier = () => once(async () => {
    const first = lines.querySelector(".l");
    const known = output.dataset.part;
    const trusted = known !== undefined && lines.firstElementChild.dataset.part === known;
    if (trusted && Number(known) === 0) { earlier.hidden = true; return; }
    const part = await load(trusted ? { part: Number(known) - 1 } : { line: Math.max(1, number(first) - 1) });
    // By its line, a part may hold what is there already.
    const fresh = rowsOf(part.html);
    const cut = trusted ? -1 : fresh.findIndex((row) => number(row) >= number(first));
    if (cut >= 0) fresh.splice(cut);
    follow.checked = false;
    const before = document.documentElement.scrollHeight, was = scrollY;
    const block = document.createElement("div");
    block.className = "block";
    block.dataset.part = output.dataset.part = part.part;
    block.append(...fresh);
    lines.prepend(block);
    rows += fresh.length;
    scrollTo({ top: was + document.documentElement.scrollHeight - before, behavior: "instant" });
    earlier.hidden = part.earlier === null;
    dropBottom();
    showHeld();
  });
  const loadLater = () => once(async () => {
    const all = lines.querySelectorAll(".block .l");
    const last = all[all.length - 1];
    const part = await load(laterPart !== undefined ? { part: laterPart } : { line: number(last) });
    let fresh = rowsOf(part.html);
    if (laterPart === undefined) {
      const cut = fresh.findLastIndex((row) => number(row) <= number(last));
      fresh = fresh.slice(cut + 1);
    }
    append(fresh);
    laterPart = part.later ?? undefined;
    if (part.later === null) reachEnd(part);
    dropTop(MOST_ROWS);
  });
  const reachEnd = (part) => {
    atEnd = true;
    held = 0;
    later.hidden = true;
    unfinished.replaceChildren(...rowsOf(part.unfinished));
    over = part.over;
    next = part.next;
    dial();
  };
  const showEnd = (part, fresh) => {
    waiting = [];
    lines.querySelectorAll(".block").forEach((block) => block.remove());
    rows = 0;
    append(fresh);
    lines.firstElementChild.dataset.part = output.dataset.part = part.part;
    earlier.hidden = part.earlier === null;
  };
  // Much may have been printed while nobody looked. One who follows the end sees it, and need not wait for the rest.
  const catchUp = async () => {
    if (!follow.checked || !atEnd) return;
    try {
      const part = await load({}), fresh = rowsOf(part.html);
      const last = lines.querySelector(".block:nth-last-of-type(2) .l:last-child");
      if (!fresh.length || !last || number(fresh[0]) <= number(last) + 1) return;
      showEnd(part, fresh);
      next = part.next;
      unfinished.replaceChildren(...rowsOf(part.unfinished));
      toBottom();
    } catch { /* The manager is away; the stream tells when it is back. */ }
  };
  const toEnd = () => once(async () => {
    if (!atEnd) {
      const part = await load({});
      showEnd(part, rowsOf(part.html));
      reachEnd(part);
    }
    held = 0;
    follow.checked = !over;
    untied = false;
    toBottom();
    showHeld();
  });

  // The tools that need a script.
  output.querySelector("[data-scripted]").hidden = false;
  const applyWrap = () => lines.classList.toggle("wide-lines", !wrap.checked);
  wrap.checked = localStorage.getItem("pod_wrap") !== "off";
  applyWrap();
  wrap.addEventListener("change", () => {
    localStorage.setItem("pod_wrap", wrap.checked ? "on" : "off");
    applyWrap();
    if (follow.checked) toBottom();
  });
  const applyTimes = () => {
    if (times.checked) lines.querySelectorAll(".l").forEach(stamp);
    lines.classList.toggle("with-times", times.checked);
  };
  times.checked = lines.classList.contains("with-times") || localStorage.getItem("pod_times") === "on";
  applyTimes();
  times.addEventListener("change", () => {
    localStorage.setItem("pod_times", times.checked ? "on" : "off");
    applyTimes();
    const address = new URL(location);
    if (times.checked) address.searchParams.set("times", "on"); else address.searchParams.delete("times");
    history.replaceState(null, "", address);
    if (follow.checked) toBottom();
  });
  follow.checked = !over && atEnd && !location.hash && !new URLSearchParams(location.search).has("q");
  // What one unticks stays so until one says otherwise: heights that settle scroll the page to its end as people do.
  let untied = false;
  follow.addEventListener("change", () => {
    untied = !follow.checked;
    if (untied) { cancelAnimationFrame(settling); held = 0; showHeld(); } else toEnd();
  });
  jump.addEventListener("click", toEnd);
  earlier.querySelector("a").addEventListener("click", (event) => { event.preventDefault(); loadEarlier(); });
  for (const link of later.querySelectorAll("a")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      if (link === later.querySelector("a")) loadLater(); else toEnd();
    });
  }
  if (output.dataset.part) lines.firstElementChild.dataset.part = output.dataset.part;

  // Scrolling up lets the end go; scrolling back to it takes it up again.
  const letGo = () => {
    cancelAnimationFrame(settling);
    if (follow.checked) { follow.checked = false; held = 0; }
  };
  addEventListener("wheel", (event) => { if (event.deltaY < 0) letGo(); }, { passive: true });
  addEventListener("touchmove", () => { if (!isAtBottom()) letGo(); }, { passive: true });
  addEventListener("keydown", (event) => { if (["PageUp", "ArrowUp", "Home"].includes(event.key)) letGo(); });
  addEventListener("scroll", () => {
    if (scrollY < lastTop - 4 && !isAtBottom()) letGo();
    // That the page went there by itself, a moment before one let the end go, takes nothing up.
    if (atEnd && isAtBottom()) { held = 0; if (!over && !untied && scrollY > lastTop) follow.checked = true; }
    lastTop = scrollY;
    showHeld();
  }, { passive: true });

  // A line's link that points out of the window loads that line.
  const toHash = async () => {
    const wanted = Number(/^#out-(\d+)$/.exec(location.hash)?.[1]);
    if (!wanted) return;
    follow.checked = false;
    if (!document.getElementById(`out-${wanted}`)) location.search = new URLSearchParams([...query, ["line", wanted]]);
    else document.getElementById(`out-${wanted}`).scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", toHash);

  // Where it stands, asked for while it has not ended.
  let asking = false;
  const refreshHead = async () => {
    if (asking) return;
    asking = true;
    try {
      const answer = await fetch(`${pod.base}executions/${id}?head=1`, { headers: { accept: "text/html" } });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        pod.takeTokens(page);
        for (const now of page.querySelectorAll("[data-fresh][id]")) {
          const old = document.getElementById(now.id);
          if (!old || old.innerHTML === now.innerHTML || old.querySelector("details[open]")) continue;
          old.replaceWith(document.adoptNode(now));
        }
      } else pod.refused(answer);
    } catch { /* The manager is away; the output tells when it is back. */ }
    asking = false;
  };
  setInterval(() => {
    if (!document.hidden && document.getElementById("story")?.matches("[data-open]")) refreshHead();
  }, 2000);

  if (location.hash) toHash(); else if (follow.checked && rows > 0 && !isAtBottom()) toBottom();
  if (atEnd) dial();
})();
