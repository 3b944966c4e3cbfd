// The chooser: the filter while a person types, the matrix, and what people take out of it.
// A filter means the same here as on the server (trigger/trychooser), which a test compares.
(() => {
  'use strict';
  const $ = (id) => document.getElementById(id);
  const box = $('chooser');
  if (!box) return;

  // ---- the filter: fzf's extended search ----

  const spaces = '\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
  const space = new RegExp(`^[${spaces}]$`);
  const leading = new RegExp(`^[${spaces}]+`);
  const trailing = new RegExp(`[${spaces}]+$`);
  const inWord = /^[\p{L}\p{N}]$/u;
  const ascii = /^[\0-\x7f]*$/;

  // Lower case, character by character, as Go does it.
  function small(text) {
    if (ascii.test(text)) return text.toLowerCase();
    let out = '';
    for (const c of text) out += [...c.toLowerCase()][0];
    return out;
  }

  const bytes = (text) => new TextEncoder().encode(text).length;

  function parseTerm(word) {
    const t = { text: word, how: 'fuzzy', not: false, cased: word !== small(word) };
    if (t.text.startsWith('!')) { t.text = t.text.slice(1); t.not = true; t.how = 'exact'; }
    if (t.text.endsWith('$') && t.text !== '$') { t.text = t.text.slice(0, -1); t.how = 'suffix'; }
    if (t.text.length > 2 && t.text.startsWith("'") && t.text.endsWith("'")) {
      t.text = t.text.slice(1, -1);
      t.how = 'bounded';
    } else if (t.text.startsWith("'")) {
      t.text = t.text.slice(1);
      t.how = t.not ? 'fuzzy' : 'exact';
    } else if (t.text.startsWith('^')) {
      t.text = t.text.slice(1);
      t.how = t.how === 'suffix' ? 'whole' : 'prefix';
    }
    if (!t.cased) t.text = small(t.text);
    t.key = [t.how, t.cased].join(' ');
    return t.text === '' ? null : t;
  }

  // A filter is a list of sets of terms: one term of each set must hold.
  function parse(text) {
    text = text.replace(/^ +/, '');
    while (text.endsWith(' ') && !text.endsWith('\\ ')) text = text.slice(0, -1);
    const sets = [];
    let set = [], joins = true, afterBar = false;
    for (let word of text.replaceAll('\\ ', '\t').split(' ')) {
      word = word.replaceAll('\t', ' ');
      if (word === '') continue;
      if (word === '|' && set.length && !afterBar) { joins = afterBar = true; continue; }
      afterBar = false;
      const t = parseTerm(word);
      if (!t) continue;
      if (!joins) { sets.push(set); set = []; }
      set.push(t);
      joins = false;
    }
    if (set.length) sets.push(set);
    return sets;
  }

  // ---- the labels, and which of them match a term ----

  class Labels {
    constructor(labels) {
      this.n = labels.length;
      this.plain = labels;
      this.small = labels.map(small);
      this.kept = new Map(); // the newest last
      this.packed = {};
    }

    // pack puts all characters into one array, which is faster to search.
    pack(cased) {
      if (this.packed[cased]) return this.packed[cased];
      const from = cased ? this.plain : this.small;
      const at = new Uint32Array(this.n + 1);
      let total = 0;
      for (let i = 0; i < this.n; i++) at[i + 1] = total += from[i].length;
      const letters = new Uint16Array(total);
      const masks = new Uint32Array(this.n);
      for (let i = 0, k = 0; i < this.n; i++) {
        const s = from[i];
        for (let j = 0; j < s.length; j++, k++) {
          const c = s.charCodeAt(j);
          letters[k] = c;
          masks[i] |= 1 << (c & 31);
        }
      }
      return this.packed[cased] = { at, letters, masks };
    }

    // test returns a function that says whether the label at an index matches a term.
    test(t) {
      const from = t.cased ? this.plain : this.small, text = t.text;
      const chars = [...text];
      const no = (c) => c > 32 && c < 127; // certainly no space; other characters are rare
      const left = space.test(chars[0]) ? (s) => s : (s) => (no(s.charCodeAt(0)) ? s : s.replace(leading, ''));
      const right = space.test(chars.at(-1)) ? (s) => s : (s) => (no(s.charCodeAt(s.length - 1)) ? s : s.replace(trailing, ''));
      switch (t.how) {
        case 'exact': return (i) => from[i].includes(text);
        case 'prefix': return (i) => left(from[i]).startsWith(text);
        case 'suffix': return (i) => right(from[i]).endsWith(text);
        case 'whole': return (i) => right(left(from[i])) === text;
        case 'bounded': return (i) => {
          const s = from[i];
          for (let k = s.indexOf(text); k >= 0; k = s.indexOf(text, k + 1)) {
            const before = [...s.slice(Math.max(0, k - 2), k)].at(-1), after = [...s.slice(k + text.length, k + text.length + 2)][0];
            if ((k === 0 || !inWord.test(before)) && (after === undefined || !inWord.test(after))) return true;
          }
          return false;
        };
      }
      return /[\ud800-\udfff]/.test(text) ? (i) => this.scattered(from[i], chars) : this.letters(t);
    }

    scattered(s, chars) {
      let k = 0;
      for (const c of s) if (c === chars[k] && ++k === chars.length) return true;
      return false;
    }

    letters(t) {
      const { at, letters, masks } = this.pack(t.cased);
      const want = Uint16Array.from(t.text, (c) => c.charCodeAt(0));
      const n = want.length;
      let mask = 0;
      for (const c of want) mask |= 1 << (c & 31);
      return (i) => {
        if ((masks[i] & mask) !== mask) return false;
        let k = 0, w = want[0];
        for (let p = at[i], end = at[i + 1]; p < end; p++) {
          if (letters[p] === w) {
            if (++k === n) return true;
            w = want[k];
          }
        }
        return false;
      };
    }

    // holds returns the labels that match a term. When a person types on, only the labels that
    // matched the shorter word are tested.
    holds(t) {
      const key = t.key + ' ' + t.text;
      let out = this.kept.get(key);
      if (!out) {
        const test = this.test(t), base = this.beginning(t);
        out = new Uint8Array(this.n);
        for (let i = 0; i < this.n; i++) if ((!base || base[i]) && test(i)) out[i] = 1;
      }
      this.kept.delete(key);
      this.kept.set(key, out);
      if (this.kept.size > 64) this.kept.delete(this.kept.keys().next().value);
      return out;
    }

    beginning(t) {
      if (t.how !== 'fuzzy' && t.how !== 'exact' && t.how !== 'prefix') return null;
      for (let n = t.text.length - 1; n > 0; n--) {
        const kept = this.kept.get(t.key + ' ' + t.text.slice(0, n));
        if (kept) return kept;
      }
      return null;
    }

    // match has 1 for each label that matches a filter, and 0 for the others.
    match(text) {
      const out = new Uint8Array(this.n).fill(1);
      for (const set of parse(text)) {
        if (set.length === 1) {
          const held = this.holds(set[0]), not = set[0].not ? 1 : 0;
          for (let i = 0; i < this.n; i++) out[i] &= held[i] ^ not;
          continue;
        }
        const any = new Uint8Array(this.n);
        for (const t of set) {
          const held = this.holds(t), not = t.not ? 1 : 0;
          for (let i = 0; i < this.n; i++) any[i] |= held[i] ^ not;
        }
        for (let i = 0; i < this.n; i++) out[i] &= any[i];
      }
      return out;
    }
  }

  // ---- words and numbers, the same as the server's ----

  const number = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
  const count = (n, unit) => number(n) + ' ' + (n === 1 ? unit : unit + 's');
  const joined = (a, unitA, b, unitB) => a + unitA + (b ? ' ' + b + unitB : '');

  function span(seconds) {
    if (!(seconds > 0)) return '0 s';
    const s = Math.floor(Math.min(seconds, 1e9));
    if (s < 60) return s + ' s';
    if (s < 3600) return Math.floor(s / 60) + ' min';
    if (s < 48 * 3600) return joined(Math.floor(s / 3600), ' h', Math.floor(s % 3600 / 60), ' min');
    return joined(Math.floor(s / 86400), ' days', Math.floor(s % 86400 / 3600), ' h');
  }

  function roughly(seconds) {
    const step = seconds >= 10800 ? 1800 : seconds >= 3600 ? 600 : seconds >= 600 ? 300 : 60;
    return span(Math.max(step, Math.round(seconds / step) * step));
  }

  function machine(seconds) {
    return seconds < 48 * 3600 ? roughly(seconds) : number(Math.round(Math.min(seconds, 1e12) / 3600)) + ' h';
  }

  function bill(runs, seconds, unknown) {
    if (!runs) return 'no machine time';
    if (unknown === runs) return 'machine time unknown: none of them ran recently';
    const about = 'about ' + machine(seconds) + ' of machine time';
    return unknown ? about + ', without ' + count(unknown, 'run') + ' of unknown length' : about;
  }

  // distance is the Levenshtein distance of the first 200 characters.
  function distance(a, b) {
    a = a.slice(0, 200).toLowerCase();
    b = b.slice(0, 200).toLowerCase();
    const row = Array.from({ length: b.length + 1 }, (_, j) => j);
    for (let i = 0; i < a.length; i++) {
      let diagonal = row[0];
      row[0] = i + 1;
      for (let j = 0; j < b.length; j++) {
        const change = diagonal + (a[i] === b[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = Math.min(change, row[j] + 1, row[j + 1] + 1);
      }
    }
    return row[b.length];
  }

  function nearest(names, word) {
    let best = '', least = Infinity;
    for (const name of names) {
      const d = distance(name, word);
      if (d < least || d === least && name < best) { best = name; least = d; }
    }
    return best;
  }

  window.mozciChooser = { Labels, bill, span, roughly, distance };

  // ---- the matrix ----

  const longest = 12000; // characters of an address that servers accept
  const slice = 6; // milliseconds of work between two frames
  const pauses = 150; // milliseconds without a key before columns without jobs are removed

  fetch(box.dataset.jobs).then((r) => { if (!r.ok) throw new Error(r.statusText); return r.json(); }).then(begin)
    .catch(() => { /* the page stays as the server made it, and works */ });

  function begin(data) {
    const labels = new Labels(data.labels), n = labels.n, rows = data.rows.length, cols = data.columns.length;
    const cellOf = new Int32Array(n), all = new Int32Array(rows * cols), barred = new Uint8Array(n), out = new Uint8Array(n);
    const seconds = Int32Array.from(data.seconds);
    for (const i of data.barred) barred[i] = 1;
    for (let i = 0; i < n; i++) all[cellOf[i] = data.row[i] * cols + data.column[i]]++;
    const matched = new Int32Array(rows * cols), chosen = new Int32Array(rows * cols), shown = new Int32Array(rows * cols).fill(-1);
    const matchedRow = new Int32Array(rows), matchedCol = new Uint8Array(cols), chosenRow = new Int32Array(rows), shownRow = new Int32Array(rows).fill(-1);
    const shownName = (i) => data.shown[i] ?? data.labels[i];
    const field = $('q'), form = $('filter'), sum = $('sum'), body = document.querySelector('#matrix tbody');
    const lines = [], cells = new Array(rows * cols), filled = new Uint8Array(rows), near = new Uint8Array(cols);
    // The visible part is updated with the key press, and the rest right after.
    const view = document.querySelector('#matrix .scroll'), phone = matchMedia('(max-width: 640px)');
    let atOnce = 20, wide = 1280, along = 0;
    new ResizeObserver(([e]) => {
      atOnce = Math.min(40, Math.ceil(e.contentRect.height / 30)) || atOnce;
      wide = e.contentRect.width;
    }).observe(view);
    view.addEventListener('scroll', () => { along = view.scrollLeft; }, { passive: true });
    const seen = (c) => phone.matches || lefts[c] >= along && lefts[c] < along + wide;
    let match = new Uint8Array(n), of = { jobs: 0, taken: 0 };

    // One CSS rule places a column, not an attribute of each of its cells: moving or hiding
    // these one by one would take longer than a key press may. Cells without jobs do not exist,
    // so aria-colindex says which column a cell is in.
    const sheet = new CSSStyleSheet();
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    let places = '', placing;
    const lefts = Float64Array.from({ length: cols }, (_, c) => 304 + 64 * c);
    function place() {
      away();
      const now = matchedCol.join('');
      if (now === places) return;
      places = now;
      let rules = '', at = 304;
      for (let c = 0; c < cols; c++) {
        rules += '#matrix .c' + c + (matchedCol[c] ? '{left:' + at + 'px}' : '{display:none}');
        lefts[c] = matchedCol[c] ? at : Infinity;
        if (matchedCol[c]) at += 64;
      }
      sheet.replaceSync(rules + '#matrix{--wide:' + at + 'px}');
    }

    // Removed rows lose their height at once. They leave the layout and what screen readers
    // see a moment later, a few at a time, because that takes longer.
    let leave = 0;
    function away() {
      cancelAnimationFrame(leave);
      const end = performance.now() + slice;
      for (const { tr, gone } of lines) {
        if (tr.hidden === Boolean(gone)) continue;
        tr.hidden = Boolean(gone);
        if (performance.now() > end) { leave = requestAnimationFrame(away); return; }
      }
    }

    const has = Array.from({ length: rows }, () => []); // the columns of a row that have jobs
    for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) if (all[r * cols + c]) has[r].push(c);

    function build() {
      const head = document.querySelector('#matrix thead tr');
      head.replaceChildren(head.firstElementChild);
      head.firstElementChild.ariaColIndex = 1;
      head.closest('table').ariaColCount = cols + 1;
      $('matrix').classList.add('live');
      data.columns.forEach((name, c) => {
        const th = document.createElement('th');
        th.scope = 'col';
        th.id = 'c' + c;
        th.className = 'c' + c;
        th.ariaColIndex = c + 2;
        const text = document.createElement('span');
        text.textContent = name;
        th.append(text);
        head.append(th);
      });
      const rest = document.createDocumentFragment();
      data.rows.forEach((name, r) => {
        const tr = document.createElement('tr'), th = document.createElement('th');
        th.scope = 'row';
        th.id = 'r' + r;
        th.title = name;
        th.ariaColIndex = 1;
        th.innerHTML = '<label><input type="checkbox" checked> <span class="n"></span></label> <small></small>';
        th.querySelector('.n').textContent = name;
        tr.append(th);
        tr.dataset.row = r;
        lines.push({ tr, box: th.querySelector('input'), sum: th.lastElementChild });
        rest.append(tr);
      });
      body.replaceChildren(rest);
      $('more-rows')?.remove();
      $('jobs')?.remove();
    }

    function fill(r) {
      filled[r] = 1;
      const rest = document.createDocumentFragment();
      for (const c of has[r]) {
        const td = document.createElement('td'), b = document.createElement('button'), k = r * cols + c;
        td.className = 'c' + c;
        td.ariaColIndex = c + 2;
        td.headers = 'r' + r + ' c' + c;
        b.type = 'button';
        b.id = 'x' + r + '-' + c;
        b.className = 'cell';
        b.tabIndex = -1;
        b.setAttribute('aria-labelledby', 'r' + r + ' c' + c + ' ' + b.id);
        b.dataset.at = data.columns[c];
        b.append('');
        b.text = b.firstChild;
        b.at = k;
        b.td = td;
        td.append(b);
        cells[k] = b;
        rest.append(td);
      }
      lines[r].tr.append(rest);
    }

    // draw updates one row, or its visible part: only cells whose number changed.
    function draw(r, part = false) {
      const line = lines[r], gone = matchedRow[r] === 0;
      if (line.gone !== gone) {
        line.tr.classList.toggle('gone', line.gone = gone);
        if (!gone && line.tr.hidden) line.tr.hidden = false;
      }
      if (gone) return;
      if (!filled[r]) fill(r);
      if (shownRow[r] !== chosenRow[r] * 2 + (chosenRow[r] === matchedRow[r] ? 1 : 0)) {
        shownRow[r] = chosenRow[r] * 2 + (chosenRow[r] === matchedRow[r] ? 1 : 0);
        line.sum.textContent = number(chosenRow[r]);
        line.box.checked = chosenRow[r] > 0;
        line.box.indeterminate = chosenRow[r] > 0 && chosenRow[r] < matchedRow[r];
      }
      for (const c of has[r]) {
        const k = r * cols + c;
        if (shown[k] === chosen[k] || part && !near[c]) continue;
        shown[k] = chosen[k];
        const b = cells[k], kind = 'c' + c + (!chosen[k] ? ' off' : chosen[k] === all[k] ? ' all' : '');
        b.text.data = chosen[k] + '/' + all[k];
        if (b.td.className !== kind) b.td.className = kind;
      }
    }

    function tally() {
      matched.fill(0); chosen.fill(0); matchedRow.fill(0); matchedCol.fill(0); chosenRow.fill(0);
      let jobs = 0, taken = 0, some = 0, time = 0, unknown = 0;
      for (let i = 0; i < n; i++) {
        if (!match[i]) continue;
        some++;
        if (barred[i]) continue;
        const k = cellOf[i];
        matched[k]++;
        if (out[i]) { taken++; continue; }
        chosen[k]++;
        jobs++;
        if (seconds[i] < 0) unknown++; else time += seconds[i];
      }
      for (let r = 0; r < rows; r++) {
        for (const c of has[r]) {
          const k = r * cols + c;
          if (!matched[k]) continue;
          matchedRow[r] += matched[k];
          chosenRow[r] += chosen[k];
          matchedCol[c] = 1;
        }
      }
      of = { jobs, taken, some, time, unknown };
    }

    let later = 0, todo = [];
    function work() {
      const end = performance.now() + slice;
      while (todo.length && performance.now() < end) draw(todo.pop());
      later = todo.length ? requestAnimationFrame(work) : 0;
      if (!later) box.dataset.settled = field.value;
    }

    // update is everything that a key press does.
    function update() {
      delete box.dataset.settled;
      if (bytes(field.value) > Number(box.dataset.most)) { over(); return; }
      match = labels.match(field.value);
      redraw();
    }

    function redraw() {
      tally();
      todo = [];
      for (let c = 0; c < cols; c++) near[c] = seen(c) ? 1 : 0;
      for (let r = 0, drawn = 0; r < rows; r++) {
        if (drawn < atOnce) draw(r, true);
        if (matchedRow[r]) drawn++;
        todo.push(r);
      }
      todo.reverse();
      clearTimeout(placing);
      placing = setTimeout(place, places ? pauses : 0);
      words();
      if (!later) later = requestAnimationFrame(work);
    }

    function over() {
      sum.textContent = 'The filter is longer than ' + number(Number(box.dataset.most)) + ' bytes; shorten it';
      box.dataset.settled = field.value;
    }

    const set = (e, text) => { if (e.textContent !== text) e.textContent = text; };
    function words() {
      const times = Math.max(1, Math.min(20, Math.floor(Number($('times')?.value)) || 1)), runs = of.jobs * times;
      set(sum, number(of.jobs) + ' of ' + count(data.whole, 'job') + (of.jobs ? ' · ' + bill(of.jobs, of.time, of.unknown) : ''));
      set($('runs'), count(runs, 'run') + ' of ' + count(of.jobs, 'job'));
      set($('cost'), bill(runs, of.time * times, of.unknown * times));
      const much = runs > data.most;
      if (much) set($('over').lastElementChild, 'More than ' + count(data.most, 'run') + ', the maximum at once. Narrow the filter.');
      $('over').hidden = !much;
      $('taken').hidden = !of.taken;
      if (of.taken) set($('taken').firstElementChild, count(of.taken, 'job') + ' taken out by hand.');
      const empty = !of.some;
      if ($('matrix').hidden !== empty) $('matrix').hidden = empty;
      $('none').hidden = !empty;
      if (empty) nothing();
      tell();
    }

    // What to show for a filter that matches nothing.
    function nothing() {
      const p = $('none'), text = field.value, em = document.createElement('em');
      em.textContent = text;
      let near = '';
      for (const word of text.split(/\s+/)) {
        if (!word || word === '|' || word[0] === '!' || labels.match(word).includes(1)) continue;
        const bare = word.replace(/\$$/, '').replace(/^['^]+|['^]+$/g, '');
        if (bare && (near = nearest([...data.rows, ...data.columns], bare))) break;
      }
      p.replaceChildren('No job matches ', em, '.');
      if (near) p.append(' Closest: ', link(near, near), '.');
      const clear = link('Clear the filter', '');
      clear.className = 'btn';
      p.append(' ', clear);
    }

    function link(text, q) {
      const a = document.createElement('a'), url = new URL(box.dataset.clear, location.href);
      if (q) url.searchParams.set('q', q);
      a.href = url.pathname + url.search;
      a.dataset.q = q;
      a.textContent = text;
      return a;
    }

    // A screen reader hears what a filter has found once the person stops typing.
    let telling, told = sum.textContent;
    function tell() {
      clearTimeout(telling);
      telling = setTimeout(() => {
        if (sum.textContent !== told) $('say').textContent = told = sum.textContent;
        document.title = told + ' · ' + box.dataset.title;
        const url = new URL(location.href);
        if (field.value) url.searchParams.set('q', field.value); else url.searchParams.delete('q');
        history.replaceState(null, '', url);
      }, 1000);
    }

    // ---- by hand ----

    function take(indices, whether) {
      for (const i of indices) out[i] = whether ? 1 : 0;
      redraw();
    }

    function inCell(k) {
      const list = [];
      for (let i = 0; i < n; i++) if (cellOf[i] === k && match[i] && !barred[i]) list.push(i);
      return list;
    }

    function open(k) {
      const list = inCell(k), dialog = $('chunks');
      $('chunks-title').textContent = data.rows[Math.floor(k / cols)] + ' on ' + data.columns[k % cols];
      const items = list.map((i) => {
        const li = document.createElement('li'), label = document.createElement('label'), box = document.createElement('input'), code = document.createElement('code');
        label.className = 'check';
        box.type = 'checkbox';
        box.checked = !out[i];
        box.dataset.i = i;
        code.textContent = shownName(i);
        label.append(box, code);
        if (seconds[i] >= 0) {
          const small = document.createElement('small');
          small.textContent = span(seconds[i]);
          label.append(small);
        }
        li.append(label);
        return li;
      });
      if (!list.length) {
        const li = document.createElement('li');
        li.textContent = 'None of its ' + count(all[k], 'job') + ' matches the filter.';
        items.push(li);
      }
      $('chunks-list').replaceChildren(...items);
      $('chunks-all').checked = list.length > 0 && list.every((i) => !out[i]);
      $('chunks-all').disabled = !list.length;
      dialog.cell = k;
      dialog.showModal();
    }

    // ---- the matrix: one tab stop, arrow keys inside ----

    let current = null;
    const stops = (tr) => [...tr.querySelectorAll('input, .cell')].filter((e) => e.checkVisibility());
    function stop(e) {
      if (!e || e === current) return;
      if (current) current.tabIndex = -1;
      current = e;
      e.tabIndex = 0;
    }

    function move(e, key) {
      const tr = e.closest('tr'), list = stops(tr), at = list.indexOf(e);
      const column = e.closest('td')?.classList[0];
      let to = null;
      if (key === 'ArrowLeft') to = list[at - 1];
      if (key === 'ArrowRight') to = list[at + 1];
      if (key === 'Home') to = list[0];
      if (key === 'End') to = list.at(-1);
      if (key === 'ArrowUp' || key === 'ArrowDown') {
        const way = key === 'ArrowUp' ? 'previousElementSibling' : 'nextElementSibling';
        for (let row = tr[way]; row && !to; row = row[way]) {
          if (lines[row.dataset.row].gone) continue;
          if (!filled[row.dataset.row]) draw(Number(row.dataset.row));
          to = column ? row.querySelector('.' + column + ' .cell') : row.querySelector('input');
          if (!to && !column) break;
        }
      }
      if (!to) return;
      stop(to);
      to.focus();
      to.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }

    function listen() {
      field.addEventListener('input', () => {
        $('wrong')?.remove();
        field.removeAttribute('aria-invalid');
        update();
      });
      field.addEventListener('keydown', (e) => {
        if (e.key === 'Escape' && field.value) { clear(''); e.preventDefault(); }
      });
      form.addEventListener('submit', (e) => e.preventDefault());
      form.querySelector('button').hidden = true;
      $('times')?.addEventListener('input', words);
      $('none').addEventListener('click', (e) => {
        const a = e.target.closest('a');
        if (!a || a.dataset.q === undefined || e.ctrlKey || e.metaKey || e.shiftKey) return;
        e.preventDefault();
        clear(a.dataset.q);
        field.focus();
      });
      $('taken').querySelector('button').addEventListener('click', () => { out.fill(0); redraw(); field.focus(); });
      body.addEventListener('click', (e) => {
        const b = e.target.closest('.cell');
        if (b) { stop(b); open(b.at); }
      });
      body.addEventListener('change', (e) => {
        const r = Number(e.target.closest('tr').dataset.row), list = [];
        for (let i = 0; i < n; i++) if (data.row[i] === r && match[i] && !barred[i]) list.push(i);
        take(list, !e.target.checked);
      });
      body.addEventListener('focusin', (e) => { if (e.target.matches('input, .cell')) stop(e.target); });
      body.addEventListener('keydown', (e) => {
        if (!/^(Arrow|Home|End)/.test(e.key) || e.ctrlKey || e.metaKey || e.altKey) return;
        e.preventDefault();
        e.stopPropagation();
        move(e.target, e.key);
      });
      const dialog = $('chunks');
      $('chunks-all').addEventListener('change', (e) => {
        take(inCell(dialog.cell), !e.target.checked);
        for (const b of dialog.querySelectorAll('#chunks-list input')) b.checked = e.target.checked;
      });
      $('chunks-list').addEventListener('change', (e) => {
        take([Number(e.target.dataset.i)], !e.target.checked);
        $('chunks-all').checked = inCell(dialog.cell).every((i) => !out[i]);
      });
      leaving();
    }

    // byHand is what the filter does not say: the labels that were taken out, or those that
    // stay, whichever list is shorter.
    const byHand = () => {
      const gone = [], stays = [];
      for (let i = 0; i < n; i++) if (match[i] && !barred[i]) (out[i] ? gone : stays).push(data.labels[i]);
      if (!gone.length) return [];
      return stays.length && stays.length < gone.length ? ['labels', stays.join('\n')] : ['out', gone.join('\n')];
    };

    // Links and forms carry the current filter, and what was chosen by hand.
    function leaving() {
      $('choice').addEventListener('formdata', (e) => {
        e.formData.set('q', field.value);
        const [name, list] = byHand();
        if (name) e.formData.set(name, list);
      });
      document.addEventListener('click', (e) => {
        const a = e.target.closest('#copy-json, #copy-syntax');
        if (!a) return;
        const url = new URL(a.href), [name, list] = byHand();
        url.searchParams.set('q', field.value);
        url.searchParams.delete('out');
        url.searchParams.delete('labels');
        if (name) url.searchParams.set(name, list);
        if (url.search.length > longest) {
          e.preventDefault();
          e.stopImmediatePropagation();
          set($('taken').firstElementChild, 'You removed too many jobs by hand to copy the rest. Use the filter instead.');
          return;
        }
        a.href = url.pathname + url.search;
      }, true);
    }

    function clear(q) {
      field.value = q;
      update();
    }

    build();
    listen();
    labels.pack(false);
    for (const line of lines) line.box.tabIndex = -1;
    update();
    stop(lines.find((line) => !line.gone)?.box);
    const idle = () => { // fill the cells of rows that no filter has shown yet
      const end = performance.now() + slice;
      for (let r = 0; r < rows && performance.now() < end; r++) if (!filled[r]) fill(r);
      if (filled.includes(0)) requestAnimationFrame(idle); else box.dataset.ready = 'yes';
    };
    requestAnimationFrame(idle);
  }
})();
