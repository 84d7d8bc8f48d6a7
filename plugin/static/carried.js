// This browser keeps no cookies for Rapport here: the page holds the session itself, in memory, and this script takes it along
// to the next page (in the body of a form) and to what the page asks for (in a header). A reload ends it.

(() => {
  const read = (name) => document.querySelector(`meta[name="rapport-${name}"]`).content;
  const session = read("session"), address = read("address");
  document.querySelectorAll("meta[name^=rapport-]").forEach((each) => each.remove());
  const own = (target) => new URL(target, new URL(address, location.href));
  const isOwn = (url) => url.origin === new URL(location.href).origin;

  try { history.replaceState(null, "", address); } catch { /* the address of the last page stays in the bar of the frame */ }

  function open(to, body) {
    const form = document.createElement("form");
    form.method = "post";
    form.action = "/carried";
    form.hidden = true;
    Object.entries({ session, to, ...(body !== undefined && { body }) }).forEach(([name, value]) => {
      const field = document.createElement("input");
      field.name = name;
      field.value = value;
      form.append(field);
    });
    document.body.append(form);
    HTMLFormElement.prototype.submit.call(form);
  }

  const pathOf = (url) => url.pathname + url.search + url.hash;
  globalThis.openPage = (path) => open(pathOf(own(path)));

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || link.target || event.button || event.ctrlKey || event.metaKey) return;
    const url = own(link.getAttribute("href"));
    if (!isOwn(url) || (url.hash && pathOf(url).split("#")[0] === address.split("#")[0])) return;
    event.preventDefault();
    open(pathOf(url));
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented) return;
    event.preventDefault();
    const url = own(form.getAttribute("action") ?? address);
    const sent = new URLSearchParams(new FormData(form, event.submitter));
    if (form.method === "post") return open(pathOf(url), sent.toString());
    url.search = sent.toString();
    return open(pathOf(url));
  });

  const ask = globalThis.fetch.bind(globalThis);
  globalThis.fetch = (target, options = {}) => ask(target, {
    ...options, headers: { ...options.headers, "X-Rapport-Session": session },
  });

  // Symbols come with the page itself, also for what is put into it later.
  const draw = (within) => within.querySelectorAll?.("use[href*='/static/']").forEach((use) => {
    use.setAttribute("href", `#${use.getAttribute("href").split("#")[1]}`);
  });
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach(draw)))
    .observe(document, { childList: true, subtree: true });

  document.addEventListener("DOMContentLoaded", () => {
    const place = own(address).hash.slice(1);
    if (place) document.getElementById(place)?.scrollIntoView();
  });

  // Server-sent events as a browser reads them, with the header that its own reader cannot send.
  globalThis.EventSource = class extends EventTarget {
    constructor(target) { super(); this.stopped = new AbortController(); this.read(target); }
    close() { this.stopped.abort(); }
    async read(target) {
      while (!this.stopped.signal.aborted) {
        try {
          const answer = await fetch(target, { cache: "no-store", signal: this.stopped.signal });
          if (answer.status >= 500) throw answer;
          if (!answer.ok) return;
          const stream = answer.body.pipeThrough(new TextDecoderStream()).getReader();
          for (let kept = "", part = await stream.read(); !part.done; part = await stream.read()) {
            const blocks = (kept + part.value).split("\n\n");
            kept = blocks.pop();
            blocks.forEach((block) => {
              const data = block.match(/^data: (.*)$/m)?.[1];
              const name = block.match(/^event: (.*)$/m)?.[1] ?? "message";
              if (data) this.dispatchEvent(new MessageEvent(name, { data }));
            });
          }
        } catch { /* asked again below, unless it was closed */ }
        await new Promise((done) => { setTimeout(done, 2000); });
      }
    }
  };
})();
