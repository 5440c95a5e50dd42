// What a page does besides the search: the theme, the menu of a small screen, boxes that scroll, where the reader is.
(function () {
  "use strict";
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = document.getElementById("site-theme"), menu = document.getElementById("site-menu");
  const pages = document.getElementById("site-pages"), contents = document.querySelector(".contents details");

  function isDark() { return root.dataset.theme ? root.dataset.theme === "dark" : dark.matches; }

  // JupyterLab's mark of a light theme, on which outputs made for notebooks rely too.
  function tell() {
    theme.setAttribute("aria-pressed", String(isDark()));
    document.body.dataset.jpThemeLight = String(!isDark());
  }

  theme.addEventListener("click", function () {
    root.dataset.theme = isDark() ? "light" : "dark";
    tell();
    try {
      localStorage.setItem("swapmodel-theme", root.dataset.theme);
    } catch (refused) {
      // It lasts for this page.
    }
  });
  dark.addEventListener("change", tell);
  theme.hidden = false;
  tell();

  menu.hidden = false;
  menu.addEventListener("click", function () {
    menu.setAttribute("aria-expanded", String(pages.classList.toggle("open")));
  });

  // On a small screen the contents would push the text out of sight.
  if (contents && matchMedia("(max-width: 75em)").matches) contents.open = false;

  // A box is a stop for the Tab key only while there is something to scroll in it.
  const boxes = new ResizeObserver(function (entries) {
    for (const entry of entries) {
      const box = entry.target;
      if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
      else if (box !== document.activeElement) box.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll(".scroll, .scroll [style*='overflow']").forEach((box) => boxes.observe(box));

  // The section that is being read is marked in the contents.
  const links = new Map(Array.from(document.querySelectorAll(".contents a"), (a) => [decodeURIComponent(a.hash.slice(1)), a]));
  const heads = Array.from(links.keys(), (id) => document.getElementById(id)).filter(Boolean);
  const seen = new IntersectionObserver(function () {
    const passed = heads.filter((head) => head.getBoundingClientRect().top < innerHeight / 4);
    links.forEach((link) => link.removeAttribute("aria-current"));
    if (passed.length) links.get(passed[passed.length - 1].id).setAttribute("aria-current", "true");
  }, { rootMargin: "0px 0px -75% 0px", threshold: [0, 1] });
  heads.forEach((head) => seen.observe(head));

  const here = pages.querySelector("[aria-current]");
  if (here && pages.scrollHeight > pages.clientHeight) pages.scrollTop = here.offsetTop - pages.clientHeight / 3;
})();
