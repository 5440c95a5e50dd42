// Before anything is painted: the theme that the reader chose, if it was remembered. Without it the system's applies.
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");
  try {
    var theme = localStorage.getItem("swapmodel-theme");
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
  } catch (refused) {
    // Storage is not allowed here: the choice lasts for this page.
  }
})();
