// Light or dark: the system's setting until the user chooses. A classic script,
// so that it runs before the first paint.

(() => {
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  const read = () => {
    try {
      return localStorage.getItem('chatbox.theme');
    } catch {
      return null;
    }
  };
  const apply = () => {
    root.dataset.theme = read() ?? (system.matches ? 'dark' : 'light');
  };
  apply();
  system.addEventListener('change', apply);
  addEventListener('DOMContentLoaded', () => {
    const button = document.getElementById('theme');
    const label = () => button.setAttribute('aria-pressed', String(root.dataset.theme === 'dark'));
    label();
    button.addEventListener('click', () => {
      const next = root.dataset.theme === 'dark' ? 'light' : 'dark';
      try {
        if (next === (system.matches ? 'dark' : 'light')) localStorage.removeItem('chatbox.theme');
        else localStorage.setItem('chatbox.theme', next);
      } catch {
        // Storage is not available to this page, so the choice lasts until a
        // reload.
      }
      root.dataset.theme = next;
      label();
    });
  });
})();
