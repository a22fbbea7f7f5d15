import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

// Every colour that small text has, on every ground that it may stand on, in both themes (WCAG 1.4.3).
const TEXT = ['ink', 'soft', 'faint', 'accent', 'good', 'warn', 'bad', 'star-ink'];
const GROUNDS = ['paper', 'side', 'raised', 'hover', 'accent-wash', 'mine', 'warn-wash', 'bad-wash', 'code'];

const css = readFileSync(new URL('../page/style.css', import.meta.url), 'utf8');

function colours(selector) {
  const at = css.indexOf(`${selector} {`);
  return Object.fromEntries([...css.slice(at, css.indexOf('}', at)).matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]));
}

function luminance(hex) {
  const [r, g, b] = [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16) / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

for (const [theme, selector] of [['light', ':root'], ['dark', ':root[data-theme="dark"]']]) {
  test(`small text can be read in the ${theme} theme`, () => {
    const all = colours(selector);
    const weak = TEXT.flatMap((text) => GROUNDS.map((ground) => [text, ground, contrast(all[text], all[ground]).toFixed(2)])).filter(([, , ratio]) => ratio < 4.5);
    assert.deepEqual(weak, []);
    assert.ok(contrast(all['accent-ink'], all.accent) >= 4.5);
    assert.ok(contrast(all.paper, all.bad) >= 4.5, 'a dangerous button');
  });
}
