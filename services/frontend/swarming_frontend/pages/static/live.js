// Keeps the lists fresh: fetches the page again every few seconds and swaps the sections, unless somebody reads closely.

const SECONDS = 3;

async function refresh() {
  if (document.hidden || !document.getSelection().isCollapsed) return;
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["tasks", "bots"]) {
    const old = document.getElementById(id);
    if (old.contains(document.activeElement) && document.activeElement !== document.body) continue;
    old.replaceWith(fresh.getElementById(id));
  }
}

setInterval(() => refresh().catch(() => {}), SECONDS * 1000);
