// The clinician's page: offers the forms that fit, shows times as here, follows deliveries.
// Everything works without it too: the server checks, and a reload shows the newest states.

const lang = document.documentElement.lang, AGAIN = 5000; // ms
function localTimes() {
  document.querySelectorAll("time[data-local]").forEach((time) => {
    // Day before month, as the server writes it: not to be read two ways.
    time.textContent = new Date(time.dateTime).toLocaleString(lang === "en" ? "en-GB" : lang, {
      ...!time.dataset.local && { day: "numeric", month: "short", year: "numeric" }, hour: "2-digit", minute: "2-digit",
    });
  });
}

// What was refused stands on the page again: it is asked for, and loaded again, as the page itself.
if (location.pathname.endsWith("/invitations")) history.replaceState(null, "", location.pathname.replace("/invitations", ""));
const whole = new URL(location.href); // what is taken anew waits for a slow EHR: a part that stood here never gives way to a gap
whole.searchParams.set("wait", "true");

function offer(form) {
  const age = "age" in form.dataset ? Number(form.dataset.age) : null;
  const forms = [...form.querySelectorAll("[data-instrument]")];
  const pin = form.querySelector("[data-pin]"), language = form.language, press = form.querySelector("[type=submit]");
  const other = form.querySelector("[data-other]"), anyAge = other.querySelector("input");
  const input = (label) => label.querySelector("input");
  const fitsAge = ({ dataset }) => age === null || (Number(form.dataset.ageTo) >= Number(dataset.from ?? 0) && age <= Number(dataset.to ?? 150));

  const who = () => form.querySelector("[name=respondent]:checked")?.dataset ?? {};

  function fit() {
    const { rater, own } = who();
    const ofRater = forms.filter((each) => each.dataset.rater === rater);
    other.hidden = ofRater.every(fitsAge);
    const shown = ofRater.filter((each) => anyAge.checked || fitsAge(each));
    forms.forEach((each) => { each.hidden = !shown.includes(each); });
    if (!shown.some((each) => input(each).checked)) {
      forms.forEach((each) => { input(each).checked = each === shown[0]; });
    }
    form.querySelector("[data-none]").hidden = shown.length > 0;
    press.disabled = !shown.length;
    const chosen = form.querySelector("[name=instrument]:checked"), { dataset: of = {} } = chosen?.closest("label") ?? {};
    const handsOver = own !== "" && !("byClinician" in of);
    if (form.day) form.day.disabled = !("dated" in of);
    pin.hidden = !handsOver;
    form.pin.required = handsOver && !("kept" in pin.dataset);
    press.textContent = handsOver ? press.dataset.hand : press.dataset.open;
    const spoken = chosen?.dataset.languages.split(" ") ?? [];
    [...language.options].forEach((option) => { option.hidden = option.disabled = !spoken.includes(option.value); });
    if (!spoken.includes(language.value)) language.value = spoken[0] ?? "";
  }

  const link = form.querySelector("[data-link]"), noLink = form.querySelector("[data-no-link]");
  const from = Number(form.dataset.linkFrom);

  function fitLink() {
    const tooYoung = who().rater === "child" && from > 0 && !(age >= from);
    link.hidden = pin.hidden || tooYoung;
    noLink.hidden = !tooYoung || pin.hidden;
    link.disabled = press.disabled;
  }

  let isOwn = "spoken" in form.dataset; // somebody chose the language: another person does not change it
  form.addEventListener("change", ({ target }) => {
    isOwn ||= target === language;
    if (!isOwn) language.value = target.dataset.speaks ?? language.value;
    fit();
    fitLink();
  });
  fit();
  fitLink();
  const show = pin.querySelector("button");
  show.hidden = false;
  show.addEventListener("click", () => {
    const hidden = form.pin.type === "password";
    form.pin.type = hidden ? "text" : "password";
    show.textContent = hidden ? show.dataset.hide : show.dataset.show;
  });
  form.addEventListener("submit", () => { form.pin.type = "password"; }); // of a field of plain text browsers keep what was typed
}

let following = 0; // the list stays when its content is taken anew: whoever followed it before stops
function follow(section) {
  const own = ++following;
  const FINAL = ["delivered", "refused", "set-aside", "discarded"], FAST = 1000, SLOW = 10000, FAST_TRIES = 60; // ms, tries
  let tries = 0;

  function update({ id, state, state_label: label, detail }) {
    const item = section.querySelector(`[data-response="${CSS.escape(id)}"]`);
    const chip = item?.querySelector("[data-chip]");
    if (!chip) return;
    item.querySelector("[data-detail]").textContent = detail ?? "";
    if (chip.dataset.state === state) return;
    chip.dataset.state = state;
    chip.querySelector("use").setAttribute("href", `${section.dataset.icons}#${state}`);
    chip.querySelector("[data-label]").textContent = label;
    section.querySelector("[data-announce]").textContent = `${item.dataset.who} ${label}`;
    return true;
  }

  async function ask() {
    if (own !== following) return;
    let moving = true;
    try {
      const answer = document.hidden ? null : await fetch(section.dataset.poll, { cache: "no-store" });
      if (answer && (answer.status === 401 || answer.status === 423)) return; // signed out, or handed over
      if (answer?.ok) {
        const states = await answer.json();
        const news = states.filter(update).length;
        if (news && section.matches(".written") && await refresh()) return;
        moving = states.some(({ state }) => !FINAL.includes(state));
      }
    } catch { /* no connection: asked again below */ }
    tries += 1;
    if (moving) setTimeout(ask, tries < FAST_TRIES ? FAST : SLOW);
  }
  setTimeout(ask, FAST);
}

function listen(part) {
  let source = null, losing = 0;

  // What stands there may be old when nothing is heard; a stream that is opened anew in a moment is no loss.
  const tellLost = (isLost) => document.querySelectorAll("[data-lost]").forEach((each) => { each.hidden = !isLost; });

  // Only while looked at: browsers allow six connections to a server, in all tabs together.
  function attend() {
    if (document.hidden) { source?.close(); source = null; return; }
    if (source) return;
    source = new EventSource(part.dataset.events);
    source.addEventListener("open", () => { clearTimeout(losing); losing = 0; tellLost(false); });
    source.addEventListener("message", hear);
    source.addEventListener("moved-on", again);
    source.addEventListener("ended", () => location.reload());
    // A browser asks again by itself after a stream that broke off, not after an answer such as a proxy's while the server starts.
    source.addEventListener("error", ({ target }) => {
      losing ||= setTimeout(tellLost, AGAIN, true);
      if (target !== source || target.readyState !== EventSource.CLOSED) return;
      source = null;
      setTimeout(again, AGAIN);
    });
  }

  async function again() {
    const taken = await refresh();
    if (taken) attend();
    else if (taken === null) setTimeout(again, AGAIN);
  }

  function hear({ data }) {
    let moved = false;
    const forms = JSON.parse(data);
    forms.forEach(({ id, label, open, code }) => {
      const place = document.querySelector(`[data-form-state="${CSS.escape(id)}"]`);
      if (!place) moved ||= open;
      else if (place.textContent !== label) { place.textContent = label; moved ||= !open; }
      moved ||= (place?.dataset.code ?? code) !== code; // the spoken code was used, ended, or replaced
    });
    if (moved) again(); // what was told is not told twice
  }

  document.addEventListener("visibilitychange", attend);
  attend();
}

// What was typed, chosen, opened and reached by keyboard stays when a part is taken anew.
function controls(part) {
  const seen = {};
  return [...part.querySelectorAll("a, button, input, summary")].map((each) => {
    const words = (each.labels?.[0] ?? each).textContent;
    const name = [each.name, each.getAttribute("value") ?? each.getAttribute("href"), words].join(" ");
    seen[name] = (seen[name] ?? 0) + 1;
    return [`${name} ${seen[name]}`, each];
  });
}

function take(part, found) {
  const before = new Map(controls(part)), held = document.activeElement, holds = part.contains(held);
  part.replaceChildren(...found.childNodes);
  if (holds) { part.tabIndex = -1; part.focus({ preventScroll: true }); } // unless what was reached is there again
  controls(part).forEach(([name, each]) => {
    const was = before.get(name);
    if (!was) return;
    if (each.name === "pin") each.value = was.value;
    if (was.checked || was.type === "checkbox") each.checked = was.checked;
    if (each.matches("summary")) each.parentElement.open = was.parentElement.open;
    if (was === held) each.focus({ preventScroll: true });
  });
}

// A form came back or was made: takes the parts that show it, leaves what is being chosen. False: not for us any more; null: not now.
async function refresh() {
  const answer = await fetch(whole, { cache: "no-store" }).catch(() => null);
  const page = await answer?.text().catch(() => null);
  if (!page || answer.status >= 500) return null;
  if (!answer.ok || answer.redirected) return false;
  const fresh = new DOMParser().parseFromString(page, "text/html");
  document.querySelectorAll("[data-part]").forEach((part) => {
    const found = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (found && !part.querySelector("[name=pin]:focus")) take(part, found);
  });
  const waiting = document.querySelector("[data-late-part]"), start = fresh.querySelector("[data-start-part]");
  if (waiting && start) { waiting.replaceWith(start); offerStart(); }
  localTimes();
  offerButtons();
  const responses = document.querySelector("[data-poll]");
  if (responses) follow(responses);
  return true;
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
  button.focus(); // to select moves the keyboard to the field
  button.textContent = button.dataset.done;
});

// What is folded up is printed too: opened before, and as it was after.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  opened.forEach((each) => { each.open = true; });
});
addEventListener("afterprint", () => { opened.forEach((each) => { each.open = false; }); });
document.addEventListener("click", ({ target }) => { if (target.closest("[data-print]")) print(); });
const offerButtons = () => document.querySelectorAll("[data-print], [data-copy]").forEach((button) => { button.hidden = false; });

// Who is taken out of one score's plot is out of the others, too.
document.addEventListener("change", ({ target }) => {
  const box = ".bands [type=checkbox]", name = (each) => each.labels[0].textContent;
  if (target.matches(box)) document.querySelectorAll(box).forEach((each) => { if (name(each) === name(target)) each.checked = target.checked; });
});

localTimes();
offerButtons();
function offerStart() {
  const start = document.querySelector("[data-start]");
  if (start?.querySelector("[data-pin]")) offer(start);
}
offerStart();
const slow = document.querySelector("[data-late]"); // the EHR was: its parts follow
async function takeLate() { if (await refresh() === null) setTimeout(takeLate, AGAIN); }
if (slow) takeLate();
const moving = document.querySelector("[data-moving]");
if (moving) follow(moving);
const told = document.querySelector("[data-events]");
if (told) listen(told);
