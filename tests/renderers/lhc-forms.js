// LHC-Forms by the functions of its own interface: a form is opened, and read as its users save it.
const SELECTOR = "#form";

window.openForm = async (questionnaire) => {
  const { Util } = window.LForms;
  await Util.addFormToPage(Util.convertFHIRQuestionnaireToLForms(questionnaire, "R4"), "form");
};
window.readForm = () => {
  const [response, transaction] = window.LForms.Util.getFormFHIRData("QuestionnaireResponse", "R4", SELECTOR, { extract: true });
  return { response, observations: (transaction?.entry ?? []).map((entry) => entry.resource) };
};
