/* Gallery: arrows move along the tiles, Space selects, Shift and an arrow select on the way. Without it: boxes and buttons. */
(() => {
  const grid = document.getElementById("grid"), form = document.getElementById("selection");
  if (!grid) return;
  const tiles = [...grid.querySelectorAll("a.tile")];
  const boxOf = tile => tile.parentElement.querySelector("input[type=checkbox]");

  // A picture that cannot be read leaves a grey tile with a reason, not a broken sign.
  const gone = img => {
    const told = document.createElement("span");
    told.className = "gone";
    told.textContent = "The picture cannot be read. A check tells why.";
    img.replaceWith(told);
  };
  grid.querySelectorAll("img").forEach(img => {
    img.addEventListener("error", () => gone(img), { once: true });
    if (img.complete && !img.naturalWidth) gone(img);
  });

  const columns = () => tiles.filter(tile => tile.offsetTop === tiles[0].offsetTop).length;
  const steps = { ArrowRight: () => 1, ArrowLeft: () => -1, ArrowDown: columns, ArrowUp: () => -columns() };
  const roam = tile => tiles.forEach(other => { other.tabIndex = other === tile ? 0 : -1; });
  roam(tiles[0]);
  grid.addEventListener("focusin", e => { if (tiles.includes(e.target)) roam(e.target); });

  document.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches("textarea, select, input:not([type=checkbox])")) return;
    const at = tiles.findIndex(tile => tile.parentElement.contains(e.target));
    if (e.key === " " && tiles[at] === e.target && boxOf(e.target)) {
      e.preventDefault();
      boxOf(e.target).click();
    } else if (steps[e.key] && (at >= 0 || e.target === document.body)) {
      e.preventDefault();
      const next = tiles[at < 0 ? 0 : Math.min(tiles.length - 1, Math.max(0, at + steps[e.key]()))];
      if (e.shiftKey && form) [tiles[Math.max(at, 0)], next].forEach(tile => { if (!boxOf(tile).checked) boxOf(tile).click(); });
      next.focus();
    }
  });

  if (!form) return;
  const tell = () => {
    const count = form.elements["image"] ? tiles.filter(tile => boxOf(tile).checked).length : 0;
    document.getElementById("selected").textContent = `${count} selected`;
  };
  grid.addEventListener("change", tell);
  form.addEventListener("reset", () => setTimeout(tell));
  tell();
})();
