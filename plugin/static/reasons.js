// Why a question was not answered, where the site asks for it.

export function begin(form, tools) {
  const reason = (question) => question.querySelector("[data-why]:checked");
  // Not to want to answer (null) is a reason as well, and told only where it was chosen.
  tools.declined = (question) => (reason(question)?.value === "" ? null : { absent: reason(question)?.value ?? "unknown" });
  tools.declinedWords = (question) => reason(question)?.parentElement.textContent ?? tools.words.unanswered;
  // Who takes "No answer" again is not given the reason of before.
  form.addEventListener("change", ({ target }) => {
    if ("why" in target.dataset) return;
    target.closest("[data-question]")?.querySelectorAll("[data-why]").forEach((each) => { each.checked = false; });
  });
}
