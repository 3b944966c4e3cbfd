package server

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/mozci/mozci/trigger/trychooser"
)

// DriveChooser does with the chooser of a service what a person does, in Chromium: it
// types, takes a job out, looks at the plan, acts, and acts again.
func DriveChooser(t *testing.T, url, token string) {
	b := openTab(t, browserFor(t))
	b.signIn(url, token)
	b.do(chromedp.Click("nav a[href='/chooser']"))
	b.until("document.querySelector('#chooser')?.dataset.ready")
	for _, s := range []struct {
		name string
		do   func(*tab)
	}{
		{"words", chooserWords},
		{"means", chooserMeans},
		{"keys", chooserKeys},
		{"empty", chooserEmpty},
		{"by hand", chooserByHand},
		{"looks", func(b *tab) { looksRight(b, url) }},
		{"acts", chooserActs},
		{"without script", func(b *tab) { withoutScript(b, url) }},
	} {
		began := time.Now()
		s.do(b)
		t.Logf("%s: %.1f s", s.name, time.Since(began).Seconds())
	}
}

// settled types a filter and waits until the matrix shows it.
func (b *tab) filter(text string) {
	b.Helper()
	value[bool](b, fmt.Sprintf(`(() => { const q = document.querySelector('#q'); q.value = %q;
		q.dispatchEvent(new Event('input', { bubbles: true })); return true; })()`, text))
	b.until(fmt.Sprintf("document.querySelector('#chooser').dataset.settled === %q", text))
}

// chooserWords: what the script says of a cost is what the server says.
func chooserWords(b *tab) {
	b.Helper()
	var bills []bill
	for _, s := range []float64{0, 1, 59, 60, 89, 599, 601, 3599, 3600, 3900, 10799, 10800, 172799, 172800, 7e6, 1e9} {
		for _, unknown := range []int{0, 1, 3} {
			bills = append(bills, bill{3, s, unknown}, bill{1, s, unknown % 2}, bill{12345, s, unknown})
		}
	}
	bills = append(bills, bill{})
	var args [][3]float64
	var want []string
	for _, x := range bills {
		args = append(args, [3]float64{float64(x.runs), x.seconds, float64(x.unknown)})
		want = append(want, x.String())
	}
	got := value[[]string](b, fmt.Sprintf("%s.map((a) => mozciChooser.bill(...a))", inJSON(b, args)))
	for i := range want {
		if got[i] != want[i] {
			b.Errorf("%+v: the script says %q, the server %q", bills[i], got[i], want[i])
		}
	}
}

// leaves checks what the form sends of a choice that was made by hand: the field, and how
// many labels are in it.
func leaves(b *tab, want string) {
	b.Helper()
	got := value[string](b, `(() => {
		const sent = new FormData(document.querySelector('#choice'));
		return ['out', 'labels'].filter((k) => sent.has(k)).map((k) => k + ' ' + sent.get(k).split('\n').length).join();
	})()`)
	if got != want {
		b.Errorf("the form sends %q, want %q", got, want)
	}
}

func inJSON(b *tab, v any) string {
	b.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// oddLabels are labels that a filter may get wrong.
var oddLabels = []string{
	"test-linux2404-64/opt-xpcshell-1", "test-linux2404-64/opt-xpcshell-12",
	"test-linux2404-64-asan/debug-xpcshell", "build-win64/opt",
	"Ubuntu VM 12.04 mozilla-inbound opt test xpcshell", " leads", "trails ", "\u00a0both\u3000", "a_b",
	"a-b", "ab", "aXbXc", "XPCSHELL", "xpcShell", "É accent", "é accent", "İstanbul", "istanbul", "straße",
	"STRASSE", "Σίσυφος", "σίσυφοσ", "a😀b", "😀", "😁", "日本語-1", "a|b", "a'b", "^a", "a$", "!a", "a\\ b",
	"a b", "tab\tin", "1", "١", "Ⅷ", "x\u0301", "K", "ſ",
}

// chooserMeans: a filter means the same in the script and on the server. Queries are made
// of pieces, and typed on, as people do, so that what the script remembers is used.
func chooserMeans(b *tab) {
	b.Helper()
	r := rand.New(rand.NewPCG(21, 5)) //nolint:gosec // a seed, so that a failure comes again
	labels := slices.Clone(oddLabels)
	for i := range 60 {
		labels = append(labels, fmt.Sprintf("test-%s/%s-%s-%d", []string{"linux64", "win64", "osx"}[i%3],
			[]string{"opt", "debug"}[i%2], []string{"xpcshell", "mochitest-plain", "Reftest"}[i%7%3], i%11))
	}
	pieces := strings.Fields("xpc xpcshell test opt debug 1 12 64 - / a ab b X XPC É é i İ ß ss Σ σ 😀 日 _ k ſ e " +
		`'a ^a a$ | ! ' ^ $ \`)
	marks := []string{"", "", "", "'", "^", "!", "!'", "!^", "'"}
	ends := []string{"", "", "", "$", "'", "\\ ", "$$"}
	var queries []string
	for range 250 {
		q := ""
		for range 1 + r.IntN(4) {
			word := marks[r.IntN(len(marks))] + pieces[r.IntN(len(pieces))]
			if r.IntN(3) == 0 {
				word += pieces[r.IntN(len(pieces))]
			}
			q += word + ends[r.IntN(len(ends))] + []string{" ", " ", "  ", " | ", "\t", ""}[r.IntN(6)]
			queries = append(queries, q)
		}
	}
	queries = append(queries, "", " ", "|", "| a", "a |", "a | | b", "'", "!", "^$", "$", `\ `, `a\ b`, "''a'", "'a'",
		"!'ab'", "^b", "^ab", "^a😀", "^a😀b", "lab", "xlab", "'b", "'ab")
	got := value[[][]int](b, fmt.Sprintf(`(() => { const of = new mozciChooser.Labels(%s);
		return %s.map((q) => [...of.match(q).entries()].filter(([, m]) => m).map(([i]) => i)); })()`,
		inJSON(b, labels), inJSON(b, queries)))
	wrong := 0
	for n, text := range queries {
		q, err := trychooser.ParseQuery(text)
		if err != nil {
			b.Fatal(err)
		}
		want := []int{}
		for i, l := range labels {
			if q.Match(l) {
				want = append(want, i)
			}
		}
		if !slices.Equal(got[n], want) {
			if wrong++; wrong < 6 {
				b.Errorf("%q: the script means %v, the server %v", text, got[n], want)
			}
		}
	}
	if wrong > 0 {
		b.Errorf("%d of %d queries differ", wrong, len(queries))
	}
}

// chooserKeys: the slash goes to the field, Escape empties it and then leaves it, and the
// matrix is one tab stop with arrows inside.
func chooserKeys(b *tab) {
	b.Helper()
	b.do(chromedp.Focus("h1"))
	b.typed("/")
	b.until("document.activeElement.id === 'q'")
	b.do(chromedp.SendKeys("#q", "'xpcshell linux !debug"))
	b.shows("4 of 72 jobs · about 1 h 10 min of machine time")
	b.until("document.querySelectorAll('#matrix tbody tr:not(.gone)').length === 1")
	b.until("[...document.querySelectorAll('#matrix thead th')].filter((e) => e.checkVisibility()).length === 2")
	b.until("document.querySelector('#say').textContent.startsWith('4 of 72 jobs')")
	b.until("location.search.includes('xpcshell') && document.title.startsWith('4 of 72 jobs')")
	b.press(kb.Escape)
	b.until("document.activeElement.id === 'q' && document.querySelector('#q').value === ''")
	b.shows("71 of 72 jobs")
	b.until("document.querySelectorAll('#matrix tbody tr:not(.gone)').length > 5")
	b.press(kb.Escape)
	b.until("document.activeElement.id !== 'q'")
	b.do(chromedp.Focus("#q"))
	b.press(kb.Tab)
	b.until("document.activeElement.matches('#matrix tbody tr:first-child input')")
	b.press(kb.ArrowRight)
	b.until("document.activeElement.matches('.cell') && document.activeElement.closest('tr').dataset.row === '0'")
	b.press(kb.ArrowDown)
	b.until("document.activeElement.matches('.cell') && document.activeElement.closest('tr').dataset.row !== '0'")
	b.press(kb.Tab)
	if !value[bool](b, "document.querySelector('#choice').contains(document.activeElement)") {
		b.Error("the matrix is more than one tab stop")
	}
}

// chooserEmpty: a filter without a hit says what comes nearest.
func chooserEmpty(b *tab) {
	b.Helper()
	b.filter("'xpchell")
	b.shows("No job matches 'xpchell. Closest: xpcshell.")
	if value[bool](b, "document.querySelector('#matrix').checkVisibility()") {
		b.Error("an empty matrix is shown")
	}
	b.do(chromedp.Click("#none a:not(.btn)"))
	b.shows("16 of 72 jobs")
	b.filter("linux nothing-is-this")
	b.do(chromedp.Click("#none a.btn"))
	b.until("document.querySelector('#q').value === ''")
	b.shows("71 of 72 jobs")
	b.filter(strings.Repeat("é", 501)) //nolint:misspell // a letter
	b.shows("The filter is longer than 1,000 bytes; shorten it")
}

// chooserByHand takes jobs out, in a cell and in a row, and puts them back.
func chooserByHand(b *tab) {
	b.Helper()
	b.filter("'xpcshell linux !debug")
	b.do(chromedp.Click("#matrix tbody tr:not(.gone) td:not(.off) .cell"))
	b.until("document.querySelector('#chunks').open")
	b.shows("xpcshell on linux2404-64/opt")
	b.do(chromedp.Click("#chunks-list li:nth-child(2) input"))
	b.do(chromedp.Click("#chunks .btn"))
	b.until("!document.querySelector('#chunks').open")
	b.shows("3 of 72 jobs")
	b.shows("1 job taken out by hand.")
	leaves(b, "out 1")
	b.until("document.querySelector('#matrix tbody tr:not(.gone) td:not(.off) .cell').textContent === '3/4'")
	row := "#matrix tbody tr:not(.gone) input"
	if !value[bool](b, "document.querySelector('"+row+"').indeterminate") {
		b.Error("the row does not say that a part is chosen")
	}
	b.do(chromedp.Click("#taken button"))
	b.shows("4 of 72 jobs")
	b.do(chromedp.Click(row))
	b.shows("0 of 72 jobs")
	b.shows("4 jobs taken out by hand.")
	leaves(b, "out 4")
	b.do(chromedp.Click("#matrix tbody tr:not(.gone) .cell[data-at='linux2404-64/opt']"))
	b.until("document.querySelector('#chunks').open")
	b.do(chromedp.Click("#chunks-list li:nth-child(2) input"))
	b.do(chromedp.Click("#chunks .btn"))
	b.until("!document.querySelector('#chunks').open")
	b.shows("1 of 72 jobs")
	leaves(b, "labels 1") // which are fewer than what was taken out
	b.do(chromedp.Click("#taken button"))
	b.shows("4 of 72 jobs")
	leaves(b, "")
	b.filter("")
	b.shows("71 of 72 jobs")
	if title := value[string](b, "document.querySelector('#over').hidden ? '' : 'over'"); title != "" {
		b.Error("71 runs are not too many")
	}
	b.do(chromedp.SetValue("#times", "8"))
	value[bool](b, "document.querySelector('#times').dispatchEvent(new Event('input'))")
	b.shows("More than 500 runs, the maximum at once.")
	b.do(chromedp.SetValue("#times", "1"))
}

// looksRight: axe finds nothing in both themes and two widths, and nothing is wider than a
// small phone, in each state of the chooser.
func looksRight(b *tab, url string) {
	b.Helper()
	axe, err := os.ReadFile(axePath())
	for name, path := range map[string]string{"empty": "/chooser?q=%27xpchell", "matrix": "/chooser?times=21"} {
		b.size(1280, 900)
		b.open(url + path)
		b.until("document.querySelector('#chooser').dataset.ready")
		chooserLooks(b, name, string(axe), err == nil)
	}
	b.open(url + "/chooser?q=xpcshell")
	b.until("document.querySelector('#chooser').dataset.ready")
	b.do(chromedp.Click("#matrix tbody tr:not(.gone) td:not(.off) .cell"))
	b.until("document.querySelector('#chunks').open")
	chooserLooks(b, "cell", string(axe), err == nil)
	b.press(kb.Escape)
	b.until("!document.querySelector('#chunks').open")
}

func chooserLooks(b *tab, name, axe string, with bool) {
	b.Helper()
	if with {
		value[any](b, axe+";1")
	}
	for _, width := range []int64{1280, 390} {
		b.size(width, 900)
		for _, theme := range []string{"light", "dark"} {
			b.media("prefers-color-scheme="+theme, "prefers-reduced-motion=reduce")
			// Of the smaller screens one theme in each width is enough: a check takes its time.
			whole := name == "matrix" || name == "plan" || (width == 1280) == (theme == "light")
			if with && whole {
				check(b, fmt.Sprintf("chooser %s %s %d", name, theme, width), theme == "light")
			}
			if folder := os.Getenv("MOZCI_PICTURES"); folder != "" {
				b.picture(folder, fmt.Sprintf("chooser-%s-%s-%d", name, theme, width))
			}
		}
	}
	for _, width := range []int64{320, 390, 700, 1280} {
		b.size(width, 900)
		if wide := value[int](b, "document.documentElement.scrollWidth"); wide > int(width) {
			b.Errorf("chooser %s at %d is %d wide: %s", name, width, wide, value[string](b, widest))
		}
	}
	if n := value[int](b, "document.querySelectorAll('[style]').length"); n > 0 {
		b.Errorf("chooser %s: %d style attributes", name, n)
	}
}

// chooserActs goes from the filter to the runs, and sends the same again.
func chooserActs(b *tab) {
	b.Helper()
	b.size(1280, 900)
	b.do(chromedp.Navigate(value[string](b, "location.origin + '/chooser'")))
	b.until("document.querySelector('#chooser').dataset.ready")
	b.filter("'xpcshell linux !debug")
	b.do(chromedp.Click("#matrix tbody tr:not(.gone) td:not(.off) .cell"))
	b.do(chromedp.Click("#chunks-list li:nth-child(2) input"), chromedp.Click("#chunks .btn"))
	b.shows("3 of 72 jobs")
	b.do(chromedp.Click("#show-plan"))
	b.shows("mozci would trigger 3 runs on push 3")
	axe, err := os.ReadFile(axePath())
	chooserLooks(b, "plan", string(axe), err == nil)
	b.size(1280, 900)
	b.do(chromedp.Click("#main-act"))
	b.shows("3 runs triggered")
	chooserLooks(b, "acted", string(axe), err == nil)
	b.size(1280, 900)
	value[bool](b, "(history.back(), true)")
	b.shows("mozci would trigger 3 runs on push 3")
	b.do(chromedp.Click("#main-act"))
	b.shows("Nothing new: 3 runs were triggered before")
}

// withoutScript: the same is there, and works.
func withoutScript(b *tab, url string) {
	b.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled,
			emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	b.open(url + "/chooser")
	b.do(chromedp.SendKeys("#q", "'xpcshell linux !debug"), chromedp.Click("#filter .btn"))
	b.shows("4 of 72 jobs")
	b.do(chromedp.Click("#jobs li:nth-child(2) input"), chromedp.Click("#show-plan"))
	b.shows("Nothing is missing on push 3")
	if value[int](b, "document.querySelectorAll('.labels li').length") != 3 {
		b.Error("the box that was emptied counts")
	}
}

// A suite that has no row of its own, and jobs of two kinds, has them in the rows of both.
func TestLineOfManyNames(t *testing.T) {
	l := newLine(6)
	for i := range 7 {
		l.count(fmt.Sprint("suite", i), "tests")
		l.count(fmt.Sprint("suite", i), "measurements")
	}
	l.settle()
	for _, other := range []string{"tests", "measurements"} {
		if at := l.at("suite6", other); l.names[at] != other {
			t.Errorf("one of the %s is in the row %q", other, l.names[at])
		}
	}
	if at := l.at("suite0", "tests"); l.names[at] != "suite0" || len(l.names) != 3 {
		t.Errorf("the rows are %q", l.names)
	}
}
