/* PixCrawler live pages on htmx 2 with allowEval:false. No inline handlers, no eval; works under script-src 'self'. */
(() => {
  const isPoll = el => (el.getAttribute("hx-trigger") || "").startsWith("every");
  const polls = () => document.querySelectorAll('[hx-trigger^="every"]');
  let fails = 0, notBefore = 0, seen = new Date();
  const lost = () => document.getElementById("lost");

  // 1. No polling while the tab is hidden, nor before a back-off has passed.
  document.addEventListener("htmx:beforeRequest", e => {
    if (isPoll(e.detail.elt) && (document.hidden || Date.now() < notBefore)) e.preventDefault();
  });
  const refresh = () => polls().forEach(el =>
    htmx.ajax("GET", el.getAttribute("hx-get"), { source: el, target: el, swap: el.getAttribute("hx-swap") }));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { notBefore = 0; refresh(); } });
  window.addEventListener("online", () => { notBefore = 0; refresh(); });

  // 2. Lost connection or 5xx: say so, wait 2, 4, 8, then 10 s; the first answer clears it.
  const trouble = e => {
    if (!isPoll(e.detail.elt)) return;
    fails += 1; notBefore = Date.now() + Math.min(10, 2 ** fails) * 1000;
    if (fails >= 2 && lost()?.hidden) {
      document.getElementById("lost-since").textContent = seen.toTimeString().slice(0, 8);
      lost().hidden = false;
    }
  };
  document.addEventListener("htmx:sendError", trouble);
  document.addEventListener("htmx:responseError", e => {
    if (e.detail.xhr.status === 403 && isPoll(e.detail.elt)) location.reload(); else trouble(e);
  });
  document.addEventListener("htmx:afterRequest", e => {
    if (e.detail.successful && isPoll(e.detail.elt)) { fails = 0; notBefore = 0; seen = new Date(); if (lost()) lost().hidden = true; }
  });

  // 3. A morph never closes what the reader opened.
  if (window.Idiomorph) Idiomorph.defaults.callbacks.beforeAttributeUpdated =
    (name, node) => !(name === "open" && node.matches("details, dialog"));

  // 4. When a swap removes the focused control, focus goes to the nearest heading, not to the page's top.
  let last = null;
  document.addEventListener("htmx:beforeSwap", () => {
    const a = document.activeElement;
    last = a && a !== document.body ? { id: a.id, home: a.closest("[data-focus-home]") } : null;
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (!last || document.activeElement !== document.body) return;
    const back = (last.id && document.getElementById(last.id)) || (last.home && document.getElementById(last.home.dataset.focusHome));
    if (back) back.focus({ preventScroll: true });
    last = null;
  });

  // 5. Small things without which a page still works: a question before a cancel, filters that apply themselves, the
  //    focus on what has to be mended, a form that is sent once, and the tab of this page in sight where tabs scroll.
  document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  document.addEventListener("submit", e => {
    const dialog = e.submitter && document.getElementById(e.submitter.dataset.dialog);
    if (dialog) { e.preventDefault(); dialog.showModal(); return; }
    if (e.target.method === "post" && e.target.dataset.sent) e.preventDefault();
    else if (e.target.method === "post" && !e.defaultPrevented) e.target.dataset.sent = "1";
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(f => delete f.dataset.sent));
  document.addEventListener("change", e => {
    const form = e.target.form;
    if (form && form.matches("[data-autosubmit]") && (e.target.type === "checkbox" || e.target.tagName === "SELECT")) form.requestSubmit();
  });

  // 6. Duplicates: the button says what it will do; two pictures over each other, with a cut that moves.
  const decide = document.getElementById("decide"), ticks = [...document.querySelectorAll('#dup input[name="keep"]')];
  const tell = () => {
    const kept = ticks.filter(tick => tick.checked).length;
    decide.textContent = `Keep ${kept}, exclude ${ticks.length - kept}`;
    decide.disabled = kept === 0;
  };
  if (decide) { tell(); document.getElementById("dup").addEventListener("change", tell); }
  const compare = document.getElementById("compare"), dialog = document.getElementById("compare-dialog");
  if (compare && dialog) {
    const cut = document.getElementById("cut"), overlay = document.getElementById("overlay");
    // Thumbnails are too small to judge by: the originals come when they are asked for; what no browser shows stays small.
    const enlarge = () => overlay.querySelectorAll("img[data-full]").forEach(img => {
      const small = img.src;
      img.addEventListener("error", () => { img.src = small; }, { once: true });
      img.src = img.dataset.full;
      delete img.dataset.full;
    });
    const move = () => overlay.style.setProperty("--cut", `${cut.value}%`);
    compare.hidden = false;
    compare.addEventListener("click", () => { move(); enlarge(); dialog.showModal(); cut.focus(); });
    cut.addEventListener("input", move);
  }

  const first = document.querySelector("[data-focus]");
  if (first) first.focus();
})();

/* Keys: an element with data-key is clicked, a field with it gets the focus; "g o" is g, then o. All of them: /help/keys/. */
(() => {
  const SECOND_KEY_MS = 1000;
  const isField = el => el.matches("textarea, select, input:not([type=checkbox], [type=radio])");
  let prefix = "", since = 0;

  document.addEventListener("keydown", e => {
    const here = e.target;
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
      const start = document.querySelector("[data-key='Ctrl Enter']");
      if (start) { e.preventDefault(); start.click(); }
      return;
    }
    if (document.documentElement.dataset.keys === "off" && e.key.length === 1) return;
    if (e.ctrlKey || e.metaKey || e.altKey || e.repeat || isField(here) || here.isContentEditable) return;
    if (document.querySelector("dialog[open]") || (e.key === "Enter" && here.matches("a, button, summary"))) return;

    const both = `${Date.now() - since < SECOND_KEY_MS ? prefix : ""}${e.key}`;
    const target = document.querySelector(`[data-key="${CSS.escape(both)}"]`) || document.querySelector(`[data-key="${CSS.escape(e.key)}"]`);
    prefix = `${e.key} `; since = Date.now();
    if (!target || target.hidden) return;
    e.preventDefault();
    prefix = "";
    if (isField(target)) target.focus(); else target.click();
  });
})();
