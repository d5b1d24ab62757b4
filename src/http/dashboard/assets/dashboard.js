// Keeps an open page up to date, focuses the search box and copies. Every page works without it.
"use strict";
(() => {
  const root = document.documentElement;
  const signedOut = document.body.hasAttribute("data-signed-out");

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const box = document.getElementById("q");
      if (box) { event.preventDefault(); box.focus(); box.select(); }
    }
  });

  const prepare = (part) => {
    for (const button of part.querySelectorAll("[data-copy], [data-copy-link]")) button.hidden = !navigator.clipboard;
  };
  prepare(document);
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-link]");
    if (!button) return;
    const field = document.getElementById(button.dataset.copy);
    const words = button.textContent;
    await navigator.clipboard.writeText(field ? field.value : location.href);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = words; }, 1500);
  });

  // A page from the browser's memory may be of a session that has ended.
  const holds = async () => {
    const answer = await fetch("/session", { cache: "no-store" }).catch(() => null);
    if (answer && answer.status === 401) location.replace("/sign-in?back=" + encodeURIComponent(location.pathname + location.search));
    return Boolean(answer && answer.ok);
  };
  window.addEventListener("pageshow", (event) => { if (event.persisted && !signedOut) holds(); });
  // A link that gives access has the token behind its #: it goes into the form, and out of the address.
  if (location.hash.startsWith("#token=")) {
    const token = decodeURIComponent(location.hash.slice(7));
    history.replaceState(null, "", location.pathname + location.search);
    const field = document.getElementById("token");
    if (field) { field.value = token; field.form.requestSubmit(); }
  }
  if (signedOut || !window.EventSource) return;

  const typed = (part) => [...part.querySelectorAll("input:not([type=hidden]):not([readonly]), textarea, select")].some((field) =>
    field === document.activeElement ||
    // Where no option is marked, the first one is chosen.
    (field.tagName === "SELECT"
      ? field.selectedIndex !== Math.max(0, [...field.options].findIndex((o) => o.defaultSelected))
      : field.value !== field.defaultValue));

  let asking = false;
  let again = false;
  const refresh = async () => {
    if (asking) { again = true; return; }
    asking = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.redirected && new URL(answer.url).pathname === "/sign-in") { await holds(); return; }
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(old.id);
        if (!fresh || typed(old)) continue;
        for (const details of old.querySelectorAll("details[open]")) {
          const at = [...old.querySelectorAll("details")].indexOf(details);
          const twin = fresh.querySelectorAll("details")[at];
          if (twin) twin.open = true;
        }
        const inside = old.contains(document.activeElement) ? document.activeElement : null;
        const places = "a, button, summary, pre";
        const at = inside ? [...old.querySelectorAll(places)].indexOf(inside) : -1;
        prepare(fresh);
        old.replaceWith(fresh);
        if (at >= 0) fresh.querySelectorAll(places)[at]?.focus({ preventScroll: true });
      }
      root.dataset.state = page.documentElement.dataset.state;
    } finally {
      asking = false;
      if (again) { again = false; setTimeout(refresh, 1000); }
    }
  };

  let source = null;
  const shown = (on) => { const mark = document.getElementById("live"); if (mark) mark.hidden = !on; };
  const open = () => {
    // A page of one business has no stream: it is fetched again from time to time.
    if (source || document.hidden || !("state" in root.dataset)) return;
    source = new EventSource("/api/v1/stream");
    source.onopen = () => shown(true);
    source.addEventListener("state", (event) => {
      shown(true);
      if (JSON.parse(event.data).fingerprint !== root.dataset.state) refresh();
    });
    source.onerror = () => {
      shown(false);
      // Anything but a stream ends it for good: it is opened again by hand, if the session holds.
      if (source.readyState !== EventSource.CLOSED) return;
      source = null;
      setTimeout(async () => { await holds(); open(); }, 5000);
    };
  };
  const close = () => { source?.close(); source = null; shown(false); };
  // A browser opens few connections to one host: pages that nobody sees keep none.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  setInterval(() => { if (!document.hidden) refresh(); }, 60000);
})();
