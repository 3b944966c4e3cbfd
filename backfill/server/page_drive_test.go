package server

import (
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// Drive does with the page of a service what a person does, in Chromium: it signs in,
// looks at the plan for a label and a revision, acts, and sees the grid fill until the
// heading has the answer. It then looks into the history, and signs out.
func Drive(t *testing.T, url, token, label, revision, answer string) {
	b := openTab(t, browserFor(t))
	b.signIn(url, token)
	b.do(
		chromedp.Click(".hero details:first-of-type summary"),
		chromedp.SendKeys("[name=label]", label), chromedp.SendKeys("[name=revision]", revision),
		chromedp.Click("#start .btn.main"),
	)
	b.shows("mozci would trigger")
	b.do(chromedp.Click("#main-act"))
	b.until("location.pathname.startsWith('/backfills/b')")
	b.until(fmt.Sprintf("document.querySelector('#sum').textContent.startsWith(%q)", answer))
	b.until("document.querySelector('.grid tr.hit .tag')?.textContent === 'culprit'")
	b.until("document.querySelectorAll('.grid .r.mine.pass, .grid .r.mine.fail').length > 2")
	b.until("!document.querySelector('#pause')")
	heading := value[string](b, "document.querySelector('#sum').textContent")
	b.do(chromedp.Reload())
	if again := value[string](b, "document.querySelector('#sum').textContent"); again != heading {
		t.Errorf("loaded again it says %q, not %q", again, heading)
	}
	if json := value[string](b, "document.querySelector('#foot a[href^=\"/v1/\"]').getAttribute('href')"); json == "" {
		t.Error("there is no JSON of it")
	}
	b.open(url + "/backfills")
	b.shows(heading)
	if rows := value[int](b, "document.querySelectorAll('.history tbody tr').length"); rows != 1 {
		t.Errorf("the history has %d rows", rows)
	}
	b.do(chromedp.Click(".me .lnk"))
	b.until("location.pathname === '/' && document.querySelector('.signin summary')")
	b.shows("Which push broke this job?")
	if value[int](b, "document.querySelectorAll('.recent a').length") != 1 {
		t.Error("the start does not show what was done")
	}
}

func (b *tab) signIn(url, token string) {
	b.Helper()
	b.open(url)
	b.do(chromedp.Click(".signin summary"), chromedp.SendKeys("#token", token), chromedp.Click(".signin .btn"))
	b.until("document.querySelector('.me .name')?.textContent === 'hazel'")
}

// PictureOf writes a picture of a backfill's page for people who have not seen it, once
// it shows a text.
func PictureOf(t *testing.T, address, text, file string) {
	b := openTab(t, browserFor(t))
	b.media("prefers-color-scheme=light", "prefers-reduced-motion=reduce")
	b.size(1280, 900)
	b.open(address)
	b.shows(text)
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(file, png, 0o644) //nolint:gosec // it is to be seen
	}
	if err != nil {
		t.Fatal(err)
	}
}
