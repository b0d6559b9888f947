// Puts what comes in at the top of its column, and replaces what was edited.
"use strict";

function fit(frame) {
  const grow = () => { frame.style.height = frame.contentDocument.documentElement.scrollHeight + "px"; };
  frame.addEventListener("load", grow);
  if (frame.contentDocument && frame.contentDocument.readyState === "complete") grow();
}

function show(item) {
  const parsed = new DOMParser().parseFromString(item.html, "text/html").querySelector("article");
  if (!parsed) return;
  const known = document.getElementById("item-" + item.number);
  const column = document.getElementById(item.channel);
  const thread = item.thread && document.querySelector('[data-thread="' + CSS.escape(item.thread) + '"]');
  if (known) {
    // What stands below it stays there.
    const [below, replies] = [parsed, known].map((article) => article.querySelector(".replies"));
    if (below && replies) below.replaceWith(replies);
    known.replaceWith(parsed);
  } else if (thread) {
    thread.append(parsed);
    parsed.classList.add("news");
  } else if (column) {
    for (const empty of column.querySelectorAll(".empty")) empty.remove();
    column.prepend(parsed);
    parsed.classList.add("news");
  }
  parsed.querySelectorAll("iframe").forEach(fit);
}

async function follow() {
  let seen = document.body.dataset.version;
  for (;;) {
    try {
      const answer = await fetch("live?version=" + seen);
      const news = await answer.json();
      news.items.forEach(show);
      seen = news.version;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

document.querySelectorAll("iframe").forEach(fit);
follow();
