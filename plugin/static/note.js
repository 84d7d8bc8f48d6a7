// The draft of a note: what somebody wrote is not lost by a wrong press, nor by a sign-in that is over or a connection that is.

const form = document.querySelector("form.written");
const { text } = form.elements;
const alert = form.querySelector("[data-alert]");
const drafted = text.value;
const SAVE_AFTER = 1000, RETRY = 5000; // ms
let goes = false;
let kept = drafted;
let pause;

function keepSoon(wait) {
  clearTimeout(pause);
  pause = setTimeout(keep, wait);
}

// The server keeps it for this sign-in while it is written: a hand-over in another tab puts the lock in this page's place.
async function keep() {
  if (text.value === kept || goes) return;
  const value = text.value;
  const answer = await fetch(form.dataset.keeps, { method: "POST", body: new URLSearchParams(new FormData(form)) }).catch(() => null);
  if (answer?.status === 204) kept = value; // else it is the lock
  else if (!answer || answer.status >= 500) keepSoon(RETRY);
}
text.addEventListener("input", () => keepSoon(SAVE_AFTER));
document.addEventListener("visibilitychange", keep);

addEventListener("beforeunload", (event) => {
  if (!goes && text.value !== drafted && !document.body.hidden) event.preventDefault();
});

// Asked first whether the sign-in still holds: where it does not, the answer would take the place of what was written.
form.addEventListener("submit", async (event) => {
  if (goes) return;
  event.preventDefault();
  if (!text.value.trim()) text.value = "";
  if (!form.reportValidity()) return;
  const answer = await fetch(form.dataset.asks, { cache: "no-store" }).catch(() => null);
  goes = answer?.ok ?? false;
  if (goes) return form.requestSubmit();
  alert.textContent = answer && answer.status < 500 ? alert.dataset.over : alert.dataset.away;
});
// Kept before somebody signs out: then the server asks, and says where the text is. What could not be kept the browser asks about.
let leaves = null;
document.addEventListener("submit", async (event) => {
  const { target, submitter } = event;
  if (!target.action.endsWith("/sign-out") || target === leaves) return;
  event.preventDefault();
  leaves = target;
  await keep();
  goes = text.value === kept;
  target.requestSubmit(submitter);
});
addEventListener("pageshow", () => { goes = false; leaves = null; });
