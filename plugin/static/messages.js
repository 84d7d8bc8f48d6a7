// SMART Web Messaging: tells the EHR's window that this app is done. Speaks to the origin that the EHR named, and hears no other.

const button = document.querySelector("[data-done]");
const ehr = window.opener ?? window.parent;

if (button && ehr !== window) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const messageId = `rapport-${Date.now()}-${Math.random().toString(36).slice(2)}`;
    const { handle, origin } = button.dataset;
    function hear({ source, origin: from, data }) {
      if (source !== ehr || from !== origin || data?.responseToMessageId !== messageId) return;
      removeEventListener("message", hear);
      if (data.payload?.success === false) button.parentElement.querySelector("[data-refused]").hidden = false;
    }
    addEventListener("message", hear);
    ehr.postMessage({ messagingHandle: handle, messageId, messageType: "ui.done", payload: {} }, origin);
  });
}
