// What every page of the dashboard does by itself. Every page works without it.
"use strict";
(() => {
  const main = document.getElementById("main");

  // Times: relative, in the reader's zone on hover.
  const spans = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [Infinity, 86400, "d"]];
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const relative = (at) => {
    const seconds = Math.trunc((Date.now() - at) / 1000);
    if (seconds > -2 && seconds < 2) return "just now";
    const [, unit, word] = spans.find(([below]) => Math.abs(seconds) < below);
    const span = Math.trunc(Math.abs(seconds) / unit) + " " + word;
    return seconds > 0 ? span + " ago" : "in " + span;
  };
  const tellTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = Date.parse(time.dateTime);
      const text = relative(at);
      if (time.textContent !== text) time.textContent = text;
      if (!time.dataset.zoned) {
        time.title = exact.format(at);
        time.dataset.zoned = "yes";
      }
    }
  };
  tellTimes(document);
  setInterval(() => { if (!document.hidden) tellTimes(document); }, 5000);

  // Fields of a moment: in the reader's zone; what is sent is exact. Fields that say nothing stay out of the address.
  const two = (number) => String(number).padStart(2, "0");
  for (const field of document.querySelectorAll("input[data-moment]")) {
    const at = new Date(field.dataset.moment);
    if (field.dataset.moment) field.value = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
  }
  for (const zone of document.querySelectorAll("[data-zone]")) zone.textContent = "";
  for (const form of document.querySelectorAll("form.filters")) {
    form.addEventListener("formdata", ({ formData }) => {
      for (const [name, value] of [...formData]) {
        const field = form.elements[name];
        if (!value) formData.delete(name);
        else if (field.dataset.moment !== undefined) formData.set(name, new Date(value).toISOString().replace(":00.000Z", "Z"));
      }
    });
  }

  // The page asks for itself again, and puts the new parts in place.
  let asking = false, again = false, news = null;
  const refresh = async () => {
    if (asking) { again = true; return; }
    asking = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      else pod.refused(answer);
    } catch { /* The manager is away; the stream tells when it is back. */ }
    asking = false;
    if (again) { again = false; setTimeout(refresh, 1000); }
    poll();
  };
  const replace = (page) => {
    pod.takeTokens(page);
    for (const now of page.querySelectorAll("[data-fresh][id]")) {
      const old = document.getElementById(now.id);
      if (!old || old.contains(document.activeElement) && document.activeElement.matches("input, textarea")) continue;
      tellTimes(now);
      if (old.innerHTML === now.innerHTML) continue;
      const logs = [...old.querySelectorAll(".log")].map((log) => log.scrollTop + log.clientHeight >= log.scrollHeight - 8);
      const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      old.replaceWith(document.adoptNode(now));
      now.querySelectorAll(".log").forEach((log, at) => { if (logs[at] !== false) log.scrollTop = log.scrollHeight; });
      if (focused) [...now.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
    }
    for (const now of page.querySelectorAll("[data-rows][id]")) mergeRows(document.getElementById(now.id), now);
  };
  // Rows that are there change in place; new ones wait until they are asked for, so that nothing jumps.
  const mergeRows = (old, now) => {
    // The list was empty, and said so.
    if (!old) { location.reload(); return; }
    tellTimes(now);
    const rows = new Map([...old.rows].map((row) => [row.dataset.key, row]));
    const fresh = [];
    for (const row of now.rows) {
      const known = rows.get(row.dataset.key);
      if (!known) { fresh.push(row.dataset.key); continue; }
      if (known.textContent === row.textContent) continue;
      const chosen = known.querySelector("input:checked"), focused = known.contains(document.activeElement);
      const next = document.importNode(row, true);
      if (chosen) next.querySelector("input").checked = true;
      known.replaceWith(next);
      next.classList.add("fresh");
      if (focused) next.querySelector(".row-link, input")?.focus();
    }
    const bar = document.querySelector("[data-news]");
    if (!bar || !fresh.length) return;
    if (!old.rows.length) { old.replaceChildren(...[...now.rows].map((row) => document.importNode(row, true))); return; }
    news = now;
    bar.hidden = false;
    bar.textContent = fresh.length >= now.rows.length ? "Show the newest" : `Show ${fresh.length} new`;
  };
  document.querySelector("[data-news]")?.addEventListener("click", (event) => {
    const rows = document.querySelector("[data-rows]");
    if (news) rows.replaceChildren(...[...news.rows].map((row) => document.importNode(row, true)));
    news = null;
    event.currentTarget.hidden = true;
    rows.querySelector("a")?.focus({ preventScroll: true });
  });
  let timer = 0;
  const poll = () => {
    clearTimeout(timer);
    const asks = document.querySelector("[data-again]");
    if (asks) timer = setTimeout(() => (document.hidden ? poll() : refresh()), Number(asks.dataset.again));
  };
  if (main?.dataset.live) {
    pod.follow({
      address: () => `${pod.base}stream?${new URLSearchParams({ of: main.dataset.live })}`,
      hear: { changed: refresh },
      opened: (missed) => { if (missed) refresh(); },
      closed: refresh,
    });
  }
  poll();

  // The switch between light and dark, without asking for the page again.
  document.querySelector("form.theme")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = event.currentTarget.querySelector("button"), root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `${event.currentTarget.dataset.cookie}=${root.dataset.theme}; path=${pod.base.replace(/(.)\/$/, "$1")}; max-age=31536000; samesite=lax${secure}`;
    nameSwitch(button);
  });
  const nameSwitch = (button) => {
    const theme = document.documentElement.dataset.theme;
    const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    button.querySelector("span").textContent = dark ? "Light" : "Dark";
  };
  const themeButton = document.querySelector("form.theme button");
  if (themeButton) nameSwitch(themeButton);

  // How many rows are chosen; all between two with the shift key.
  const chosen = document.querySelector("[data-chosen]");
  if (chosen) {
    const words = chosen.textContent;
    let last = null;
    const boxes = () => [...document.querySelectorAll("[data-rows] input[type=checkbox]")];
    document.addEventListener("click", (event) => {
      if (!event.target.matches?.("[data-rows] input[type=checkbox]")) return;
      const all = boxes(), at = all.indexOf(event.target), from = all.indexOf(last);
      if (event.shiftKey && from >= 0) {
        all.slice(Math.min(at, from), Math.max(at, from) + 1).forEach((box) => { box.checked = event.target.checked; });
      }
      last = event.target;
      const count = all.filter((box) => box.checked).length;
      chosen.textContent = count ? `${count} chosen` : words;
    });
  }

  // Commands that are ready to copy.
  if (navigator.clipboard) {
    for (const block of document.querySelectorAll("pre.copyable")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "small";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(block.querySelector("code").textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
      block.append(button);
    }
  }

  // Keys: `/` searches, `g` and a letter goes somewhere, `j` and `k` walk through rows, `?` helps.
  let prefix = "", prefixAt = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
    const pressed = prefix && Date.now() - prefixAt < 1500 ? `${prefix} ${event.key}` : event.key;
    prefix = "";
    if (event.key === "g" && pressed === "g") { prefix = "g"; prefixAt = Date.now(); return; }
    if (pressed === "/") {
      const field = document.querySelector("[data-search]");
      if (field) { event.preventDefault(); field.focus(); field.select?.(); }
      return;
    }
    if (pressed === "j" || pressed === "k") {
      const links = [...document.querySelectorAll("main .row-link")];
      const at = links.indexOf(document.activeElement);
      const next = links[pressed === "j" ? at + 1 : Math.max(at - 1, 0)];
      if (next) { event.preventDefault(); next.focus(); }
      return;
    }
    const link = [...document.querySelectorAll("[data-key]")].find((link) => link.matches("a") && link.dataset.key === pressed);
    if (link) { event.preventDefault(); location.href = link.href; }
    else if (pressed === "n") location.href = `${pod.base}activities/new`;
  });
})();
