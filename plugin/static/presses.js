// A press changes what lies under the finger. The second press of a child who presses twice then meets something else, which
// nobody wanted: it does nothing. Whoever presses quickly at another place, by keys, a switch or a screen reader is heard.

const SOON = 600; // ms
const NEAR = 32; // px, less than a control's height
const controlOf = (target) => target.closest("label") ?? target.closest("button, a, summary, textarea, input");
const isByKeys = ({ detail, screenX, screenY }) => detail === 0 || (screenX === 0 && screenY === 0);
let last = null; // the press that was heard: what it met, where that lay in the page, when and where it was
let isHeld = false; // the press that is going on does nothing

// Where a control lies in the page; scrolling moves nothing there.
function placeOf(control) {
  const { left, top } = control.getBoundingClientRect();
  return control.getClientRects().length ? `${Math.round(left + scrollX)} ${Math.round(top + scrollY)}` : "gone";
}

function isSecond({ target, timeStamp, screenX, screenY }) {
  if (!last || timeStamp - last.when > SOON || Math.hypot(screenX - last.x, screenY - last.y) > NEAR) return false;
  // Where nothing has moved, another control was there before, and is meant.
  return controlOf(target) !== last.control && placeOf(last.control) !== last.place;
}

function drop(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

addEventListener("click", (event) => {
  if (isByKeys(event)) { last = null; return; } // what changes by keys was meant
  if (isSecond(event)) { drop(event); return; }
  const control = controlOf(event.target);
  last = control && { control, place: placeOf(control), when: event.timeStamp, x: event.screenX, y: event.screenY };
}, true);

// A line is marked before it is clicked.
addEventListener("pointerdown", (event) => {
  isHeld = event.target.matches("[type=range]") && isSecond(event);
  if (isHeld) drop(event);
}, true);
["touchstart", "mousedown", "pointerup"].forEach((name) => {
  addEventListener(name, (event) => { if (isHeld) drop(event); }, { capture: true, passive: false });
});
// Whoever has scrolled meanwhile, by a finger or a wheel, or typed, has seen what came.
["pointercancel", "wheel", "keydown"].forEach((name) => addEventListener(name, () => { last = null; }, { capture: true, passive: true }));
addEventListener("input", ({ inputType }) => { if (inputType) last = null; }, true);
