// A form that is only looked at is the respondent's own page. What its script asks of the server is answered here: nothing leaves
// this page, and nothing is kept when it closes.

const ask = globalThis.fetch.bind(globalThis);
const form = document.querySelector("#form");
const kept = {};
let isOurs = false; // whether the server said so since the page came up

// A browser shows this page again without asking. Whoever has the device meanwhile would answer here for nothing: with the first
// answer it is asked whether the clinician still has it, and if not, the way back leads to the lock.
async function check() {
  if (isOurs) return;
  const answer = await ask(form.dataset.address, { cache: "no-store", redirect: "manual" });
  isOurs = answer.ok;
  if (answer.ok) return;
  (globalThis.openPage ?? ((to) => location.replace(to)))(form.dataset.back);
  await new Promise(() => {}); // the page is left
}

const answers = {
  form: () => form.textContent,
  async answers({ answers: given, removed }) {
    await check();
    Object.assign(kept, given);
    removed.forEach((id) => { delete kept[id]; });
    return JSON.stringify({ answered: Object.keys(kept), mark: "" });
  },
  async submit() {
    await check();
    return "{}";
  },
};

globalThis.fetch = async (address, options = {}) => {
  const answer = answers[String(address).match(/^\/fill\/(\w+)$/)?.[1]];
  return answer ? new Response(await answer(JSON.parse(options.body ?? null))) : ask(address, options);
};

try { history.replaceState(null, "", "#preview"); } catch { /* the script of the form says that it cannot be opened */ }
