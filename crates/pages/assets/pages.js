// What is nicer with JavaScript. Every page works without it; text is only ever set as text.
"use strict";

function arrange() {
  // A file may be dropped where one can be chosen.
  for (const zone of document.querySelectorAll(".drop")) {
    const input = zone.querySelector("input[type=file]");
    for (const name of ["dragenter", "dragover"]) {
      zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
    }
    for (const name of ["dragleave", "drop"]) {
      zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.remove("over"); });
    }
    zone.addEventListener("drop", (event) => {
      if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    });
  }

  // An upload shows how far it is; the answer is the page that the form would have led to.
  for (const form of document.querySelectorAll("form.upload")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const button = form.querySelector("button");
      const bar = document.createElement("progress");
      bar.setAttribute("aria-label", button.textContent);
      button.disabled = true;
      button.after(bar);
      const sent = new XMLHttpRequest();
      sent.open("POST", form.action);
      sent.responseType = "document"; // read as a page, and nothing in it runs
      sent.upload.addEventListener("progress", (now) => {
        if (now.lengthComputable && now.loaded < now.total) {
          bar.max = now.total;
          bar.value = now.loaded;
        } else {
          bar.removeAttribute("value");
        }
      });
      sent.addEventListener("loadend", () => {
        const elsewhere = new URL(sent.responseURL || form.action, location.href);
        if (sent.status === 200 && elsewhere.pathname !== new URL(form.action).pathname) {
          location.assign(elsewhere);
          return;
        }
        const answer = sent.response && sent.response.querySelector("main");
        const main = document.querySelector("main");
        if (answer) {
          document.title = sent.response.title;
          main.replaceWith(answer);
          answer.focus();
          arrange();
        } else {
          // Too large, or the node is gone: the form, as the browser would send it, tells.
          button.disabled = false;
          bar.remove();
          form.submit();
        }
      });
      sent.send(new FormData(form));
    });
  }
}
arrange();

// What the patient will read, while it is being written.
for (const form of document.querySelectorAll("form[data-preview]")) {
  const text = form.querySelector("#preview-text");
  let timer;
  let turn = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const mine = ++turn;
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(form.dataset.preview, {
        method: "POST", body, headers: { accept: "text/plain" },
      }).catch(() => null);
      if (!answer || !answer.ok || mine !== turn) return;
      const lines = (await answer.text()).split("\n");
      text.replaceChildren(...lines.map((line) => {
        const p = document.createElement("p");
        p.textContent = line;
        return p;
      }));
    }, 300);
  });
}

// The log renews itself, unless somebody is reading further down.
for (const live of document.querySelectorAll("[data-live]")) {
  const events = new EventSource(live.dataset.live);
  live.hidden = false;
  events.addEventListener("message", () => {
    if (window.scrollY < 200) window.location.reload();
  });
}
