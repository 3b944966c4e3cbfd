package server

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// DriveChooser does with the chooser of a service what a person does.
func DriveChooser(t *testing.T, url, token string) {
	b := openTab(t, browserFor(t))
	b.signIn(url, token)
	b.do(chromedp.Click("nav a[href='/chooser']"))
	b.until("document.querySelector('#chooser')?.dataset.ready")
	b.picture("/tmp/wt/scratch-page", "start")
	b.do(chromedp.SendKeys("#q", "'xpcshell linux !debug"))
	b.shows("4 of 71 jobs")
	b.picture("/tmp/wt/scratch-page", "filtered")
	b.size(390, 900)
	b.picture("/tmp/wt/scratch-page", "filtered390")
	b.size(1280, 900)
	b.do(chromedp.Click("#show-plan"))
	b.shows("mozci would trigger")
	b.picture("/tmp/wt/scratch-page", "plan")
	b.do(chromedp.Click("#main-act"))
	b.shows("triggered")
	b.picture("/tmp/wt/scratch-page", "acted")
}
