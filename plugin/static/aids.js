// Aids that somebody asks for by a press: reading aloud by a voice of this device, and a stop at every answer for switches.
// Only voices that speak without the network (localService) are used: what is read is about a patient.

const WAIT_FOR_VOICES = 1000; // ms; browsers load them after the page
const speech = globalThis.speechSynthesis;
// What was turned on stays so in a form that opens itself again; not beyond this page, which the next person gets.
const on = {};
document.addEventListener("form-opened", ({ target }) => {
  if (Object.values(on).includes(true)) target.querySelector("[data-load]")?.click();
});

async function voices() {
  if (!speech) return [];
  if (!speech.getVoices().length) {
    await new Promise((done) => {
      speech.addEventListener("voiceschanged", done, { once: true });
      setTimeout(done, WAIT_FOR_VOICES);
    });
  }
  return speech.getVoices().filter((voice) => voice.localService);
}

export async function begin(form, opener) {
  const words = JSON.parse(opener.dataset.words);
  const panel = document.createElement("div");
  panel.className = "aids";
  panel.id = opener.getAttribute("aria-controls");
  opener.after(panel);
  const show = (shown) => {
    on.panel = shown;
    panel.hidden = !shown;
    opener.setAttribute("aria-expanded", String(shown));
  };
  opener.addEventListener("click", () => show(panel.hidden));
  show(on.panel ?? true);

  const known = await voices();
  const voiceFor = (element) => {
    const language = element.closest("[lang]").lang.toLowerCase();
    return known.find((voice) => voice.lang.toLowerCase() === language)
      ?? known.find((voice) => voice.lang.toLowerCase().split(/[-_]/)[0] === language.split("-")[0]);
  };
  if (voiceFor(form.querySelector("[data-step] h1"))) panel.append(press("read", words.read, () => readAloud(form, words, voiceFor)));
  else panel.append(Object.assign(document.createElement("p"), { textContent: words.silent, dir: "auto" }));
  panel.append(press("stops", words.stops, () => {
    form.dataset.stops = on.stops ? "all" : "";
    if (on.stops && words.moves) import(words.moves).then((part) => part.begin(form, words.towards), () => {});
  }));
  form.addEventListener("keydown", stop);
  form.addEventListener("focusin", enter);
  // Nothing is read of a form that has gone: it was sent, or somebody else has the device.
  const gone = new MutationObserver(() => {
    if (form.isConnected) return;
    gone.disconnect();
    speech?.cancel();
  });
  gone.observe(form.parentNode, { childList: true });
}

const make = (textContent) => Object.assign(document.createElement("button"), { type: "button", className: "button", textContent });

function press(name, label, act) {
  const button = make(label);
  const turn = (to) => {
    on[name] = to;
    button.setAttribute("aria-pressed", String(to));
    act();
  };
  button.addEventListener("click", () => turn(!on[name]));
  if (on[name]) turn(true);
  else button.setAttribute("aria-pressed", "false");
  return button;
}

// Reading aloud

const SPOKEN = `h1, h2, .above, .lead, .audience p, .error, .options .quiet, .option span, .ends span, .other span, .meaning summary,
  .meaning[open] p, .decline span, .reasons legend, .hint, .review span > :not(:has(.ends)), #share-means, .asked p, .asked .button`;
const isSeen = (each) => each.getClientRects().length > 0 && getComputedStyle(each).visibility === "visible";

function readAloud(form, words, voiceFor) {
  let reading = null; // the last that is to be said, and the button beside it, which stops it
  const hush = () => {
    if (reading?.button) reading.button.textContent = words.again;
    reading = null;
    speech.cancel();
  };
  const say = (each) => {
    const voice = voiceFor(each);
    // The number before a question is a place in the list, not a word of the instrument.
    const text = (each.querySelector("[data-text]") ?? each).textContent.trim();
    if (!voice || !text) return;
    const said = Object.assign(new SpeechSynthesisUtterance(text), { voice, lang: voice.lang });
    said.onend = said.onerror = () => { if (reading?.said === said) hush(); };
    reading = { ...reading, said, texts: [...reading?.texts ?? [], text] };
    speech.speak(said);
  };
  const speak = (part, own = () => true) => {
    hush();
    [...part.querySelectorAll(SPOKEN)].filter((each) => isSeen(each) && own(each)).forEach(say);
    const button = part.closest(".question, [data-step]").querySelector("[data-read]");
    if (!reading || !button) return;
    reading.button = button;
    button.textContent = words.stop;
  };
  form.querySelectorAll("[data-read]").forEach((button) => button.remove());
  form.reads?.abort();
  speech.cancel();
  if (!on.read) return;
  form.reads = new AbortController();
  const { signal } = form.reads;
  // What stands before the questions, each of them, the answers looked over, and who may read them.
  form.querySelectorAll("[data-step]:has(> h1), .question").forEach((part, place) => {
    const button = make(words.again);
    const title = part.querySelector("legend, h1");
    const text = title.querySelector("[data-text]") ?? title;
    button.dataset.read = "";
    button.id = `read-${place}`;
    text.id ||= `read-${place}-text`;
    button.setAttribute("aria-labelledby", `${button.id} ${text.id}`);
    button.lang = form.lang;
    button.addEventListener("click", () => {
      if (reading?.button === button) hush();
      else speak(part, (each) => each.closest(".question, [data-step]") === part);
    });
    title.after(button);
  });
  form.addEventListener("step-shown", ({ detail }) => { if (form.dataset.mode === "one") speak(detail); else hush(); }, { signal });
  form.addEventListener("toggle", ({ target }) => speak(target, (each) => each.localName === "p"), { signal, capture: true });
  form.addEventListener("change", ({ target }) => { // asked only then: why
    if (target.matches("[data-decline]:checked")) target.closest(".question").querySelectorAll(".reasons").forEach((part) => speak(part));
  }, { signal });
  // An error cuts short what is being read, unless it is read there as well.
  const errors = new MutationObserver((changes) => {
    const shown = changes.map(({ target }) => target).filter((each) => each.textContent && isSeen(each));
    const isRead = ({ textContent }) => reading?.texts.includes(textContent);
    if (shown.length && !shown.some(isRead)) hush();
    shown.forEach((each) => { if (!isRead(each)) say(each); });
  });
  form.querySelectorAll(".error, .alert").forEach((each) => errors.observe(each, { childList: true }));
  signal.addEventListener("abort", () => errors.disconnect());
  if (form.dataset.mode === "one") speak(form.querySelector("[data-step]:not([hidden])"));
  addEventListener("pagehide", () => speech.cancel(), { signal });
}

// For switches that know two keys, Tab and Space: every answer is a stop of its own, not every group of answers.

let tab = null; // while it is pressed, until the browser has gone on
const groupOf = (radio) => [...radio.form.querySelectorAll(`[name="${radio.name}"]`)];

function stop(event) {
  const form = event.currentTarget;
  if (event.key !== "Tab" || form.dataset.stops !== "all" || event.target.type !== "radio") return;
  const group = groupOf(event.target);
  const next = group[group.indexOf(event.target) + (event.shiftKey ? -1 : 1)];
  if (!next) return; // the browser leaves the group
  event.preventDefault();
  event.stopPropagation();
  next.focus();
}

// The browser comes to the answer that is chosen; those before it would be passed over.
addEventListener("keydown", (event) => {
  if (event.key !== "Tab") return;
  tab = event;
  setTimeout(() => { tab = null; });
});
function enter({ target, relatedTarget, currentTarget: form }) {
  if (!tab || form.dataset.stops !== "all" || target.type !== "radio") return;
  const group = groupOf(target);
  if (!group.includes(relatedTarget)) group.at(tab.shiftKey ? -1 : 0).focus();
}
