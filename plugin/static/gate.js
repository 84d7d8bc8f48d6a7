// What a caregiver is asked before a young person's form opens.

export function begin(gate, { call, open, showEnd }) {
  const alert = gate.querySelector("[data-alert]");
  const statements = [...gate.querySelectorAll(".stated input")];
  const agree = gate.querySelector("[data-agree]");
  const heading = gate.querySelector("h1");

  document.documentElement.lang = gate.lang;
  document.title = heading.textContent;

  async function say(agreed) {
    let answer;
    const stated = statements.filter((each) => each.checked).map((each) => each.value);
    try { answer = await call("consent", "POST", { agreed, stated }); } catch { answer = null; }
    if (answer?.status === 410) return open(); // decided elsewhere meanwhile: shows what is now
    if (!answer?.ok) { alert.textContent = gate.dataset.failed; return undefined; }
    return agreed ? open() : showEnd(gate.querySelector("[data-refused]"), await answer.json());
  }

  agree.addEventListener("click", () => {
    const missing = statements.find((each) => !each.checked);
    if (!missing) return say(true);
    alert.textContent = agree.dataset.needs;
    return missing.focus();
  });
  gate.querySelector("[data-refuse]").addEventListener("click", () => {
    if ("later" in gate.dataset) return showEnd(gate.querySelector("[data-refused]"), {});
    return say(false);
  });
  gate.addEventListener("submit", (event) => event.preventDefault());
  heading.focus();
  gate.dispatchEvent(new CustomEvent("form-opened", { bubbles: true }));
}
