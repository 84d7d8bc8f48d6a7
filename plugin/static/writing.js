// Words are kept while they are typed, not only when the field is left: a page may be closed in the middle of a sentence.
// What nobody sees and no record takes is left out of them, such as a slide's soft line breaks.

const PAUSE = 1000; // ms without a key
const RELEASE = 100; // ms from a finger's release to the click that it is
const WRITTEN = "textarea, [type=text]";
// FHIR's string has no character below 32 but tab, line feed and carriage return.
const clean = (text) => text.replace(/[\v\f]/g, " ").replace(/[\0-\x08\x0e-\x1f]/g, "");

// A number in the digits of any script, with a comma or a point; null if it is none. A browser's own field for numbers takes
// digits of its language only, and drops others without a word.
function readNumber(text) {
  const plain = text.normalize("NFKC").replace(/[\s\u061c\u200e\u200f]/g, "").replace(/\u2212/g, "-").replace(/[,\u066b]/, ".")
    .replace(/\p{Nd}/gu, (digit) => {
      let value = 0;
      while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(digit.codePointAt(0) - value - 1))) value += 1;
      return value;
    });
  const [, sign, whole, part] = plain.match(/^([+-]?)0*(\d+)(?:\.(\d+))?$/) ?? [];
  return whole ? `${sign === "-" ? "-" : ""}${whole}${part ? `.${part}` : ""}` : null;
}
const isNumber = (field) => field && "number" in field.dataset;
function fits(number, { low, high, whole, places }) {
  const digits = number?.split(".")[1]?.replace(/0+$/, "").length ?? 0;
  if (number === null || (whole !== undefined && number.includes(".")) || (places && digits > places)) return false;
  return !(low && Number(number) < Number(low)) && !(high && Number(number) > Number(high));
}
const isBad = (field) => (isNumber(field) ? field.value.trim() !== "" && !fits(readNumber(field.value), field.dataset) : field?.validity?.badInput);

function tidy(field) {
  const { value, selectionStart } = field;
  if (clean(value) === value) return;
  field.value = clean(value);
  const place = clean(value.slice(0, selectionStart)).length;
  field.setSelectionRange(place, place);
}

export function begin(form, tools) {
  // What is no number, day or time is not taken for no answer: what was read before stays until it is one, or nothing.
  const { valuesOf, mark, wrongOf } = tools;
  const before = new Map();
  tools.isUnreadable = (question) => isBad(question.querySelector("[data-field]"));
  tools.valuesOf = (question) => {
    const read = isNumber(question.querySelector("[data-field]")) ? (text) => readNumber(text) : (text) => text;
    if (!tools.isUnreadable(question)) before.set(question, valuesOf(question).map(read));
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
    const tell = () => { if (isBad(target)) mark(...wrongOf(target.closest("[data-question]"))); };
    tools.whenReleased(() => setTimeout(tell)); // the click may empty the field
  });

  let timer, field;
  const keep = () => {
    clearTimeout(timer);
    if (!isBad(field)) field?.dispatchEvent(new Event("change", { bubbles: true })); // else more may follow
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
