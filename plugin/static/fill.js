// Fills one form: opens it by the secret in the address, keeps each answer as it is given, sends it once.
// Words come with the form; nothing is kept in the browser's storage, which the next person could read.

const main = document.querySelector("main");
const secret = location.hash.slice(1);
const SAVE_AFTER = 300, FIRST_RETRY = 1000, LAST_RETRY = 15000, PATIENCE = 30000; // ms
const MOST_TRIED = 8; // answers to one question that may not have come through
const LIVES_ON = 9000; // letters; 64 KB may outlive a page
const make = (name, given) => Object.assign(document.createElement(name), given);

const call = (path, method, given, ending = new AbortController()) => {
  setTimeout(() => ending.abort(), PATIENCE);
  let body = given && JSON.stringify(given);
  body = body?.padEnd(((body.length >> 9) + 1) << 9); // its length tells no choice
  return fetch(`/fill/${path}`, {
    method, body, signal: ending.signal, cache: "no-store", keepalive: body?.length < LIVES_ON,
    headers: { "X-Rapport-Invitation": secret, ...(body && { "Content-Type": "application/json" }) },
  });
};

function show(template, again) {
  main.replaceChildren(template.content.cloneNode(true));
  document.dispatchEvent(new Event("screen-shown"));
  main.querySelector("h1")?.focus();
  main.querySelector("[data-reload]")?.addEventListener("click", again);
}

const isAway = ({ status }) => status >= 500 || status === 429;
const screen = (name) => document.querySelector(`template[data-screen=${name}]`);

function showSaved(template, answer) {
  show(template);
  // Only a path of this server is a way back.
  const back = /^\/(?![/\\])/.test(answer.return_url ?? "") ? answer.return_url : null;
  main.querySelectorAll(back ? "[data-here]" : "[data-away]").forEach((part) => { part.hidden = false; });
  if (back) main.querySelector("[data-return]").href = back;
  if (answer.late) main.querySelector("[data-late]").hidden = false;
  (answer.scores ?? []).forEach((score) => {
    main.querySelector("[data-scores]")?.append(make("li", { textContent: score }));
  });
}

// Closed for answers; the clinician's device is given back all the same.
const showClosed = ({ headers }) => (headers.has("X-Rapport-Refused") ? open() : showSaved(screen(headers.get("X-Rapport-Screen") ?? "unusable"), { return_url: headers.get("X-Rapport-Return"), late: headers.has("X-Rapport-Unsent") }));

// What is closed may have been sent, unless it is told why it is closed: the server says so again, tells if `given` differs, and changes nothing.
async function showEnd(given, closed) {
  if (["Screen", "Refused"].some((name) => closed?.headers.has(`X-Rapport-${name}`))) return showClosed(closed);
  try {
    const sent = await call("submit", "POST", given);
    if (sent.ok) return showSaved(main.querySelector("[data-saved]") ?? screen("saved"), await sent.json());
    if (isAway(sent)) throw sent;
    return showClosed(sent);
  } catch {
    return show(screen("offline"), () => showEnd(given));
  }
}

// In an EHR's frame the chart lies around the form: covered first.
const cover = () => (parent === window ? null : import(screen("cover").dataset.script));

// `given`: what the page had that opens it again, if it was sent meanwhile.
async function open(note = "", given = { answers: {} }) {
  show(screen("loading"));
  if (!secret) return show(screen("unusable"));
  try {
    await cover();
    const answer = await call("form", "GET");
    if (answer.ok || answer.headers.has("X-Rapport-Refused")) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html").body;
      // In the form's words: found before the shell's.
      main.before(...page.querySelectorAll("template[data-screen]"));
      const gate = page.querySelector("[data-gate]");
      if (gate) {
        const part = await import(gate.dataset.gate);
        main.replaceChildren(...page.childNodes);
        return part.begin(gate, { call, open, showEnd: showSaved });
      }
      const form = page.querySelector("[data-form]");
      const parts = await Promise.all(form.dataset.parts.split(" ").filter(Boolean).map((part) => import(part)));
      main.replaceChildren(...page.childNodes);
      return begin(form, parts, note);
    }
    if (isAway(answer)) throw answer;
    return answer.status === 410 ? showEnd(given, answer) : showClosed(answer);
  } catch {
    return show(screen("offline"), () => open(note, given));
  }
}

function begin(form, parts, note) {
  const words = JSON.parse(form.dataset.words);
  const find = (name, within = form) => within.querySelector(`[data-${name}]`);
  const steps = [...form.querySelectorAll("[data-step]")];
  const review = steps.length - 1;
  const questions = [...form.querySelectorAll("[data-question]")];
  const [back, forward, alert, status] = ["back", "forward", "alert", "status"].map((name) => find(name));
  const stepOf = (question) => steps.indexOf(question.closest("[data-step]"));
  const say = (text, number) => text.replace("{n}", number).replace("{total}", asked().length);
  let at = 0, fromReview = false, closed = false, pointed = "", listed = [], sendLater = 0, ending = null;

  document.documentElement.lang = form.lang;
  document.documentElement.dir = form.dir;
  document.title = words.title;

  const linesOf = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
  const valuesOf = (question) => {
    const field = find("field", question);
    if (field && "untouched" in field.dataset) return []; // a line without a mark
    if (field) return "lines" in field.dataset ? linesOf(field.value) : [field.value.trim()].filter(Boolean);
    const chosen = [...question.querySelectorAll("[data-option]:checked")].map((option) => option.value);
    const other = question.querySelector("[data-other]")?.value.trim();
    return other ? [...chosen, other] : chosen;
  };
  const hasSeveral = (question) => question.querySelector("[data-option][type=checkbox], [data-lines]") !== null;
  const answerOf = (question) => {
    const values = tools.valuesOf(question);
    if (values.length) return hasSeveral(question) ? values : values[0];
    return find("decline", question)?.checked ? tools.declined(question) : undefined;
  };

  // What only some forms need comes in files of its own, which put other ways here.
  const tools = {
    words, questions, valuesOf, hold, restart, isAsked: () => true, beforeSending: () => ({}), picture() {},
    answerOf, list, answered() {}, mark, wrongOf, isUnreadable: () => false, declined: () => null, declinedWords: () => words.declined, whenReleased: (act) => act(),
  };
  parts.forEach((part) => part.begin(form, tools));
  const { isAsked } = tools;
  const asked = () => questions.filter((question) => isAsked(question));
  const isMissing = (question) => "required" in question.dataset && answerOf(question) === undefined;
  const answers = () => Object.fromEntries(asked()
    .map((question) => [question.dataset.question, answerOf(question)])
    .filter(([, answer]) => answer !== undefined));
  // What is kept, as this page knows: only what differs is sent. The form may be open on a second page; neither undoes the other.
  const kept = JSON.parse(form.dataset.answers ?? null) ?? answers();
  const UNSURE = {}; // on its way
  const differing = (now) => Object.entries(now).filter(([id, answer]) => JSON.stringify(answer) !== JSON.stringify(kept[id]));
  const sent = (all) => {
    const now = answers();
    return { answers: all ? now : Object.fromEntries(differing(now)), removed: Object.keys(kept).filter((id) => !(id in now)), promised: form.dataset.promised };
  };
  const refresh = () => {
    questions.forEach((question) => { question.hidden = !isAsked(question); });
    asked().forEach((question, place) => find("count", question)?.replaceChildren(place + 1));
  };
  // The next step that has something to show, forwards (1) or backwards (-1).
  function beside(place, direction) {
    for (let step = place + direction; step > 0 && step < review; step += direction) {
      const inside = questions.filter((question) => stepOf(question) === step);
      if (!inside.length || inside.some((question) => isAsked(question))) return step;
    }
    return direction > 0 ? review : 0;
  }

  // Going from step to step

  // How far one is: of questions shown one by one the place of this one, of a whole form how many have an answer.
  function tell() {
    const place = asked().findIndex((question) => stepOf(question) === at);
    const number = form.dataset.mode === "all" ? Object.keys(answers()).length : place + 1;
    find("progress").hidden = place < 0;
    find("progress-words").textContent = say(words.progress, number);
    Object.assign(find("progress-bar"), { max: asked().length, value: number });
  }

  // Nothing is sent by itself while somebody looks at a question.
  function hold() {
    if (sendLater) alert.textContent = "";
    clearTimeout(sendLater);
    sendLater = 0;
  }

  const ask = (question) => go(stepOf(question), form.dataset.mode === "all" ? question : undefined);

  // Every answer was taken back.
  function restart() {
    fromReview = false;
    refresh();
    keep();
    ask(asked()[0]);
  }

  // What only the end needs comes with the first answer: at the end there may be no connection.
  function prepareEnd() {
    if (form.dataset.end) ending ??= import(form.dataset.end).then((part) => part.begin(form, tools), () => { ending = null; });
  }

  function go(to, target) {
    at = to;
    hold();
    steps.forEach((step, place) => { step.hidden = place !== at; });
    if (alert.textContent === pointed && !steps[at].querySelector("[data-error]:not(:empty)")) alert.textContent = "";
    if (at === review) { list(); prepareEnd(); }
    const step = steps[at];
    tell();
    back.hidden = at === 0;
    forward.textContent = fromReview && at !== review ? words.return : nextWord(step);
    const heading = (target ?? step).querySelector("[tabindex='-1']");
    heading.focus({ preventScroll: true });
    if (target) heading.scrollIntoView({ block: "center" });
    else scrollTo(0, 0);
    form.dispatchEvent(new CustomEvent("step-shown", { detail: step }));
  }

  function nextWord(step) {
    if (step.dataset.next === "send" || step.dataset.next === "start") return words[step.dataset.next];
    return beside(at, 1) === review ? words.look : words.next;
  }

  function saidOf(question, answer) {
    if (answer === null || answer.absent) return tools.declinedWords(question);
    const texts = [...question.querySelectorAll("[data-option]:checked")].map((option) => option.parentElement.textContent);
    const day = question.querySelector("[type=date]")?.valueAsDate;
    const { lang } = question.closest("[lang]");
    if (day) return day.toLocaleDateString(lang === "en" ? "en-GB" : lang, { dateStyle: "long", timeZone: "UTC" });
    const own = valuesOf(question).slice(texts.length);
    return [...texts, ...own].join(", ") || answer;
  }

  function list() {
    listed = asked();
    find("list").replaceChildren(...listed.map((question, place) => {
      const answer = answerOf(question);
      const item = make("li");
      const said = make("span");
      const given = make("b", { dir: "auto" });
      given.lang = (question.querySelector(":checked + [lang]") ?? question.querySelector(":checked") ?? question).closest("[lang]").lang;
      given.textContent = isMissing(question) ? words.needed : answer === undefined ? words.unanswered : saidOf(question, answer);
      tools.picture(question, answer, given);
      const change = make("button", { type: "button", className: "button", textContent: words.change });
      change.setAttribute("aria-label", say(words.change_of, place + 1));
      change.addEventListener("click", () => { fromReview = true; go(stepOf(question), question); });
      const text = find("text", question).cloneNode(true);
      text.removeAttribute("id");
      said.append(text, given);
      item.append(said, change);
      return item;
    }));
  }

  // Keeping answers: one request at a time, the newest state, again until it is saved; none beside the sending of all

  let unsaved = false, saving = null, timer, wait = FIRST_RETRY, told = "", known = form.dataset.mark, tried = {};

  function keep() {
    unsaved = true;
    status.textContent = words.saving;
    clearTimeout(timer);
    timer = setTimeout(save, SAVE_AFTER);
  }

  // What was given without a connection is older than what another page kept meanwhile: that stays, and is looked over.
  function giveWay(others, { answers: own }) {
    Object.entries(others).forEach(([id, other]) => {
      const [, ...given] = tried[id];
      if (!given.includes(JSON.stringify(own[id])) || tried[id].includes(JSON.stringify(other))) return;
      if (id in own) kept[id] = own[id];
      else delete kept[id];
      told = words.more;
    });
  }

  async function save() {
    if (!unsaved || saving || closed || forward.disabled) return;
    clearTimeout(timer);
    unsaved = false;
    saving = new AbortController();
    const given = sent(false);
    const ids = [...Object.keys(given.answers), ...given.removed];
    ids.forEach((id) => {
      (tried[id] ??= [JSON.stringify(kept[id])]).push(JSON.stringify(given.answers[id])); // as it was known to be kept, and as it was sent
      kept[id] = UNSURE;
    });
    let answer, answered, others;
    try {
      answer = await call("answers", "PUT", { ...given, after: known }, saving);
      if (answer.ok || answer.status === 412) ({ answered, others, mark: known } = await answer.json());
    } catch { answer = null; }
    saving = null;
    if (closed) return;
    if (answer?.status === 410) { closed = true; return showEnd(sent(true), answer); }
    if (!answer?.ok) {
      unsaved = true;
      if (answer?.status === 412) { // other answers are kept than this page knew, such as its own that came late
        ids.forEach((id) => tried[id].pop());
        giveWay(others ?? {}, given);
        return save();
      }
      ids.forEach((id) => { tried[id] = [tried[id][0], ...[...new Set(tried[id].slice(1))].slice(-MOST_TRIED)]; });
      if (forward.disabled) return;
      status.textContent = !answer || isAway(answer) ? words.retry : answer.status === 413 ? words.long : words.unkept;
      if (answer?.status === 413) return; // until less is written
      timer = setTimeout(save, wait);
      wait = Math.min(wait * 2, LAST_RETRY);
      return;
    }
    wait = FIRST_RETRY;
    tried = {};
    Object.assign(kept, given.answers);
    given.removed.forEach((id) => { delete kept[id]; });
    const isNews = told || String(answered.sort()) !== String(Object.keys(kept).sort());
    if (isNews && differing(answers()).length) unsaved = true; // such as words that are being typed
    if (unsaved) return save();
    // Written, or chosen by keys, which pass over one option after the other: opened again afterwards.
    const writing = form.querySelector("[data-question] :is(input, textarea):focus-visible");
    if (isNews && writing) writing.addEventListener("blur", keep, { once: true });
    else if (isNews) { closed = true; return open(told, sent(true)); }
    alert.textContent ||= told;
    status.textContent = told || wrongs().length ? "" : words.saved;
  }

  // Sending: never twice at once; what comes back is shown where it belongs

  function mark(question, text) {
    find("error", question).textContent = text;
    [question, ...question.querySelectorAll("[data-field], [data-other], [data-option]")].forEach((each) => {
      if (text && each.matches("[role=radiogroup], :not(fieldset, [type=radio])")) each.setAttribute("aria-invalid", "true");
      else each.removeAttribute("aria-invalid");
    });
  }

  function wrongOf(question) { return [question, find("error", question).dataset.wrong]; }
  const wrongs = (within = form) => asked().filter((question) => within.contains(question) && tools.isUnreadable(question)).map(tools.wrongOf);

  function point(problems, then = true) {
    problems.forEach(([question, text]) => mark(question, text));
    alert.textContent = pointed = problems[1] ? words.correct : problems[0][1];
    fromReview = then;
    go(stepOf(problems[0][0]), problems[0][0]);
  }

  async function problemsOf(answer) {
    const outcome = await answer.json().catch(() => ({}));
    return (outcome.issue ?? []).flatMap((issue) => {
      const place = `${issue.expression?.[0] ?? ""} ${issue.details?.text ?? ""}`;
      const linkId = place.match(/linkId\s*=\s*'([^']+)'/)?.[1] ?? place.match(/linkId (\S+)/)?.[1];
      const question = questions.find((each) => each.dataset.question === linkId);
      return question ? [tools.wrongOf(question)] : [];
    });
  }

  async function send() {
    if (closed || forward.disabled) return;
    hold();
    const found = [...asked().filter(isMissing).map((question) => [question, words.needed]), ...wrongs()];
    if (found.length) return point(found);
    const more = tools.beforeSending();
    if (!more) return undefined;
    alert.textContent = "";
    forward.disabled = true;
    saving?.abort(); // or it could come after what is sent, and be refused
    forward.textContent = words.sending;
    const given = { ...sent(true), ...more, changed: differing(answers()).map(([id]) => id), ...(Object.keys(tried).length && { tried }) };
    let answer, saved;
    try {
      answer = await call("submit", "POST", given);
      if (answer.ok) saved = await answer.json();
    } catch { answer = null; }
    forward.disabled = false;
    if (answer?.ok) {
      closed = true;
      if (JSON.stringify([answers(), tools.beforeSending()]) !== JSON.stringify([given.answers, more])) saved.late = true;
      return showSaved(find("saved"), saved);
    }
    if (at === review) forward.textContent = words.again;
    if (answer?.status === 410) { closed = true; return showClosed(answer); }
    const away = !answer || isAway(answer);
    const problems = away ? [] : await problemsOf(answer);
    // More is answered, or asked, than this page knows.
    if (answer?.status === 409 || (answer?.status === 422 && !problems.length)) {
      told = answer.status === 409 ? words.more : words.failed;
      unsaved = true; // words that are being typed, too
      return save(); // opened again when all that is here is kept
    }
    save();
    if (problems.length) return point(problems);
    alert.textContent = answer?.status === 413 ? words.long : away && at === review ? words.later : words.failed;
    if (at !== review) return undefined; // one is changed
    if (away) sendLater = setTimeout(send, LAST_RETRY);
    return forward.focus();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", ({ target }) => {
    const question = target.closest("[data-question]");
    if (!question) return;
    const declines = target.matches("[data-decline]:checked, [data-why]");
    delete target.dataset.untouched;
    if (!declines && find("decline", question)) find("decline", question).checked = false;
    const chosen = [...question.querySelectorAll("[data-option]")];
    const written = [...question.querySelectorAll("[data-field], [data-other]")];
    // An option and one's own words take each other's place.
    const isOwn = "other" in target.dataset && target.value.trim();
    chosen.forEach((option) => { if (declines || (isOwn && option.type === "radio")) option.checked = false; });
    if (declines || target.type === "radio") written.forEach((field) => { field.value = ""; });
    refresh();
    tell();
    tools.whenReleased(() => { mark(question, ""); alert.textContent = ""; });
    tools.answered(question);
    keep();
    prepareEnd();
  });
  // A second click of a double click is no second wish.
  const once = (act) => (event) => { if (event.detail < 2) act(); };
  back.addEventListener("click", once(() => { fromReview = false; go(beside(at, -1)); }));
  forward.addEventListener("click", once(() => {
    if (at === review) return send();
    const found = wrongs(steps[at]);
    if (found.length) return point(found, fromReview);
    // What an answer that was changed asks for is asked for once.
    const risen = fromReview && asked().find((each) => isMissing(each) && !listed.includes(each));
    if (risen) { listed.push(risen); return ask(risen); }
    const to = fromReview ? review : beside(at, 1);
    fromReview = false;
    return go(to);
  }));
  addEventListener("online", () => (sendLater ? send() : save()));
  // Answers not saved yet are in this page only: ADR-0011.
  addEventListener("beforeunload", (event) => { if (unsaved && !closed) event.preventDefault(); });
  document.addEventListener("visibilitychange", save);

  // Loaded, it has ways of its own.
  form.querySelectorAll("[data-load]").forEach(function listen(button) {
    const load = () => import(button.dataset.load).then((part) => {
      if (alert.textContent === words.unhelped) alert.textContent = "";
      return part.begin(form, button);
    }, () => {
      alert.textContent = words.unhelped;
      listen(button);
    });
    button.addEventListener("click", load, { once: true });
  });

  refresh();
  const given = answers();
  const first = asked().find((question) => !(question.dataset.question in given));
  if (note) go(review);
  else if (!Object.keys(given).length) go(0);
  else if (first) { ask(first); prepareEnd(); }
  else go(review);
  alert.textContent = note === words.failed && find("sharing") ? words.share : note;
  form.dispatchEvent(new CustomEvent("form-opened", { bubbles: true }));
}

addEventListener("hashchange", () => location.reload());
open();
