// Whether single answers may be read: decided by the respondent before sending, where the site has it so.

export function begin(form, tools) {
  tools.beforeSending = () => {
    const choice = form.querySelector("[data-share]:checked");
    if (choice) return { share: choice.value === "yes" };
    form.querySelector("[data-alert]").textContent = tools.words.share;
    form.querySelector("[data-share]").focus();
    return null;
  };
}
