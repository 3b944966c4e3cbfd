package server

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/mozci/mozci/internal/testing/testenv"
)

// chromium is a browser that runs.
type chromium struct{ ctx context.Context }

// browserFor starts Chromium, with a profile of its own that goes when the test ends. One
// is enough for many tests: each has a tab.
func browserFor(t *testing.T) chromium {
	t.Helper()
	path := testenv.Program(t, "chromium", "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("hide-scrollbars", true),
		chromedp.WSURLReadTimeout(5*time.Minute))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeIt := chromedp.NewContext(ctx)
	t.Cleanup(closeIt)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	return chromium{ctx}
}

// tab is a tab with storage of its own. Whatever it writes to its console as an error, and
// every breach of the policy, fails the test.
type tab struct {
	testing.TB
	ctx context.Context
}

func openTab(t *testing.T, browser chromium) *tab {
	t.Helper()
	ctx, closeIt := chromedp.NewContext(browser.ctx, chromedp.WithNewBrowserContext())
	ctx, stop := context.WithTimeout(ctx, 14*time.Minute) // of a test that hangs
	messages := chromedp.Console(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for m, err := range messages {
			if err != nil {
				return
			}
			if (m.IsException() || m.Type == "error" || m.Type == "warning") && !expected(m.Text) {
				t.Errorf("the console says: %s (%s:%d)", m, m.URL, m.Line)
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		closeIt()
		<-ended
	})
	b := &tab{t, ctx}
	b.size(1280, 900)
	return b
}

// expected are messages of the browser itself about what a test does on purpose.
func expected(text string) bool {
	return strings.Contains(text, "Failed to load resource") || strings.Contains(text, "net::ERR_")
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

func (b *tab) open(url string) {
	b.Helper()
	b.do(chromedp.Navigate(url))
}

// value is what an expression gives.
func value[T any](b *tab, js string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		b.Fatalf("%s: %v", js, err)
	}
	return v
}

// until waits until an expression is true; it survives another page being loaded.
func (b *tab) until(js string) {
	b.Helper()
	last := ""
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+js+")"))
		if ok {
			return
		}
		if last = ""; err != nil {
			last = err.Error()
		}
	}
	b.Fatalf("it never came to be: %s\n%s\n%s", js, last, value[string](b, "document.body.innerText.slice(0, 1500)"))
}

// shows waits until the page shows a text.
func (b *tab) shows(text string) {
	b.Helper()
	b.until(fmt.Sprintf("document.body && document.body.innerText.includes(%q)", text))
}

func (b *tab) size(width, height int64) {
	b.Helper()
	b.do(chromedp.EmulateViewport(width, height))
	b.until(fmt.Sprintf("innerWidth === %d && innerHeight === %d", width, height))
}

// media sets what people set in their system, such as prefers-color-scheme=dark.
func (b *tab) media(features ...string) {
	b.Helper()
	p := emulation.SetEmulatedMediaParams{}
	for _, f := range features {
		name, v, _ := strings.Cut(f, "=")
		p.Features = append(p.Features, &emulation.MediaFeature{Name: name, Value: v})
	}
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, p)
		return err
	}))
}

func (b *tab) press(keys string) {
	b.Helper()
	b.do(chromedp.KeyEvent(keys))
}

// typed presses one key as a keyboard does: what the page does with it can keep it from
// being written into a field.
func (b *tab) typed(key string) {
	b.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, p := range []input.DispatchKeyEventParams{
			{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Text: key},
			{Type: input.DispatchKeyEventTypeKeyUp, Key: key},
		} {
			if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, p); err != nil {
				return err
			}
		}
		return nil
	}))
}

// picture writes what the tab shows, in full, into a folder.
func (b *tab) picture(folder, name string) {
	b.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// screensOf are the addresses of all screens with the story in every state.
func screensOf() map[string]string {
	out := map[string]string{
		"start": "/", "start-error": "/backfill?link=https://nowhere.example.org/", "history": "/backfills",
		"history-none": "/backfills?label=xpchell", "nowhere": "/nothing/here",
		"robot": "/autopilot", "robot-quiet": "/autopilot/2026-11-20",
		"plan": "/backfill?repo=autoland&selectedTaskRun=T190426.0", "long-all": "/backfills/b7Q2long?rows=all",
	}
	for _, b := range everyState() {
		out["state-"+strings.TrimPrefix(b.ID, "b7Q2")] = "/backfills/" + b.ID
	}
	return out
}

// TestPictures writes pictures of all screens, to be looked at, into the folder that
// MOZCI_PICTURES names.
func TestPictures(t *testing.T) {
	folder := os.Getenv("MOZCI_PICTURES")
	if folder == "" {
		t.Skip("MOZCI_PICTURES names no folder")
	}
	only := os.Getenv("MOZCI_PICTURE")
	s := httptest.NewServer(pageOf(t, newFake(everyState()...), hazel, nil))
	t.Cleanup(s.Close)
	b := openTab(t, browserFor(t))
	for name, path := range screensOf() {
		if only != "" && !strings.Contains(name, only) {
			continue
		}
		for _, theme := range []string{"light", "dark"} {
			b.media("prefers-color-scheme="+theme, "prefers-reduced-motion=reduce")
			for _, width := range []int64{1280, 390} {
				b.size(width, 900)
				b.open(s.URL + path)
				b.picture(folder, fmt.Sprintf("%s-%s-%d", name, theme, width))
			}
		}
	}
}
