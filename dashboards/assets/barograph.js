// What only the browser can do: the title of the tab, times in the reader's own zone, charts as wide as their place, and
// an address to send on.
"use strict";
// Dash's components that come later were translated for browsers without generators, and ask for their runtime by this
// name: of it, only bodies that run from their beginning to their end without a `try`, which is all there are
// (`dashboards/app.py` leaves out the script that brings the whole).
window.regeneratorRuntime = window.regeneratorRuntime || {
  mark: (body) => body,
  wrap: function (body) {
    const at = { prev: 0, next: 0, sent: undefined, done: false, stop: function () { at.done = true; } };
    return {
      next: function (value) { at.sent = value; const given = body(at); return { value: given, done: at.done }; },
      throw: function (error) { at.done = true; throw error; },
    };
  },
};
(function () {
  const KEY = "barograph-zone";
  const local = () => { try { return localStorage.getItem(KEY) === "local"; } catch (e) { return false; } };
  // Made when it is needed: the first one costs a browser a twentieth of a second.
  let format = null;
  function ours(date) {
    format = format || new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });
    return format.format(date);
  }
  // Each time keeps what the server wrote, so that a switch back is exact.
  function tell(node) {
    if (node.dataset.utc === undefined || (node.dataset.shown !== undefined && node.textContent !== node.dataset.shown)) {
      node.dataset.utc = node.textContent;
    }
    const text = local() ? ours(new Date(node.dateTime)) : node.dataset.utc;
    node.dataset.shown = text;
    if (node.textContent !== text) node.textContent = text;
  }
  function all() {
    const name = document.getElementById("name")?.textContent;
    const title = !name || name === "Morning" ? "Barograph" : name + " · Barograph";
    if (document.title !== title) document.title = title;
    document.querySelectorAll("time[datetime]").forEach(tell);
    const button = document.getElementById("zone");
    const zone = local() ? "times: " + (Intl.DateTimeFormat().resolvedOptions().timeZone || "local") : "times: UTC";
    if (button && button.textContent !== zone) button.textContent = zone;
  }
  document.addEventListener("click", function (event) {
    if (event.target.id !== "zone") return;
    try { localStorage.setItem(KEY, local() ? "utc" : "local"); } catch (e) { /* private window: this page only */ }
    all();
  });
  // The server was told the address by a header, which may come cut short or not be the one that is shown by now.
  let compared = false;
  function compare() {
    const frame = document.querySelector(".page");
    if (compared || !frame) return;
    compared = true;
    const told = frame.dataset.address;
    if (told !== undefined && told !== location.pathname + location.search) window.dispatchEvent(new Event("popstate"));
  }
  let waiting = false;
  new MutationObserver(function () {
    if (waiting) return;
    waiting = true;
    // A tab in the background has no frames, but a title.
    (document.hidden ? setTimeout : requestAnimationFrame)(function () { waiting = false; compare(); all(); });
  }).observe(document.documentElement, { childList: true, subtree: true, characterData: true });
})();
(function () {
  // Dash asks for the script that draws when the first chart is there. Who has had it is given it while the page is made
  // on the server; at a first visit, when it takes a second to be read, the page comes first.
  const KEY = "barograph-drawn", ADDRESS = "/_dash-component-suites/plotly/package_data/plotly.min.js";
  const kept = () => { try { return localStorage.getItem(KEY) === "yes"; } catch (e) { return false; } };
  const keep = () => { try { localStorage.setItem(KEY, "yes"); } catch (e) { /* private window: as at a first visit */ } };
  if (kept()) {
    const script = document.createElement("script");
    script.src = ADDRESS;
    document.head.append(script);
  } else {
    const watch = setInterval(function () {
      if (!window.Plotly) return;
      clearInterval(watch);
      keep();
    }, 1000);
  }
})();
(function () {
  let waiting = 0;
  window.addEventListener("resize", function () {
    clearTimeout(waiting);
    waiting = setTimeout(function () {
      if (window.Plotly) document.querySelectorAll(".js-plotly-plot").forEach(function (chart) {
        // One that is not seen has no size, and refuses.
        Promise.resolve(window.Plotly.Plots.resize(chart)).catch(() => {});
      });
    }, 50);
  });
})();
(function () {
  // Without https a browser offers no clipboard; a field that is selected can still be copied.
  async function copy(text) {
    try { await navigator.clipboard.writeText(text); return true; } catch (e) { /* not offered, or refused */ }
    const field = document.createElement("textarea");
    field.value = text;
    field.style.position = "fixed";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
  let shown = 0;
  document.addEventListener("click", async function (event) {
    if (event.target.id !== "copy-link") return;
    const done = await copy(window.location.href);
    event.target.focus();
    const said = document.getElementById("copied");
    if (!said) return;
    said.textContent = done ? "copied" : "not copied: take it from the address bar";
    clearTimeout(shown);
    shown = setTimeout(function () { said.textContent = ""; }, 5000);
  });
})();
