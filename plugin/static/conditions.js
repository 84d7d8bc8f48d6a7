// Which questions are asked, as the form's conditions say (enableWhen of FHIR); an answer that is not asked for is none.

export function begin(form, tools) {
  const { questions, valuesOf } = tools;
  const compare = {
    "=": (a, b) => a === b, ">": (a, b) => a > b, "<": (a, b) => a < b, ">=": (a, b) => a >= b, "<=": (a, b) => a <= b,
  };
  const isNumber = (text) => text !== "" && !Number.isNaN(Number(text));
  function holds({ question, operator, answer }, seen) {
    const other = questions.find((each) => each.dataset.question === question);
    const values = other && tools.isAsked(other, seen) ? valuesOf(other) : [];
    if (operator === "exists") return String(values.length > 0) === answer;
    if (operator === "!=") return !values.some((value) => same(value, answer));
    return values.some((value) => (isNumber(value) && isNumber(answer)
      ? compare[operator](Number(value), Number(answer)) : compare[operator](value, answer)));
  }
  const same = (value, answer) => value === answer || (isNumber(value) && isNumber(answer) && Number(value) === Number(answer));
  tools.isAsked = (question, seen = []) => {
    if (!question.dataset.when || seen.includes(question)) return true;
    return JSON.parse(question.dataset.when).every((set) => {
      const met = set.conditions.map((condition) => holds(condition, [...seen, question]));
      return set.any ? met.some(Boolean) : met.every(Boolean);
    });
  };
}
