package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/mozci/mozci/backfill/server"
	"github.com/mozci/mozci/internal/testing/testenv"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/link"
)

const (
	pageLabels = 20_000
	pageMost   = 16 // maximum milliseconds for a key press: one frame
)

// pageQueries are typed and deleted again key by key. Among them are what people really type, and
// words that match most labels, some, and none.
var pageQueries = []string{
	"xpcshell linux !debug", "'mochitest-browser ^test-windows 1$", "wpt | reftest mac opt",
	"test-", "e", "xpchell", "browsertime tp6 firefox shippable", "!test !build",
}

// pageTimes is what one load of the page measured, in milliseconds.
type pageTimes struct {
	Keys    []float64 `json:"keys"`    // each key press: handler and layout
	Bare    []float64 `json:"bare"`    // each key press: a loop of includes() over the labels
	Settled []float64 `json:"settled"` // until the last cell was updated
	Rows    int       `json:"rows"`
	Cells   int       `json:"cells"`
	Wrong   string    `json:"wrong"`
}

// pageScript types the queries into the filter and measures. It changes the field and sends the
// event that a key press sends; then it forces the layout, which the browser would do before the
// next frame.
const pageScript = `(async (queries) => {
	const box = document.querySelector('#chooser'), field = document.querySelector('#q');
	const out = { keys: [], bare: [], settled: [], wrong: '' };
	const frame = () => new Promise((done) => requestAnimationFrame(done));
	while (!box.dataset.ready || box.dataset.settled === undefined) await frame();
	out.rows = document.querySelectorAll('#matrix tbody tr').length;
	out.cells = document.querySelectorAll('#matrix .cell').length;
	const labels = (await (await fetch(box.dataset.jobs)).json()).labels;
	const steps = [];
	for (const q of queries) {
		for (let n = 1; n <= q.length; n++) steps.push(q.slice(0, n));
		for (let n = q.length - 1; n >= 0; n--) steps.push(q.slice(0, n));
	}
	let fit = 0;
	for (const text of steps) {
		const word = text.replace(/[^a-z0-9-]/g, '').slice(-8);
		let began = performance.now();
		for (const l of labels) if (l.includes(word)) fit++;
		out.bare.push(performance.now() - began);
		await frame();
		began = performance.now();
		field.value = text;
		field.dispatchEvent(new Event('input', { bubbles: true }));
		document.documentElement.offsetHeight;
		out.keys.push(performance.now() - began);
		while (box.dataset.settled !== text) await frame();
		out.settled.push(performance.now() - began);
		const said = document.querySelector('#sum').textContent;
		if (!said.includes(' jobs')) out.wrong = text + ': ' + said;
	}
	if (!fit) out.wrong = 'the bare loop found nothing';
	return JSON.stringify(out);
})`

// chooserPage measures key presses in the filter of the chooser's page, with 20,000 labels in
// Chromium: the script, and the layout of what it changed.
func chooserPage(t *testing.T, quick bool) {
	path := testenv.Program(t, "chromium", "chromium")
	ci := fixedCatalog(pageLabels)
	s, err := server.New(ci, server.NewMemory(nil), &server.Options{Door: server.DoorOptions{
		OpenReads: true, Reads: server.Rate{PerMinute: -1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(s.Handler())
	defer site.Close()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.DisableGPU)
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	ctx, closeIt := chromedp.NewContext(ctx)
	defer closeIt()
	rounds := 5
	if quick {
		rounds = 3
	}
	queries, err := json.Marshal(pageQueries)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\ntrychooser: the filter of the page, %d labels, %d queries typed and taken away key by key in "+
		"Chromium, %d loads of\nthe page; milliseconds of a key: the script and the layout of what can be seen, and "+
		"until every cell is up to date,\nwhich comes in slices between the frames; and of a bare loop of "+
		"includes() over the labels in the same page\n\n", pageLabels, len(pageQueries), rounds)
	fmt.Println("load    keys     p50     p95     max   settled p95   bare p50   bare p95   p95 / bare p95")
	var worst, busy, best []float64
	var rows, cells int
	for n := range rounds {
		m := pageLoad(ctx, t, site.URL+"/chooser?repo=try", string(queries))
		if m.Wrong != "" {
			t.Error(m.Wrong)
		}
		rows, cells = m.Rows, m.Cells
		p95, bare := nth(m.Keys, 0.95), nth(m.Bare, 0.95)
		worst, busy = append(worst, p95), append(busy, bare/max(nth(m.Bare, 0.5), 0.1))
		for i, took := range m.Keys {
			if n == 0 {
				best = append(best, took)
			}
			best[i] = min(best[i], took)
		}
		fmt.Printf("%4d %7d %7.1f %7.1f %7.1f %13.1f %10.1f %10.1f %16.1f\n", n+1, len(m.Keys), nth(m.Keys, 0.5),
			p95, nth(m.Keys, 1), nth(m.Settled, 0.95), nth(m.Bare, 0.5), bare, p95/max(bare, 0.1))
	}
	middle, calm := nth(worst, 0.5), nth(best, 0.95)
	fmt.Printf("\nThe matrix has %d rows and %d cells. Must: the p95 of a key below %d ms, in the load in the middle: "+
		"%.1f ms.\nWhere the bare loop's p95 is above three times its p50, the machine is busy with other things, and "+
		"each key counts\nas in its best load: p95 %.1f ms.\n", rows, cells, pageMost, middle, calm)
	if nth(busy, 0.5) > 3 {
		middle = calm
	}
	if middle >= pageMost || cells < 5000 {
		t.Errorf("a key takes %.1f ms with %d cells", middle, cells)
	}
}

// pageLoad loads the page and types the queries.
func pageLoad(ctx context.Context, t *testing.T, url, queries string) (m pageTimes) {
	t.Helper()
	tab, closeIt := chromedp.NewContext(ctx)
	defer closeIt()
	tab, stop := context.WithTimeout(tab, 2*time.Minute)
	defer stop()
	if err := chromedp.Do(tab, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	text, err := chromedp.Run(tab, chromedp.Evaluate[string](pageScript+"("+queries+")", chromedp.EvalAwaitPromise))
	if err == nil {
		err = json.Unmarshal([]byte(text), &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// nth is the value below which a share part of the values lies.
func nth(of []float64, part float64) float64 {
	of = slices.Clone(of)
	slices.Sort(of)
	return of[min(int(part*float64(len(of))), len(of)-1)]
}

// catalogCI is a CI with one push and a large catalog, on which nothing ran. It also implements the
// places of a service.
type catalogCI struct {
	entries []job.Runnable
	repo    job.Repository
}

// fixedCatalog makes n labels: 400 suites with their chunks on 60 platforms, each of which runs
// some of the suites, and builds.
func fixedCatalog(n int) *catalogCI {
	var platforms, suites []string
	for _, p := range strings.Fields("linux2404-64 linux2204-32 windows11-64-24h2 windows11-32 windows10-64-2009 " +
		"macosx1500-aarch64 macosx1470-64 android-em-14-x86_64 android-hw-a55-14-0 " +
		"android-hw-p6-13-0") {
		for _, v := range []string{"", "-asan", "-tsan", "-ccov", "-shippable", "-qr"} {
			platforms = append(platforms, p+v)
		}
	}
	for _, s := range strings.Fields("xpcshell mochitest-browser-chrome mochitest-plain mochitest-devtools-chrome " +
		"mochitest-media mochitest-webgl1-core reftest crashtest jsreftest web-platform-tests " +
		"web-platform-tests-reftest web-platform-tests-wdspec web-platform-tests-crashtest " +
		"cppunittest gtest marionette firefox-ui-functional telemetry-tests-client talos-g1 " +
		"browsertime-tp6-firefox browsertime-benchmark-speedometer awsy-base junit " +
		"mochitest-chrome mochitest-a11y") {
		for _, v := range strings.Fields("- -nofis -spi-nw -swr -http3 -headless -socketprocess_networking -gpu " +
			"-async-event-dispatching -msix -1proc -fis-xorig -trainhop -no-bfcache -inc-origin-init " +
			"-vtf") {
			suites = append(suites, s+strings.TrimSuffix(v, "-"))
		}
	}
	ci := &catalogCI{repo: job.NewList("try", []job.Push{{
		Repo: "try", ID: 1, Revision: strings.Repeat("ab", 20), Time: time.Unix(1.7e9, 0).UTC(),
	}})}
	types := []string{"opt", "debug"}
	for i := 0; len(ci.entries) < n; i++ {
		platform, t := platforms[i%len(platforms)], types[i/len(platforms)%2]
		suite := suites[(i*7919+i/len(platforms))%len(suites)]
		build := "build-" + platform + "/" + t
		if i < 2*len(platforms) {
			e := job.Runnable{Label: build, Kind: job.KindBuild}
			e.Parts = job.Parts{BuildType: t, Platform: platform}
			ci.entries = append(ci.entries, e)
		}
		for chunk := 1; chunk <= 1+i%5 && len(ci.entries) < n; chunk++ {
			e := job.Runnable{Label: fmt.Sprintf("test-%s/%s-%s-%d", platform, t, suite, chunk), Kind: job.KindTest}
			e.Parts = job.Parts{BuildType: t, Platform: platform, TestPlatform: platform, Suite: suite, Chunk: chunk}
			ci.entries = append(ci.entries, e)
		}
	}
	seen := map[string]bool{}
	ci.entries = slices.DeleteFunc(ci.entries, func(e job.Runnable) bool {
		was := seen[e.Label]
		seen[e.Label] = true
		return was
	})
	return ci
}

// Jobs implements job.Scheduler.
func (c *catalogCI) Jobs(context.Context, job.Push, ...string) ([]job.Job, error) { return nil, nil }

// Trigger implements job.Scheduler.
func (c *catalogCI) Trigger(_ context.Context, r job.Request) (job.Receipt, error) {
	return job.Receipt{}, job.Wrap("trigger", r.Label, job.ErrRefused)
}

// Catalog implements job.Cataloger.
func (c *catalogCI) Catalog(_ context.Context, _ job.Push, labels ...string) ([]job.Runnable, error) {
	return job.OfLabels(c.entries, labels...), nil
}

// Open implements server.Places.
func (c *catalogCI) Open(context.Context, string) (server.Place, error) {
	return server.Place{Project: "try", Repo: c.repo, CI: c}, nil
}

// Locate implements server.Places.
func (c *catalogCI) Locate(context.Context, server.Named) (server.Located, error) {
	return server.Located{}, job.ErrNotFound
}

// Deployments implements server.Places.
func (c *catalogCI) Deployments() link.Deployments { return link.Deployments{} }
