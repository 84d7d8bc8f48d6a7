// Why a question was not answered, where the site asks for it.

export function begin(form, tools) {
  const reason = (question) => question.querySelector("[data-why]:checked");
  tools.declined = (question) => (reason(question)?.value ? { absent: reason(question).value } : null);
  tools.declinedWords = (question) => reason(question)?.parentElement.textContent ?? tools.words.declined;
}
