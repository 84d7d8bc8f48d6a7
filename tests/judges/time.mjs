// Milliseconds that fhirpath.js takes for all cases, pass by pass, with compiled expressions and decoded responses.
import fhirpath from "fhirpath";
import model from "fhirpath/fhir-context/r4/index.js";
import { readFileSync } from "node:fs";

const { variables, scores, cases, passes } = JSON.parse(readFileSync(0, "utf8"));
const named = Object.entries(variables).map(([name, text]) => [name, fhirpath.compile(text, model)]);
const runs = Object.values(scores).map((text) => fhirpath.compile(text, model));
const times = [];
for (let pass = 0; pass < passes; pass += 1) {
  const begun = performance.now();
  for (const response of cases) {
    const context = { resource: response };
    for (const [name, run] of named) context[name] = run(response, context);
    for (const run of runs) run(response, context);
  }
  times.push(performance.now() - begun);
}
process.stdout.write(JSON.stringify(times));
