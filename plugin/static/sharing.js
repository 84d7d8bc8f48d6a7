// Whether single answers may be read: decided by the respondent before sending, where the site has it so.

export function begin(form, tools) {
  const sharing = form.querySelector("[data-sharing]");
  const alert = form.querySelector("[data-alert]");
  const needed = JSON.parse(sharing.dataset.sharing);
  const words = [...sharing.querySelectorAll("[data-without]")].map((each) => [each, each.textContent]);
  let without = false;

  // Where an answer is missing that the result of all together needs, there is none: it is not promised.
  const isMissing = (question) => needed.includes(question.dataset.question) && !(tools.isAsked(question) && tools.valuesOf(question).length);
  form.addEventListener("step-shown", ({ detail }) => {
    if (!detail.contains(sharing) || tools.questions.some(isMissing) === without) return;
    without = !without;
    words.forEach(([each, together]) => { each.textContent = without ? each.dataset.without : together; });
    // It was said to other words.
    sharing.querySelector("[value=no]").checked = false;
  });
  sharing.addEventListener("change", () => { if (alert.textContent === tools.words.share) alert.textContent = ""; });

  tools.beforeSending = () => {
    const choice = form.querySelector("[data-share]:checked");
    if (choice) return { share: choice.value === "yes" };
    alert.textContent = tools.words.share;
    form.querySelector("[data-share]").focus();
    return null;
  };
}
