// Answers that gave way can be had again, as long as the page is open: to "No answer" or to an option, and to what another page
// answered otherwise, which stands when the form opens again. Nothing of it is kept anywhere.

let here = {}; // by question: what was answered on this page
let stood = {}; // by question: what stood there before "No answer"
let words = {}; // by question and field: what was written, and gave way
const fieldsOf = (question) => [...question.querySelectorAll("input, textarea")];
const stateOf = (question) => fieldsOf(question).map(({ checked, value, dataset }) => ({ checked, value, isUntouched: "untouched" in dataset }));
const put = (question, state) => fieldsOf(question).forEach((field, place) => {
  const { isUntouched, ...given } = state[place];
  Object.assign(field, given).toggleAttribute("data-untouched", isUntouched);
});
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const idOf = (question) => question.dataset.question;
const keepWords = (question, state) => fieldsOf(question).forEach((field, place) => {
  if (isWritten(field) && state[place].value.trim()) words[placeOf(field)] = state[place].value;
});
const tellChanged = (target) => target.dispatchEvent(new Event("change", { bubbles: true }));
const questionOf = (target) => target.closest("[data-question]");
const placeOf = (field) => `${fieldsOf(questionOf(field)).indexOf(field)} ${idOf(questionOf(field))}`;
const isWritten = (field) => field.matches("[data-question] :is(textarea, [type=text])");

export function begin(form, tools) {
  rememberWhatGivesWay(form);
  showWhatWasAnsweredTwice(form, tools);
  tools.answered = (question) => {
    if (!tools.isUnreadable(question)) here[idOf(question)] = { answer: tools.answerOf(question), state: stateOf(question) };
  };
  form.addEventListener("reset", () => { here = {}; stood = {}; words = {}; }); // everything is answered again
}

function rememberWhatGivesWay(form) {
  // Before whatever empties the fields.
  form.addEventListener("change", ({ target }) => {
    const question = questionOf(target);
    if (!question || !target.matches("[data-decline], [data-option]")) return;
    keepWords(question, stateOf(question));
    if (!("decline" in target.dataset)) return;
    const { checked } = target;
    if (checked) stood[idOf(question)] = stateOf(question);
    else if (idOf(question) in stood) put(question, stood[idOf(question)]);
    target.checked = checked;
  }, true);
  // A field that was emptied is chosen again.
  const giveBack = (event) => {
    const { target, key = " " } = event;
    if (!isWritten(target) || target.value || key !== " " || !words[placeOf(target)]) return;
    if (event.key) event.preventDefault();
    target.value = words[placeOf(target)];
    tellChanged(target);
  };
  ["click", "keydown"].forEach((name) => form.addEventListener(name, giveBack));
  form.addEventListener("input", ({ target }) => { if (isWritten(target)) delete words[placeOf(target)]; });
}

// Looked over, each question shows the answer that does not stand, and gives it by a press.
function showWhatWasAnsweredTwice(form, tools) {
  const template = form.querySelector("[data-twice]");
  const alert = form.querySelector("[data-alert]");
  let twice = null;

  // What is not asked any more has no item.
  const itemOf = (question) => tools.isAsked(question)
    && form.querySelector("[data-list]").children[tools.questions.filter((each) => tools.isAsked(each)).indexOf(question)];
  // What was emptied here and has to be answered is no answer.
  const isGiven = (question) => idOf(question) in here && (here[idOf(question)].answer !== undefined || !("required" in question.dataset));
  const isTwice = (question) => isGiven(question) && tools.isAsked(question) && !same(here[idOf(question)].answer, tools.answerOf(question));

  // In the words, or with the picture, in which answers are looked over.
  function wayOf(question, state, where) {
    const now = stateOf(question);
    put(question, state);
    tools.list();
    const said = itemOf(question).querySelector("b");
    put(question, now);
    return { state, said, where };
  }

  function take(question, state) {
    const standing = stateOf(question);
    put(question, state);
    tellChanged(question.querySelector("[data-why]:checked") ?? question.querySelector("[data-decline]:checked") ?? question);
    stood[idOf(question)] = standing;
    keepWords(question, standing);
    tools.list();
    show();
    itemOf(question)?.focus();
  }

  function show() {
    twice.forEach(({ question, own, other }, place) => {
      const item = itemOf(question);
      if (!item) return;
      const { state, said, where } = same(stateOf(question), other.state) ? own : other;
      const note = template.content.firstElementChild.cloneNode(true);
      const told = note.querySelector(where);
      const button = note.querySelector("button");
      told.hidden = false;
      told.id = `twice-${place}`;
      told.append(" ", said);
      button.setAttribute("aria-describedby", told.id);
      button.addEventListener("click", () => take(question, state));
      item.tabIndex = -1;
      item.firstElementChild.append(note);
    });
  }

  form.addEventListener("step-shown", ({ detail }) => {
    twice ??= tools.questions.filter(isTwice).map((question) => ({
      question,
      own: wayOf(question, here[idOf(question)].state, "[data-own]"),
      other: wayOf(question, stateOf(question), "[data-others]"),
    }));
    if (!twice.length || !("review" in detail.dataset)) return;
    tools.list();
    show();
  });
  form.addEventListener("form-opened", () => {
    if (!twice.length || alert.textContent !== tools.words.more) return;
    alert.textContent = template.dataset.told;
    const first = itemOf(twice[0].question);
    first.focus({ preventScroll: true });
    first.scrollIntoView({ block: "center" });
  });
  form.addEventListener("reset", () => { twice = []; });
}
