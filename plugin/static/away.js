// A page with somebody's data is not shown again from the browser's memory after it was left, and not in another tab while the
// device is with a respondent: it is asked for anew, and the server decides what is shown.

const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("rapport") : null;

addEventListener("pagehide", () => { document.body.hidden = true; });
addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
// Hidden at once: a draft that is being written asks nobody then whether to leave it.
const leave = () => { document.body.hidden = true; location.reload(); };
if (location.pathname === "/fill") channel?.postMessage("a form is open");
else if (location.pathname === "/signed-out") channel?.postMessage("nobody is signed in");
else channel?.addEventListener("message", leave);

// Where the keyboard is at first: browsers do not heed autofocus in a frame of another site, and complain of it.
document.querySelector("[data-first]")?.focus();

// A second press while the first is on its way would take the place of its answer: a spoken code is used by then, a device locked.
const AGAIN_AFTER = 5000; // ms: a form that stays in sight, as one that gives a file does, can be pressed again
const pressed = new WeakMap();
addEventListener("submit", (event) => {
  const { target, timeStamp } = event;
  if (event.defaultPrevented || target.method !== "post") return;
  if (timeStamp - pressed.get(target) < AGAIN_AFTER) event.preventDefault();
  else pressed.set(target, timeStamp);
});
