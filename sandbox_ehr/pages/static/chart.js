// Keeps the table of Observations current: asks for it every second while the page is visible.
"use strict";

const table = document.getElementById("observations");
const news = document.getElementById("observations-news");
const ids = (root) => new Set([...root.querySelectorAll("tr[data-id]")].map((row) => row.dataset.id));

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(table.dataset.source, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
  if (fresh.innerHTML.trim() === table.innerHTML.trim()) return;
  const known = ids(table);
  table.replaceChildren(...fresh.childNodes);
  const added = [...table.querySelectorAll("tr[data-id]")].filter((row) => !known.has(row.dataset.id));
  for (const row of added) row.classList.add("new");
  if (added.length) news.textContent = `${added.length} new observations`;
}

async function keepRefreshing() {
  try {
    await refresh();
  } catch {
    // The server is restarting; the next second will tell.
  }
  setTimeout(keepRefreshing, 1000);
}

setTimeout(keepRefreshing, 1000);
