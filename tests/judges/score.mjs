// Scores responses by fhirpath.js. Standard input: {"forms": {id: {"variables": {...}, "scores": {...}, "questionnaire"}}, "cases": [{"form", "response"}]}.
// Standard output: one line a case, {linkId: number or null}. weight() reads the extension on the answer's own coding, then the
// form's where there is one; then what stops a score is told too, under "error".
import fhirpath from "fhirpath";
import model from "fhirpath/fhir-context/r4/index.js";
import { readFileSync } from "node:fs";

const { forms, cases } = JSON.parse(readFileSync(0, "utf8"));
const compile = (text) => fhirpath.compile(text, model);
const compiled = Object.fromEntries(Object.entries(forms).map(([id, { variables, scores, questionnaire }]) => [id, {
  questionnaire,
  variables: Object.entries(variables).map(([name, text]) => [name, compile(text)]),
  scores: Object.entries(scores).map(([name, text]) => [name, compile(text)]),
}]));

const lines = cases.map(({ form, response }) => {
  const { variables, scores, questionnaire } = compiled[form];
  const context = { resource: response, ...(questionnaire && { questionnaire }) };
  for (const [name, run] of variables) context[name] = run(response, context);
  const found = {};
  for (const [name, run] of scores) {
    try {
      const values = run(response, context);
      if (values.length > 1) throw new Error(`${form} ${name}: ${values.length} values`);
      found[name] = values.length ? Number(values[0]) : null;
    } catch (error) {
      if (!questionnaire) throw error;
      found.error = `${name}: ${error.message}`;
    }
  }
  return JSON.stringify(found);
});
process.stdout.write(`${lines.join("\n")}\n`);
