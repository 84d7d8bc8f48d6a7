// Words are kept while they are typed, not only when the field is left: a page may be closed in the middle of a sentence.
// What nobody sees and no record takes is left out of them, such as a slide's soft line breaks.

const PAUSE = 1000; // ms without a key
const RELEASE = 100; // ms from a finger's release to the click that it is
const WRITTEN = "textarea, [type=text], [type=number]";
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
  const { valuesOf, mark, wrongOf } = tools;
  const before = new Map();
  tools.isUnreadable = (question) => question.querySelector("[data-field]")?.validity.badInput;
  tools.valuesOf = (question) => {
    if (!tools.isUnreadable(question)) before.set(question, valuesOf(question));
    return before.get(question) ?? [];
  };
  form.addEventListener("focusout", ({ target }) => {
    const tell = () => { if (target.validity?.badInput) mark(...wrongOf(target.closest("[data-question]"))); };
    // What is being pressed would move away from under the finger.
    if (form.matches(":active")) addEventListener("pointerup", () => setTimeout(tell, RELEASE), { once: true });
    else tell();
  });

  let timer, field;
  const keep = () => {
    clearTimeout(timer);
    if (!field?.validity.badInput) field?.dispatchEvent(new Event("change", { bubbles: true })); // else more may follow
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
