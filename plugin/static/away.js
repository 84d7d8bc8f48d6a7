// A page with somebody's data is not shown again from the browser's memory after it was left, and not in another tab while the
// device is with a respondent: it is asked for anew, and the server decides what is shown.

const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("rapport") : null;

addEventListener("pagehide", () => { document.body.hidden = true; });
addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
if (location.pathname === "/fill") channel?.postMessage("a form is open");
else if (location.pathname === "/signed-out") channel?.postMessage("nobody is signed in");
else channel?.addEventListener("message", () => location.reload());
