// Sets the theme that was chosen on this device, before anything is drawn. Without a choice it
// is the system's.
(() => {
  try {
    const theme = localStorage.getItem('mozci-theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch { /* the browser stores nothing: follow the system */ }
})();
