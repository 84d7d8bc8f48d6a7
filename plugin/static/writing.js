// Words are kept while they are typed, not only when the field is left: a page may be closed in the middle of a sentence.

const PAUSE = 1000; // ms without a key

export function begin(form) {
  let timer, field;
  const keep = () => {
    clearTimeout(timer);
    field?.dispatchEvent(new Event("change", { bubbles: true }));
    field = undefined;
  };
  form.addEventListener("input", ({ target }) => {
    if (!target.matches("textarea, [type=text], [type=number]")) return;
    field = target;
    clearTimeout(timer);
    timer = setTimeout(keep, PAUSE);
  });
  form.addEventListener("change", ({ target }) => { if (target === field) { clearTimeout(timer); field = undefined; } });
  document.addEventListener("visibilitychange", keep);
}
