// What the page does beyond HTML: it shows changes as the server sends them, moves by keys,
// asks before a key acts, and copies. Without this script every screen says the same, and
// every button works.
(() => {
  'use strict';
  const $ = (id) => document.getElementById(id);
  const all = (query, from = document) => [...from.querySelectorAll(query)];
  const store = {
    get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
    set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* the browser stores nothing: do without */ } },
  };
  const clock = (time) => new Date(time).toISOString().slice(11, 16) + ' UTC';

  // ---- small things ----

  let toastEnds;
  function toast(text) {
    $('toast').textContent = text;
    clearTimeout(toastEnds);
    toastEnds = setTimeout(() => { $('toast').textContent = ''; }, 5000);
  }

  function theme() {
    const select = $('theme');
    select.parentElement.hidden = false;
    select.value = document.documentElement.dataset.theme || '';
    select.addEventListener('change', () => {
      if (select.value) document.documentElement.dataset.theme = select.value;
      else delete document.documentElement.dataset.theme;
      store.set('mozci-theme', select.value);
    });
  }

  // ---- new parts of the screen ----

  // Elements are kept, and only what differs in them is changed. So the focus stays where it
  // is, an unfolded part stays unfolded, and nothing flickers.
  function become(old, now) {
    if (old.nodeType !== now.nodeType || old.nodeName !== now.nodeName || old.id !== now.id) {
      old.replaceWith(now.cloneNode(true));
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue;
      return;
    }
    for (const { name } of [...old.attributes]) {
      const ours = name === 'tabindex' || name === 'open' || name === 'hidden';
      if (!ours && !now.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of [...now.attributes]) {
      const ours = name === 'open' || name === 'hidden' || name === 'tabindex' && old.hasAttribute(name);
      if (!ours && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    children(old, now);
  }

  function children(old, now) {
    let at = old.firstChild;
    for (const want of [...now.childNodes]) {
      if (want.id) {
        const same = [...old.children].find((c) => c.id === want.id && c.nodeName === want.nodeName);
        if (same && same !== at) old.insertBefore(same, at);
        if (same) at = same;
      }
      if (at && at.nodeType === want.nodeType && at.nodeName === want.nodeName && (at.id || '') === (want.id || '')) {
        const next = at.nextSibling;
        become(at, want);
        at = next;
      } else {
        old.insertBefore(want.cloneNode(true), at);
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  function put(part) {
    const old = $(part.id);
    const box = document.createElement('template');
    box.innerHTML = part.html;
    const now = box.content.firstElementChild;
    if (old && now) become(old, now);
  }

  // ---- live ----

  const live = $('backfill');
  let stream, version, paused = false, over = false, lostAt = 0, tries = 0, timer, bannerTimer, silence;
  let held = false; // rows came or went while the focus or pointer was in the grid

  function connect() {
    clearTimeout(timer);
    if (stream) stream.close();
    const url = new URL(live.dataset.stream, location.href);
    url.searchParams.set('after', held ? 0 : version);
    held = false;
    stream = new EventSource(url);
    stream.addEventListener('open', found);
    stream.addEventListener('update', (e) => { alive(); update(JSON.parse(e.data)); });
    stream.addEventListener('still', alive);
    stream.addEventListener('end', () => { over = true; stop(); refresh(); });
    stream.addEventListener('error', lost);
    alive();
  }

  function stop() {
    clearTimeout(timer);
    clearTimeout(silence);
    if (stream) stream.close();
    stream = null;
  }

  // A connection that is silent for three heartbeats is broken, even if the browser calls it open.
  function alive() {
    clearTimeout(silence);
    silence = setTimeout(lost, 50000);
  }

  function found() {
    lostAt = 0;
    tries = 0;
    clearTimeout(bannerTimer);
    $('lost').hidden = true;
    alive();
  }

  function lost() {
    stop();
    if (over || paused) return;
    if (!lostAt) {
      lostAt = Date.now();
      bannerTimer = setTimeout(() => {
        $('lost-since').textContent = clock(lostAt);
        $('lost-since').dateTime = new Date(lostAt).toISOString();
        $('lost').hidden = false;
        say('No connection to mozci since ' + clock(lostAt) + '. The runs go on.');
      }, 5000);
    }
    const wait = Math.min(30, 2 ** tries++) * (0.75 + Math.random() / 2);
    timer = setTimeout(connect, wait * 1000);
  }

  function busy(grid) { return grid.matches(':hover') || grid.contains(document.activeElement); }

  function update(now) {
    const grid = $('grid');
    for (const part of now.parts) {
      // Rows do not move under the pointer or the focus, but once these have left the grid.
      if (part.id === 'grid' && busy(grid) && moves(grid, part.html)) { held = true; continue; }
      put(part);
    }
    version = now.version;
    document.title = now.title;
    say(now.announce);
    refresh();
  }

  function moves(grid, html) {
    const ids = (from) => all('tbody tr', from).map((row) => row.id).join(' ');
    const box = document.createElement('template');
    box.innerHTML = html;
    return ids(grid) !== ids(box.content);
  }

  function release() {
    if (held && !busy($('grid')) && !paused && !over) connect();
    else if (held && over && !busy($('grid'))) location.reload();
  }

  // One sentence at most every ten seconds, and only when it differs from the last one.
  let said = '', saidAt = 0, sayTimer;
  function say(text) {
    clearTimeout(sayTimer);
    if (!text || text === said) return;
    const wait = saidAt + 10000 - Date.now();
    if (wait > 0) {
      sayTimer = setTimeout(() => say(text), wait);
      return;
    }
    said = text;
    saidAt = Date.now();
    $('say').textContent = text;
  }

  function pause() {
    if (!stream && !paused && !lostAt) return;
    paused = !paused;
    if (paused) {
      stop();
      clearTimeout(bannerTimer);
      $('lost').hidden = true;
      lostAt = 0;
    } else {
      connect();
    }
    refresh();
  }

  function begin() {
    version = live.dataset.version;
    said = live.dataset.announce;
    document.addEventListener('click', (e) => { if (e.target.closest('#pause')) pause(); });
    $('retry').addEventListener('click', () => { tries = 0; connect(); });
    document.addEventListener('pointermove', release, { passive: true });
    document.addEventListener('focusout', () => setTimeout(release));
    addEventListener('online', () => { if (lostAt) connect(); });
    addEventListener('pagehide', stop);
    addEventListener('pageshow', (e) => { if (e.persisted && !over && !paused) connect(); });
    connect();
  }

  // ---- the grid: one tab stop, arrow keys inside ----

  let current; // the element that Tab reaches

  const rows = () => all('.grid tbody tr').filter((row) => row.querySelector('.go'));
  const stops = (row) => all('.go', row).filter((e) => e.checkVisibility());

  function refresh() {
    const button = $('pause');
    if (button) {
      button.hidden = over;
      button.textContent = paused ? 'Resume updates' : 'Pause updates';
    }
    const list = all('.grid .go');
    if (!list.includes(current)) current = list[0];
    for (const e of list) e.tabIndex = e === current ? 0 : -1;
  }

  function go(e) {
    if (!e) return false;
    if (current) current.tabIndex = -1;
    current = e;
    e.tabIndex = 0;
    e.focus();
    e.scrollIntoView({ block: 'nearest' });
    return true;
  }

  const here = () => document.activeElement.closest?.('.grid tbody tr') || null;

  function step(by) {
    const list = rows();
    const at = list.indexOf(here());
    const column = at < 0 ? 0 : Math.max(0, stops(list[at]).indexOf(document.activeElement));
    const to = at < 0 ? (by > 0 ? list[0] : list.at(-1)) : list[at + by];
    if (!to) return at >= 0;
    const cells = stops(to);
    return go(cells[Math.min(column, cells.length - 1)]);
  }

  function sideways(by) {
    const row = here();
    if (!row) return false;
    const cells = stops(row);
    go(cells[cells.indexOf(document.activeElement) + by]);
    return true;
  }

  function failure(by) {
    const list = all('.grid .r.fail.go').filter((e) => e.checkVisibility());
    if (!list.length) return false;
    const from = document.activeElement;
    const after = (e) => from.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING;
    const inside = from.closest?.('.grid');
    if (!inside) return go(by > 0 ? list[0] : list.at(-1));
    return go(by > 0 ? list.find(after) : list.findLast((e) => e !== from && !after(e))) || true;
  }

  // ---- keys ----

  function ask(id) {
    const dialog = $(id);
    if (!dialog) return false;
    if (!dialog.open) dialog.showModal();
    return true;
  }

  function slash() {
    const field = document.querySelector('[data-slash]');
    if (field) { field.focus(); field.select(); } else location.assign('/');
    return true;
  }

  function back() {
    const from = document.activeElement;
    if (from.matches('input, select')) { from.blur(); return true; }
    if (from.closest('.grid') && $('sum')) { $('sum').focus(); return true; }
    return false;
  }

  const keys = {
    '?': () => ask('keys'),
    '/': slash,
    j: () => step(1),
    k: () => step(-1),
    n: () => failure(1),
    p: () => failure(-1),
    c: () => go(document.querySelector('.grid .hit .go')),
    y: () => { const link = $('copy'); if (link) copy(link); return Boolean(link); },
    t: () => ask('ask-main'),
    x: () => ask('ask-cancel'),
    '.': () => { if (live?.dataset.stream) pause(); return true; },
  };
  const inside = { ArrowDown: () => step(1), ArrowUp: () => step(-1), ArrowRight: () => sideways(1), ArrowLeft: () => sideways(-1) };

  function pressed(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || e.defaultPrevented) return;
    if (document.querySelector('dialog[open]')) return;
    const field = e.target.closest?.('input, select, textarea');
    let done = false;
    if (e.key === 'Escape') done = back();
    else if (field) return;
    else if (inside[e.key]) done = here() !== null && inside[e.key]();
    else if (keys[e.key] && $('keys-on').checked) done = keys[e.key]();
    if (done) e.preventDefault();
  }

  function setupKeys() {
    const on = $('keys-on');
    on.checked = store.get('mozci-keys') !== 'off';
    on.addEventListener('change', () => store.set('mozci-keys', on.checked ? 'on' : 'off'));
    $('show-keys').hidden = false;
    $('show-keys').addEventListener('click', () => ask('keys'));
    document.addEventListener('keydown', pressed);
    document.addEventListener('focusin', (e) => {
      if (e.target.matches('.grid .go') && e.target !== current) {
        if (current) current.tabIndex = -1;
        current = e.target;
        current.tabIndex = 0;
      }
    });
  }

  // ---- copy, ask, drag ----

  async function copy(link) {
    try {
      const answer = await fetch(link.href);
      if (!answer.ok) throw new Error(answer.statusText);
      await navigator.clipboard.writeText(await answer.text());
      toast(link.dataset.copied || 'Copied; paste it into the bug.');
    } catch {
      location.assign(link.href); // people can copy it by hand there
    }
  }

  function clicks() {
    document.addEventListener('click', (e) => {
      const link = e.target.closest('#copy, [data-copied]');
      if (link && !e.ctrlKey && !e.metaKey && !e.shiftKey) {
        e.preventDefault();
        copy(link);
      }
      if (e.target.closest('#bookmarklet')) {
        e.preventDefault();
        toast('Drag it to your bookmarks, then use it on the page of a failing job.');
      }
    });
    document.addEventListener('submit', (e) => {
      const asks = e.submitter?.dataset.asks;
      if (asks && ask(asks)) e.preventDefault();
    });
    // Empty fields only make the address longer.
    for (const form of all('form[method="get"]')) {
      form.addEventListener('formdata', (e) => {
        for (const [name, value] of [...e.formData]) if (value === '') e.formData.delete(name);
      });
    }
  }

  theme();
  setupKeys();
  clicks();
  refresh();
  if (live?.dataset.stream && 'EventSource' in window) begin();
})();
