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
