package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// TestChromium drives the page in a real browser.
func TestChromium(t *testing.T) {
	b := browserFor(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, chromium)
	}{
		{"acts", testActs},
		{"fills by events", testFills},
		{"keeps the focus", testKeepsFocus},
		{"rows do not move under a pointer", testHolds},
		{"pause", testPause},
		{"reconnects", testReconnects},
		{"keys", testKeys},
		{"keys that ask", testKeysAsk},
		{"keys can be switched off", testKeysOff},
		{"tab", testTab},
		{"copy", testCopy},
		{"without script", testNoScript},
		{"theme", testTheme},
		{"widths", testWidths},
		{"people's settings", testSettings},
		{"axe", testAxe},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, b) })
	}
}

// site is the page over a backend, on a port of its own.
func site(t *testing.T, f *fake) string {
	t.Helper()
	s := httptest.NewServer(pageOf(t, f, hazel, nil))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s.URL
}

// From the link to the cancelled backfill, by mouse and dialog.
func testActs(t *testing.T, browser chromium) {
	f := newFake()
	b := openTab(t, browser)
	b.open(site(t, f))
	b.do(chromedp.SendKeys("#link", "https://ci.example.org/tasks/T"), chromedp.Click("#start .btn.main"))
	b.shows("mozci would trigger 8 runs on 4 pushes")
	want := "/backfill?link=https%3A%2F%2Fci.example.org%2Ftasks%2FT&mode=linear"
	if path := value[string](b, "location.pathname+location.search"); path != want {
		t.Errorf("the address is %s", path)
	}
	b.do(chromedp.Click("#main-act"))
	b.until("location.pathname === '/backfills/b7Q2wait'")
	b.shows("8 runs are queued")
	b.do(chromedp.Click("#cancel"))
	b.until("document.querySelector('#ask-cancel').open")
	b.shows("Cancel 8 runs?")
	b.do(chromedp.Click("#ask-cancel form[method=dialog] button"))
	b.until("!document.querySelector('#ask-cancel').open")
	if got, _ := f.Get(t.Context(), "b7Q2wait"); got.State != Waiting {
		t.Fatal("cancelled by “Let it run”")
	}
	b.do(chromedp.Click("#cancel"))
	b.until("document.querySelector('#ask-cancel').open")
	b.do(chromedp.Click("#ask-cancel .btn.stop"))
	b.shows("@hazel cancelled this")
	b.do(chromedp.Reload())
	b.shows("@hazel cancelled this")
	if got := value[bool](b, "document.querySelector('#backfill').hasAttribute('data-stream')"); got {
		t.Error("what has ended is followed")
	}
}

func testFills(t *testing.T, browser chromium) {
	f := newFake(waiting())
	b := openTab(t, browser)
	b.open(site(t, f) + "/backfills/b7Q2wait")
	row := "document.querySelector('#push-autoland-190424')"
	b.until(row + ".querySelectorAll('.r.queue').length === 2")
	value[bool](b, row+".querySelector('.r').mark = true") // the same element, later?
	f.change("b7Q2wait", func(b *Backfill) {
		b.State, b.Answer = Running, "Between 190418 and 190426: 6 pushes left"
		b.Rows[4].Runs[0].Result = Passed
		b.Rows[4].Passed = 1
	})
	b.shows("Between 190418 and 190426: 6 pushes left")
	b.until(row + ".querySelectorAll('.r.queue').length === 1")
	if !value[bool](b, row+".querySelector('.r.pass').mark === true") {
		t.Error("the cell was replaced, not changed")
	}
	b.until("document.querySelector('#say').textContent.includes('6 pushes left')")
	b.until("document.title.startsWith('Between')")
	f.change("b7Q2wait", func(b *Backfill) {
		b.State, b.Answer = Done, "Push 190424 broke it: more than 99% sure"
		b.Culprit = &Culprit{ref(190424), 0.995}
	})
	b.shows("Push 190424 broke it")
	b.until("document.querySelector('#push-autoland-190424').matches('.hit')")
	b.until("!document.querySelector('#cancel') && !document.querySelector('#pause')")
	b.do(chromedp.Reload())
	b.shows("Push 190424 broke it")
}

// Whoever is on a run with the keyboard stays there while everything around it changes.
func testKeepsFocus(t *testing.T, browser chromium) {
	f := newFake(running())
	b := openTab(t, browser)
	b.open(site(t, f) + "/backfills/b7Q2run")
	b.press("c") // the push itself
	b.press(kb.ArrowRight)
	b.until("document.activeElement.matches('#push-autoland-190420 .r:first-child, #push-autoland-190420 .r')")
	name := value[string](b, "document.activeElement.ariaLabel")
	value[bool](b, "document.activeElement.mine = true")
	b.press("x")
	b.until("document.querySelector('#ask-cancel').open")
	f.change("b7Q2run", func(b *Backfill) {
		b.Answer = "Push 190420 probably broke it: 98%"
		b.Rows[11].Runs[5].Result = Failure
		b.Rows[11].Failed++
		b.Log = append([]Entry{{Time: at(220), Kind: "failed", Text: "190420 failed in 34 min."}}, b.Log...)
	})
	b.shows("probably broke it: 98%")
	if !value[bool](b, "document.querySelector('#ask-cancel').open") {
		t.Error("the question went away")
	}
	b.press(kb.Escape)
	b.until("!document.querySelector('#ask-cancel').open")
	b.until(fmt.Sprintf("document.activeElement.mine === true && document.activeElement.ariaLabel === %q", name))
}

func testHolds(t *testing.T, browser chromium) {
	f := newFake(running())
	b := openTab(t, browser)
	b.open(site(t, f) + "/backfills/b7Q2run")
	b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 300, 500))
	b.until("document.querySelector('#grid').matches(':hover')")
	f.change("b7Q2run", func(b *Backfill) { b.Updated = at(212) })
	b.until("document.querySelector('#answer time').textContent === '15:32 UTC'")
	f.change("b7Q2run", func(b *Backfill) {
		b.Rows = append(storyRows("190432 lark     Newer than all   P"), b.Rows...)
		b.Updated = at(213)
	})
	b.until("document.querySelector('#answer time').textContent === '15:33 UTC'")
	if value[bool](b, "Boolean(document.querySelector('#push-autoland-190432'))") {
		t.Error("a row came under the pointer")
	}
	b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 300, 20))
	b.until("document.querySelector('#push-autoland-190432')")
}

func testPause(t *testing.T, browser chromium) {
	f := newFake(running())
	b := openTab(t, browser)
	b.open(site(t, f) + "/backfills/b7Q2run")
	b.until("!document.querySelector('#pause').hidden")
	b.press(".")
	b.until("document.querySelector('#pause').textContent === 'Resume updates'")
	f.change("b7Q2run", func(b *Backfill) { b.Answer = "Changed meanwhile" })
	b.do(chromedp.Click("#pause"))
	b.until("document.querySelector('#pause').textContent === 'Pause updates'")
	b.shows("Changed meanwhile")
	f.change("b7Q2run", func(b *Backfill) { b.Answer = "Changed once more" })
	b.shows("Changed once more")
}

// The server goes away and comes back at the same place; the page says so and catches up.
func testReconnects(t *testing.T, browser chromium) {
	f := newFake(running())
	handler := pageOf(t, f, hazel, nil)
	start := func(address string) *httptest.Server {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(handler)
		_ = s.Listener.Close()
		s.Listener = l
		s.Start()
		return s
	}
	port, err := testenv.FreePort() // nobody else is given it while the server is away
	if err != nil {
		t.Fatal(err)
	}
	s := start(fmt.Sprintf("127.0.0.1:%d", port))
	b := openTab(t, browser)
	b.open(s.URL + "/backfills/b7Q2run")
	f.change("b7Q2run", func(b *Backfill) { b.Answer = "Still here" })
	b.shows("Still here")
	address := s.Listener.Addr().String()
	s.CloseClientConnections()
	s.Close()
	b.until("!document.querySelector('#lost').hidden")
	b.shows("No connection to mozci since")
	b.shows("Still here") // old data stays readable
	b.until("document.querySelector('#say').textContent.startsWith('No connection to mozci since')")
	f.change("b7Q2run", func(b *Backfill) { b.Answer = "It went on" })
	b.until("document.querySelector('#retry').checkVisibility()")
	s = start(address)
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	// The page may find the server by itself just now, and then has nothing to click on.
	value[bool](b, "document.querySelector('#lost').hidden || (document.querySelector('#retry').click(), true)")
	b.shows("It went on")
	b.until("document.querySelector('#lost').hidden")
}

func testKeys(t *testing.T, browser chromium) {
	b := openTab(t, browser)
	b.open(site(t, newFake(running())) + "/backfills/b7Q2run")
	at := func(want string) {
		t.Helper()
		b.until(fmt.Sprintf("document.activeElement.closest('tr')?.id === 'push-autoland-%s'", want))
	}
	for _, step := range []struct{ key, push string }{
		{"j", "190431"},
		{"j", "190430"},
		{"k", "190431"},
		{"c", "190420"},
		{"j", "190419"},
		{kb.ArrowDown, "190418"},
		{kb.ArrowUp, "190419"},
		{"n", "190415"},
		{"p", "190420"},
		{"p", "190420"},
	} {
		b.press(step.key)
		at(step.push)
	}
	if got := value[string](b,
		"document.activeElement.ariaLabel"); got != "Run 4: failed after 36 min, triggered by mozci" {
		t.Errorf("at %q", got)
	}
	b.press(kb.ArrowLeft)
	b.until("document.activeElement.ariaLabel.startsWith('Run 3: passed')")
	b.press(kb.ArrowRight + kb.ArrowRight)
	b.until("document.activeElement.ariaLabel.startsWith('Run 5: failed')")
	if n := value[int](b, "document.querySelectorAll('.grid .go[tabindex=\"0\"]').length"); n != 1 {
		t.Errorf("the grid has %d tab stops", n)
	}
	b.press(kb.Escape)
	b.until("document.activeElement.id === 'sum'")
}

// A question or a list is in front of everything; a field takes every letter.
func testKeysAsk(t *testing.T, browser chromium) {
	f := newFake(running(), dry())
	url := site(t, f)
	b := openTab(t, browser)
	b.open(url + "/backfills/b7Q2run")
	b.press("c" + kb.Escape)
	b.until("document.activeElement.id === 'sum'")
	b.press("?")
	b.until("document.querySelector('#keys').open")
	b.press("j") // nothing, behind a dialog
	b.press(kb.Escape)
	b.until("!document.querySelector('#keys').open && document.activeElement.id === 'sum'")
	b.press("x")
	b.until("document.querySelector('#ask-cancel').open")
	b.press(kb.Escape)
	b.until("!document.querySelector('#ask-cancel').open")
	b.press("/")
	b.until("location.pathname === '/' && document.readyState === 'complete'")
	b.typed("/")
	b.until("document.activeElement.id === 'link'")
	b.press("jkt?")
	if got := value[string](b, "document.activeElement.value"); got != "jkt?" {
		t.Errorf("the field has %q", got)
	}
	b.press(kb.Escape)
	b.until("document.activeElement === document.body")
	b.open(url + "/backfills/b7Q2dry")
	b.press("t")
	b.until("document.querySelector('#ask-main').open")
	b.shows("Trigger 8 runs on 4 pushes?")
	if len(f.started) > 0 {
		t.Fatal("t did not ask")
	}
	b.press(kb.Tab + kb.Enter)
	b.until("location.pathname === '/backfills/b7Q2wait'")
	b.until("document.querySelector('#pause')?.hidden === false") // the script has begun
	// Enter opens the run that has the focus.
	b.press("j" + kb.ArrowRight)
	b.until("document.activeElement.matches('.r')")
	want := value[string](b, "document.activeElement.href")
	value[bool](b,
		"document.addEventListener('click', (e) => { e.preventDefault(); window.opened = e.target.href; }), true")
	b.press(kb.Enter)
	b.until(fmt.Sprintf("window.opened === %q", want))
}

func testKeysOff(t *testing.T, browser chromium) {
	b := openTab(t, browser)
	url := site(t, newFake(running()))
	b.open(url + "/backfills/b7Q2run")
	b.do(chromedp.Click("#show-keys"), chromedp.Click("#keys-on"), chromedp.Click("#keys form button"))
	b.press("x")
	b.do(chromedp.Reload())
	b.press("jx")
	if value[bool](b, "document.querySelector('#ask-cancel').open || document.activeElement !== document.body") {
		t.Error("a key that was switched off does something")
	}
	b.do(chromedp.Click("#show-keys"))
	if value[bool](b, "document.querySelector('#keys-on').checked") {
		t.Error("the choice was not kept")
	}
}

// Tab reaches everything that can be used, in order, and one can see where one is.
func testTab(t *testing.T, browser chromium) {
	b := openTab(t, browser)
	url := site(t, newFake(everyState()...))
	for _, path := range []string{"/", "/backfills/b7Q2run", "/backfills/b7Q2dry", "/backfills"} {
		b.open(url + path)
		value[bool](b, `Boolean(window.want = [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')].filter((e) =>
			e.tabIndex >= 0 && e.checkVisibility({ visibilityProperty: true }) && e.type !== 'hidden' && (e.type !== 'radio' || e.checked)))`)
		n := value[int](b, "want.length")
		for i := range n {
			b.press(kb.Tab)
			if at := value[int](b, "want.indexOf(document.activeElement)"); at != i {
				t.Errorf("%s: stop %d is %d: %s", path, i, at,
					value[string](b, "document.activeElement.outerHTML.slice(0, 160)"))
				break
			}
			if !value[bool](b,
				`document.activeElement.matches(':focus-visible') &&
				getComputedStyle(document.activeElement).outlineStyle !== 'none'`) {
				t.Errorf("%s: the focus cannot be seen on %s", path,
					value[string](b, "document.activeElement.outerHTML.slice(0, 160)"))
			}
		}
		if n < 8 {
			t.Errorf("%s has %d stops", path, n)
		}
	}
}

func testCopy(t *testing.T, on chromium) {
	b := openTab(t, on)
	url := site(t, newFake(running()))
	b.open(url + "/backfills/b7Q2run")
	for _, p := range []string{"clipboard-read", "clipboard-write"} {
		_, err := chromedp.CallBrowser(b.ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: p}, Setting: browser.PermissionSettingGranted,
			BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b.press("y")
	b.shows("Copied; paste it into the bug.")
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("navigator.clipboard.readText()",
		chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, text, "Push 190420 probably broke it: 97%", "190420  285f82a8  4 of 5  97%     culprit",
		url+"/backfills/b7Q2run")
}

// Without script a page shows the same, and its buttons work.
func testNoScript(t *testing.T, browser chromium) {
	f := newFake(everyState()...)
	b := openTab(t, browser)
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled,
			emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	b.open(site(t, f) + "/backfills/b7Q2dry")
	b.shows("mozci would trigger 8 runs on 4 pushes")
	b.do(chromedp.Click("#main-act"))
	b.shows("8 runs are queued")
	b.shows("Reload for newer results")
	if value[bool](b, "[...document.querySelectorAll('#pause, #show-keys, .theme')].some((e) => e.checkVisibility())") {
		t.Error("something is shown that does nothing")
	}
	b.do(chromedp.Click("#cancel"))
	b.shows("Let it run")
	b.do(chromedp.Click(".btn.stop"))
	b.shows("@hazel cancelled this")
}

func testTheme(t *testing.T, browser chromium) {
	b := openTab(t, browser)
	b.media("prefers-color-scheme=light")
	b.open(site(t, newFake()))
	colour := "getComputedStyle(document.body).backgroundColor"
	light := value[string](b, colour)
	choose := func(v string) {
		value[bool](b,
			fmt.Sprintf(`(() => { const s = document.querySelector('#theme');
			s.value = %q; s.dispatchEvent(new Event('change')); return true; })()`, v))
	}
	choose("dark")
	dark := value[string](b, colour)
	if light != "rgb(247, 248, 250)" || dark != "rgb(16, 20, 24)" {
		t.Errorf("light %s, dark %s", light, dark)
	}
	b.do(chromedp.Reload())
	if got := value[string](b, colour); got != dark {
		t.Error("the choice was not kept:", got)
	}
	choose("")
	if got := value[string](b, colour); got != light {
		t.Error("the system is not followed:", got)
	}
	b.media("prefers-color-scheme=dark")
	if got := value[string](b, colour); got != dark {
		t.Error("the system is not followed:", got)
	}
}

// Nothing is wider than the screen, no two cells of a row lie on each other, and what a
// finger touches is large enough.
func testWidths(t *testing.T, browser chromium) {
	b := openTab(t, browser)
	url := site(t, newFake(everyState()...))
	for name, path := range screensOf() {
		for i, width := range []int64{320, 390, 768, 1280} {
			b.size(width, 800)
			if i == 0 {
				b.open(url + path)
			}
			if wide := value[int](b, "document.documentElement.scrollWidth"); wide > int(width) {
				t.Errorf("%s at %d is %d wide: %s", name, width, wide, value[string](b, widest))
			}
			if bad := value[string](b, overlaps); bad != "" {
				t.Errorf("%s at %d: cells lie on each other: %s", name, width, bad)
			}
			if bad := value[string](b, small); width < 400 && bad != "" {
				t.Errorf("%s at %d: too small for a finger: %s", name, width, bad)
			}
		}
	}
}

const (
	widest = `[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
		.map((e) => e.tagName + '.' + e.className + '#' + e.id).slice(0, 8).join(' ')`
	overlaps = `(() => { for (const row of document.querySelectorAll('.grid tbody tr')) {
		const parts = '.id, th code, .r, .none, .n, .prob span:not(.vh), .tag';
		const boxes = [...row.children].flatMap((cell) =>
				[...cell.querySelectorAll(parts), ...(cell.matches('.num') && cell.textContent ? [cell] : [])])
			.filter((e) => e.checkVisibility()).map((e) => {
				const range = document.createRange(); range.selectNodeContents(e);
				return { e, box: (e.matches('.num') ? range : e).getBoundingClientRect() };
			}).filter((b) => b.box.width > 1);
		for (const a of boxes) for (const b of boxes) if (a.e !== b.e && !a.e.contains(b.e) && !b.e.contains(a.e) &&
			a.box.left < b.box.right - 1 && b.box.left < a.box.right - 1 &&
			a.box.top < b.box.bottom - 1 && b.box.top < a.box.bottom - 1)
			return row.id + ': ' + a.e.outerHTML.slice(0, 80) + ' and ' + b.e.outerHTML.slice(0, 80);
	} return ''; })()`
	small = `[...document.querySelectorAll('.answer .acts .btn')].filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 44)
		.map((e) => e.textContent).join(', ')`
)

// What people set in their system is heeded.
func testSettings(t *testing.T, browser chromium) {
	b := openTab(t, browser)
	b.open(site(t, newFake(everyState()...)) + "/backfills/b7Q2run")
	turns := "getComputedStyle(document.querySelector('.pill .i')).animationName"
	b.media("prefers-reduced-motion=no-preference")
	if got := value[string](b, turns); got != "turn" {
		t.Error("nothing turns:", got)
	}
	b.media("prefers-reduced-motion=reduce")
	if got := value[string](b, turns); got != "none" {
		t.Error("something moves:", got)
	}
	b.media("forced-colors=active", "prefers-color-scheme=dark") //nolint:misspell // its name
	if fail, pass := value[string](b, "getComputedStyle(document.querySelector('.r.fail')).backgroundColor"),
		value[string](b, "getComputedStyle(document.querySelector('.r.pass')).backgroundColor"); fail == pass {
		t.Error("a failure is not filled in forced colours:", fail)
	}
}

func axePath() string {
	if path := os.Getenv("MOZCI_AXE"); path != "" {
		return path
	}
	return filepath.Join(os.TempDir(), "mozci-axe", "node_modules", "axe-core", "axe.min.js")
}

// axeSource is axe-core, which CI installs from npm.
func axeSource(t *testing.T) string {
	t.Helper()
	path := axePath()
	text, err := os.ReadFile(path)
	if err != nil {
		testenv.Lacking(t,
			"axe-core is not at %s: npm install --prefix %s axe-core@4, or name its axe.min.js in MOZCI_AXE",
			path, filepath.Join(os.TempDir(), "mozci-axe"))
	}
	return string(text)
}

type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML string `json:"html"`
		Why  string `json:"failureSummary"`
	} `json:"nodes"`
}

// alike are screens that have nothing which another one has not: they cost minutes.
var alike = []string{
	"long-all", "state-done", "state-flake", "state-gone", "state-never", "state-own", "state-dry",
}

func testAxe(t *testing.T, browser chromium) {
	axe := axeSource(t)
	b := openTab(t, browser)
	url := site(t, newFake(everyState()...))
	for name, path := range screensOf() {
		if slices.Contains(alike, name) {
			continue
		}
		for i, width := range []int64{1280, 390} {
			b.size(width, 900)
			for _, theme := range []string{"light", "dark"} {
				b.media("prefers-color-scheme="+theme, "prefers-reduced-motion=reduce")
				if i == 0 && theme == "light" {
					b.open(url + path)
					value[any](b, axe+";1")
				}
				check(b, fmt.Sprintf("%s %s %d", name, theme, width), theme == "light")
			}
		}
	}
	// The questions and the list of keys too.
	for _, open := range []struct{ path, key string }{{"run", "?"}, {"run", "x"}, {"dry", "t"}} {
		b.open(url + "/backfills/b7Q2" + open.path)
		value[any](b, axe+";1")
		b.press(open.key)
		b.until("document.querySelector('dialog[open]')")
		check(b, "key "+open.key, true)
	}
}

// check runs axe: all of WCAG 2.0 to 2.2 A and AA and the best practices, or what
// colours have to do with. What it cannot decide fails too.
func check(b *tab, name string, everything bool) {
	b.Helper()
	what := "{ type: 'rule', values: ['color-contrast', 'link-in-text-block'] }"
	if everything {
		what = "{ type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }"
	}
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`axe.run(document, { resultTypes: ['violations', 'incomplete'],
		preload: false, iframes: false, elementRef: false, runOnly: `+what+` }).then((r) => JSON.stringify([...r.violations, ...r.incomplete]))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatal(err)
	}
	var found []violation
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.Fatal(err)
	}
	for _, v := range found {
		for _, n := range v.Nodes[:min(len(v.Nodes), 3)] {
			b.Errorf("%s: %s: %s\n%.300s\n%.300s", name, v.ID, v.Help, n.HTML, n.Why)
		}
	}
}
