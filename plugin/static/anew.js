// At the end everything can be answered again: asked once, on the same place; then every answer is taken back.

export function begin(form, { hold, restart }) {
  const place = form.querySelector("[data-anew]");
  const opener = place.querySelector("button");
  const question = place.querySelector("[role=group]");
  const [no, yes] = question.querySelectorAll("button");
  const ask = (wanted) => { question.hidden = !wanted; opener.hidden = wanted; };
  const leave = () => { ask(false); opener.focus(); };
  // What is on its way to be sent is not taken back.
  const unlessSending = (act) => () => { if (!form.querySelector("[data-forward]").disabled) act(); };

  function empty() {
    // What was kept when the form opened stands in its HTML, to which a form is reset.
    form.querySelectorAll("[type=radio], [type=checkbox]").forEach((each) => { each.defaultChecked = false; });
    form.querySelectorAll("[data-field], [data-other]").forEach((each) => {
      each.defaultValue = "";
      if (each.type === "range") each.dataset.untouched = "";
    });
    form.reset();
    form.querySelectorAll("[data-error], [data-alert]").forEach((said) => { said.textContent = ""; });
    form.querySelectorAll("[aria-invalid]").forEach((each) => each.removeAttribute("aria-invalid"));
  }

  opener.addEventListener("click", unlessSending(() => {
    hold();
    ask(true);
    no.focus();
    form.dispatchEvent(new CustomEvent("step-shown", { detail: question })); // read aloud, too
  }));
  no.addEventListener("click", unlessSending(leave));
  yes.addEventListener("click", unlessSending(() => { empty(); restart(); }));
  question.addEventListener("keydown", ({ key }) => { if (key === "Escape") leave(); });
  form.addEventListener("step-shown", ({ detail }) => { if (detail !== question) ask(false); });
  place.dataset.anew = "ready";
}
