// The theme that was chosen on this device, before anything is drawn. It is the system's
// where none was.
(() => {
  try {
    const theme = localStorage.getItem('mozci-theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch { /* a browser that keeps nothing follows the system */ }
})();
