// SMART Web Messaging 1.0 from the EHR's side: the app in the frame may say that it is done, and the chart is shown again.

const frame = document.querySelector("iframe.app");
addEventListener("message", ({ source, origin, data }) => {
  // A sandboxed frame has no origin to name ("null"): the window it comes from and the handle say who it is.
  const known = origin === frame.dataset.origin || (origin === "null" && !frame.sandbox.contains("allow-same-origin"));
  if (source !== frame.contentWindow || !known || data?.messagingHandle !== frame.dataset.handle) return;
  const done = data.messageType === "ui.done";
  const known_type = done || data.messageType === "status.handshake";
  const payload = done ? { success: true } : known_type ? {} : { success: false, details: "unknown message type" };
  const answer = { messageId: crypto.randomUUID?.() ?? String(Math.random()), responseToMessageId: data.messageId, additionalResponsesExpected: false, payload };
  source.postMessage(answer, origin === "null" ? "*" : origin);
  if (done) location.assign(frame.dataset.done);
});
