// The research export: fetched, so that the page can say what was made of it. Without this the form gives the file and no word.

const KEPT = 60000; // ms: by then the browser has saved the file
let underWay = false;

function say(form, text) {
  form.querySelector("[role=status]").replaceChildren(Object.assign(document.createElement("p"), { textContent: text }));
}

function save(file, name) {
  const href = URL.createObjectURL(file);
  Object.assign(document.createElement("a"), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), KEPT);
}

function tell(form, facts) {
  const told = document.querySelector("template[data-made]").content.cloneNode(true);
  told.querySelector(facts.rows === "0" ? "[data-filled]" : "[data-empty]").remove();
  told.querySelectorAll("[data-fact]").forEach((place) => {
    const fact = facts[place.dataset.fact];
    if (fact) place.textContent = fact;
    else place.parentElement.remove();
  });
  form.querySelector("[role=status]").replaceChildren(told);
  const button = form.querySelector("button");
  if (document.activeElement?.matches("[data-refusal]")) button.focus(); // what was pressed goes
  document.querySelectorAll("[data-refusal]").forEach((each) => each.remove());
}

// A refusal is a page of its own: it takes this one's place, as if the form had been sent.
function show(form, html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  if (!page.querySelector("main")) { say(form, form.dataset.lost); return; }
  document.title = page.title;
  document.body.replaceWith(page.body);
  dispatchEvent(new Event("page-shown"));
  scrollTo(0, 0);
  const heard = document.querySelector("[data-refusal]") ?? document.querySelector("main");
  heard.tabIndex = -1;
  heard.focus();
}

async function make(form, button) {
  const body = new URLSearchParams(new FormData(form));
  if (button?.name) body.set(button.name, button.value);
  const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
  const made = answer.headers.get("X-Rapport-Made");
  if (!made) { show(form, await answer.text()); return; }
  const facts = JSON.parse(made);
  save(await answer.blob(), facts.file);
  tell(form, facts);
}

document.addEventListener("submit", (event) => {
  const { target, submitter } = event;
  if (!target.matches("[data-research]")) return;
  event.preventDefault();
  if (underWay) return;
  underWay = true;
  say(target, target.dataset.running);
  make(target, submitter).catch(() => say(target, target.dataset.lost)).finally(() => { underWay = false; });
});
