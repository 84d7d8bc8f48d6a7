// Inside an EHR's frame the chart lies around the form. Before somebody else gets the device the form fills the screen,
// and stays so until the right PIN is typed: a browser does this only for a press, and ends it when the page changes.

const framed = parent !== window;
const root = document.documentElement;
const main = document.querySelector("main");
const goTo = (path) => (globalThis.openPage ?? ((to) => location.assign(to)))(path); // carried.js has a way of its own
const screen = (name) => document.querySelector(`template[data-screen=${name}]`).content.cloneNode(true);
const PATIENCE = 30000; // ms
let asking = null; // for the lock, or whether a PIN is right
let panel = null; // what asks for the press, while the screen is not filled
let covered = null; // the form that may not be left standing beside the chart

document.addEventListener("form-opened", ({ target: form }) => {
  if (!framed || !("cover" in form.dataset)) return;
  covered = form;
  if (!document.fullscreenElement) ask();
});

export const coverAgain = () => { if (covered && !document.fullscreenElement) ask(); };
document.addEventListener("fullscreenchange", coverAgain);

function ask() {
  if (panel) return;
  panel = document.createElement("main"); // while the form's own is hidden
  panel.append(screen("cover"));
  const possible = document.fullscreenEnabled && "requestFullscreen" in root;
  panel.querySelectorAll(possible ? "[data-coverable]" : "[data-uncoverable]").forEach((part) => { part.hidden = false; });
  panel.querySelectorAll("[data-fill-screen], [data-fill-again]").forEach((press) => {
    press.hidden = !possible;
    press.addEventListener("click", async () => {
      try { await root.requestFullscreen(); goOn(); } catch { refuse(); }
    });
  });
  const away = covered.querySelector("[data-pause]");
  const unlock = panel.querySelector("[data-unlock]");
  unlock.hidden = !away;
  unlock.addEventListener("click", () => { goOn(); if (away.isConnected) away.click(); });
  panel.querySelector("[data-go-on]").addEventListener("click", () => { covered = null; goOn(); });
  main.hidden = true;
  main.after(panel);
  panel.querySelector("h1").focus();
}

// The browser would not: say so, and let it be tried again, or the form go on with somebody beside it.
function refuse() {
  panel?.querySelectorAll("[data-coverable]").forEach((part) => { part.hidden = true; });
  panel?.querySelectorAll("[data-uncoverable]").forEach((part) => { part.hidden = false; });
}

function goOn() {
  panel?.remove();
  panel = null;
  main.hidden = false;
  main.querySelector("section:not([hidden]) h1, h1")?.focus();
}

// The keyboard must not walk out of the filled screen into the chart behind it.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Tab" || !covered) return;
  const reachable = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
    .filter((each) => !each.disabled && (each.checkVisibility?.() ?? each.offsetParent));
  const stops = reachable.filter((each) => each.type !== "radio" || each.checked || !reachable
    .some((other) => other.name === each.name && other.checked));
  if (!stops.length) return event.preventDefault();
  const [first, last] = [stops[0], stops[stops.length - 1]];
  const sameGroup = (one, other) => one === other || (one?.type === "radio" && one.type === other.type && one.name === other.name);
  const at = document.activeElement;
  const isBefore = at.compareDocumentPosition(first) & Node.DOCUMENT_POSITION_FOLLOWING; // such as a heading
  if (event.shiftKey && (sameGroup(at, first) || isBefore)) { event.preventDefault(); last.focus(); }
  if (!event.shiftKey && sameGroup(at, last)) { event.preventDefault(); first.focus(); }
});

function fill(found) {
  main.replaceChildren(...found.childNodes);
  (main.querySelector("input:not([type=hidden])") ?? main.querySelector("h1")).focus();
}

// The PIN is asked for in this page, so that the screen stays filled until it is right.
document.addEventListener("click", (event) => {
  const way = event.target.closest("[data-return]");
  if (!way || !document.fullscreenElement) return;
  event.preventDefault();
  put(new URL(way.href).pathname);
});

export const isAsking = () => asking !== null;
export const drop = () => { asking?.abort(); asking = null; };

export async function put(path, given) {
  drop();
  const mine = new AbortController();
  asking = mine;
  setTimeout(() => mine.abort(), PATIENCE);
  if (!given) fill(screen("leaving"));
  let answer, page;
  try {
    answer = await fetch(path, { cache: "no-store", redirect: "manual", signal: mine.signal, ...given });
    // A redirection: nothing is locked any more, and the clinician has the device.
    if (answer.type === "opaqueredirect") { covered = null; return goTo(path); }
    if (answer.status < 500) page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch { /* no connection: asked again by a press, for a browser's own page would leave the chart around it in sight */ }
  if (asking !== mine) return;
  asking = null;
  if (page) Object.assign(root, { lang: page.documentElement.lang, dir: page.documentElement.dir });
  fill(page?.querySelector("main") ?? screen("offline"));
  main.querySelector("[data-reload]")?.addEventListener("click", () => put(path));
  main.querySelector("form")?.addEventListener("submit", (event) => {
    event.preventDefault();
    if (isAsking()) return; // a second press would count as a second PIN
    event.target.querySelector("[type=submit]").textContent = screen("leaving").querySelector("h1").textContent;
    put(path, { method: "POST", body: new URLSearchParams(new FormData(event.target)) });
    document.dispatchEvent(new Event("pin-sent"));
  });
}
