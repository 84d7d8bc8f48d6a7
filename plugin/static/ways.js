// Ways out of a form by which nothing is lost: the browser's Back goes a question back, and before the end, too, the device is
// given back by a press. The form stays behind the lock, so that it goes on if nobody wanted that.

const main = document.querySelector("main");
const root = document.documentElement;
const screen = (name) => document.querySelector(`template[data-screen=${name}]`);
const covering = () => import(screen("cover").dataset.script);
let paused = null;
let place = history.state?.place ?? 0; // among the pages that Back goes through
const push = () => { place += 1; history.pushState({ place }, ""); };

// As many pages lie behind a step as the form goes back from it, also where it opened in its middle; of a filled screen one more.
document.addEventListener("step-shown", ({ target, detail }) => {
  const steps = [...target.querySelectorAll("[data-step]")];
  const before = steps.slice(0, Math.max(0, steps.indexOf(detail))).filter((step, number) => !number
    || !step.querySelector("[data-question]") || step.querySelector("[data-question]:not([hidden])"));
  while (place < before.length + (document.fullscreenElement ? 1 : 0)) push();
}, true);

// Before the press there may be no connection any more.
document.addEventListener("form-opened", ({ target }) => { if (target.querySelector("[data-pause]")) covering(); });

addEventListener("popstate", ({ state }) => {
  const isForward = (state?.place ?? 0) > place;
  place = state?.place ?? 0;
  if (isForward) return undefined; // nothing lies ahead
  if (paused?.on.hidden) return push();
  if (paused) return goOn();
  const back = main.querySelector("[data-form] [data-back]:not([hidden])");
  return back ? back.click() : stay();
});

// A filled screen is not left: around it lies the chart.
const stay = () => { if (document.fullscreenElement) push(); };
document.addEventListener("fullscreenchange", stay);

// Before carried.js, which has a way of its own to the page that a link names.
document.addEventListener("click", async (event) => {
  const way = event.target.closest("[data-pause]");
  if (!way) return;
  event.preventDefault();
  const { put, drop } = await covering();
  if (paused) return;
  const on = screen("paused").content.firstElementChild.cloneNode(true);
  paused = { on, drop, form: [...main.childNodes], said: { lang: root.lang, dir: root.dir } };
  push();
  on.querySelector("button").addEventListener("click", () => history.back());
  put(new URL(way.href).pathname);
}, true);

// Each answer to a PIN is a page of its own in this one.
new MutationObserver(() => {
  if (!paused || paused.on.isConnected) return;
  paused.on.hidden = false;
  main.append(paused.on);
}).observe(main, { childList: true });
// While a PIN is looked at there is no way on: it may have unlocked the device.
document.addEventListener("pin-sent", () => { if (paused) paused.on.hidden = true; });

// The form ended behind the lock, and that is told.
document.addEventListener("screen-shown", leave);

// A lock that is still on its way comes no more.
function leave() {
  paused?.drop();
  paused = null;
}

function goOn() {
  const { form, said } = paused;
  leave();
  main.replaceChildren(...form);
  Object.assign(root, said);
  main.querySelector("section:not([hidden]) h1, h1")?.focus();
  covering().then(({ coverAgain }) => coverAgain());
}
