// Words are kept while they are typed, not only when the field is left: a page may be closed in the middle of a sentence.
// What nobody sees and no record takes is left out of them, such as a slide's soft line breaks.

const PAUSE = 1000; // ms without a key
const RELEASE = 100; // ms from a finger's release to the click that it is
const WRITTEN = "textarea, [type=text]";
// FHIR's string has no character below 32 but tab, line feed and carriage return.
const clean = (text) => text.replace(/[\v\f]/g, " ").replace(/[\0-\x08\x0e-\x1f]/g, "");

function tidy(field) {
  const { value, selectionStart } = field;
  if (clean(value) === value) return;
  field.value = clean(value);
  const place = clean(value.slice(0, selectionStart)).length;
  field.setSelectionRange(place, place);
}

export function begin(form, tools) {
  // What is no number, day or time is not taken for no answer: what was read before stays until it is one, or nothing.
  const { valuesOf, mark, numbers } = tools;
  const isNumber = (field) => field && "number" in field.dataset;
  const fieldOf = (question) => question.querySelector("[data-field], [data-other]");
  const isOff = ({ validity }) => validity?.badInput || validity?.rangeUnderflow || validity?.rangeOverflow;
  const isUnread = (field) => field && (isNumber(field) ? numbers.isOff(field) : isOff(field));
  // The place of the first that has more characters than the form takes; what is too long is kept, and not sent.
  const tooLong = ({ value, dataset: { longest, lines } }) => (longest === undefined ? -1
    : (lines === undefined ? [value] : value.split("\n")).findIndex((text) => [...text.trim()].length > longest));
  const isBad = (field) => field && (isUnread(field) || tooLong(field) >= 0);
  function wordsFor(field, words) {
    if (isNumber(field)) return numbers.faultOf(field, words) ?? words.wrong;
    const line = field && words.line && tooLong(field) + 1;
    if (line) return `${words.line.replace("{n}", line)} ${words.wrong}`;
    return (field?.validity.badInput && words.partial) || words.wrong;
  }
  const before = new Map();
  tools.isUnreadable = (question) => isBad(fieldOf(question));
  tools.wrongOf = (question) => [question, wordsFor(fieldOf(question), question.querySelector("[data-error]").dataset)];
  tools.valuesOf = (question) => {
    const field = fieldOf(question);
    if (!isUnread(field)) before.set(question, valuesOf(question).map((text) => (isNumber(field) ? numbers.read(field) : text)));
    return before.get(question) ?? [];
  };
  // What comes or goes above what is being pressed would move it away from under the finger: done with the click.
  tools.whenReleased = (act) => {
    if (!form.matches(":active")) return act();
    const once = () => { act?.(); act = null; };
    addEventListener("click", once, { capture: true, once: true });
    // Where no click follows: the finger left the control, or moved the page.
    return ["pointerup", "pointercancel"].forEach((end) => addEventListener(end, () => setTimeout(once, RELEASE), { once: true }));
  };
  form.addEventListener("focusout", ({ target }) => {
    const tell = () => { if (isBad(target)) mark(...tools.wrongOf(target.closest("[data-question]"))); };
    tools.whenReleased(() => setTimeout(tell)); // the click may empty the field
  });

  let timer, field;
  const keep = () => {
    clearTimeout(timer);
    if (!isUnread(field)) field?.dispatchEvent(new Event("change", { bubbles: true })); // else more may follow
    field = undefined;
  };
  form.addEventListener("input", ({ target }) => {
    if (!target.matches(WRITTEN)) return;
    field = target;
    tidy(field);
    clearTimeout(timer);
    timer = setTimeout(keep, PAUSE);
  });
  form.querySelectorAll(WRITTEN).forEach(tidy); // kept by a page that let them in
  form.addEventListener("change", ({ target }) => { if (target === field) { clearTimeout(timer); field = undefined; } });
  document.addEventListener("visibilitychange", keep);
}
