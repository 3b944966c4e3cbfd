package server

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/job"
)

// The pages for people. This file has the routes, the frame of every screen, and the screens for
// errors. Each of the others has its own file: pageform.go (the start), pageone.go (a backfill,
// whose parts are in pageview.go, pagegrid.go, pageplan.go and pageacts.go), pagestream.go (its
// changes), pagehistory.go, pageday.go (the autopilot), pagechooser.go and pagechosen.go.
//
// A handler turns what it has read into a view, a struct of texts that are ready to be shown, and a
// template writes it. html/template escapes every text. Before that, what comes from a CI or a
// person goes through plain, brief or outside, against control characters, great lengths and
// dangerous links.

// pageOptions configure the page. All of them are optional.
type pageOptions struct {
	// Root is the service's public address, such as https://backfill.example.org, for links in
	// texts that leave the page. Default: the address that the browser used.
	Root string
	// Example is a link to a job, which the start page offers to people who want to try mozci.
	Example string
	// Robot is the autopilot that the page shows; nil for none.
	Robot Robotics
	// SignIn says that people can sign in: POST /signin with the fields token and next.
	SignIn bool
	// Chooser lets people choose among all jobs that can run on a push; nil for none.
	Chooser *chooser
	// Done is closed when the service ends, and then the streams end.
	Done <-chan struct{}
	Log  *slog.Logger // default: discards
}

// page serves what people read: the HTML, and the files that belong to it. parts keeps rendered
// screens for the streams, see render; nothing else changes after newPage.
type page struct {
	backend backend
	who     func(*http.Request) (Caller, bool)
	o       pageOptions
	files   *assets
	screens screens
	parts   *flight.Cache[partKey, *rendered]
}

// newPage makes the page. who returns who sent a request, and false for a request without credentials.
func newPage(b backend, who func(*http.Request) (Caller, bool), o *pageOptions) *page {
	p := &page{backend: b, who: who, files: loadAssets(), parts: flight.New[partKey, *rendered](mostParts)}
	if o != nil {
		p.o = *o
	}
	if p.o.Log == nil {
		p.o.Log = slog.New(slog.DiscardHandler)
	}
	p.screens = loadScreens(p.files)
	return p
}

// register adds the page's routes to mux. They act only on POST. The page relies on the Door in
// front of it to refuse forms of other sites and to set the Content-Security-Policy.
func (p *page) register(mux *http.ServeMux) {
	// {$} matches only "/"; a pattern without it would take every address.
	mux.HandleFunc("GET /{$}", p.start)
	mux.HandleFunc("GET /backfill", p.preview)
	mux.HandleFunc("GET /backfills", p.history)
	mux.HandleFunc("POST /backfills", p.act)
	mux.HandleFunc("GET /backfills/{id}", p.one)
	mux.HandleFunc("GET /backfills/{id}/stream", p.stream)
	mux.HandleFunc("GET /backfills/{id}/bug", p.bug)
	mux.HandleFunc("POST /backfills/{id}/cancel", p.cancel)
	mux.HandleFunc("GET /autopilot", p.day)
	mux.HandleFunc("GET /autopilot/{day}", p.day)
	mux.HandleFunc("POST /autopilot/stop", p.robotStop)
	mux.HandleFunc("POST /autopilot/start", p.robotStart)
	mux.HandleFunc("POST /autopilot/optout", p.robotOptOut)
	mux.HandleFunc("POST /autopilot/cases/{key}/wrong", p.robotWrong)
	if p.o.Chooser != nil {
		mux.HandleFunc("GET /chooser", p.choose)
		mux.HandleFunc("POST /chooser", p.chosen)
		mux.HandleFunc("GET /chooser/jobs", p.chooserData)
		mux.HandleFunc("GET /chooser/try_task_config.json", p.chooserJSON)
		mux.HandleFunc("GET /chooser/try-syntax", p.chooserSyntax)
	}
	mux.HandleFunc("GET /page/{file}", p.files.serve)
	mux.HandleFunc("/", p.nowhere)
}

// frame is what all screens have in common; Body is the screen's own data.
type frame struct {
	Title string // of the window, the most important word first
	Nav   string // which entry of the navigation to mark
	Me    string // the caller who is signed in; empty for none
	// Here is the path to return to after signing in.
	Here   string
	SignIn bool
	// Autopilot and Chooser say whether the service has them.
	Autopilot, Chooser bool
	Body               any
}

// frame fills in what does not depend on the screen. After signing in a form is not sent again: the
// person returns to the start.
func (p *page) frame(r *http.Request, title, nav string, body any) frame {
	f := frame{Title: title, Nav: nav, Body: body, SignIn: p.o.SignIn, Here: "/"}
	f.Autopilot, f.Chooser = p.o.Robot != nil, p.o.Chooser != nil
	if r.Method == http.MethodGet {
		f.Here = r.URL.RequestURI()
	}
	if c, ok := p.who(r); ok {
		f.Me = plain(c.Name)
	}
	return f
}

// show writes a screen. It builds all of it before it sends anything, so that a fault in a template
// gives an error page and not half a screen.
func (p *page) show(w http.ResponseWriter, r *http.Request, code int, screen string, f frame) {
	var out bytes.Buffer
	if err := p.screens[screen].ExecuteTemplate(&out, "layout", f); err != nil {
		p.o.Log.ErrorContext(r.Context(), "a screen could not be made", "screen", screen, "error", err)
		http.Error(w, "mozci could not make this page. Tell the administrator: the log has the reason.",
			http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-cache")
	w.WriteHeader(code)
	_, _ = w.Write(out.Bytes()) // an error here means that the browser went away
}

// trouble is the screen that shows an error.
type trouble struct {
	Heading string
	Text    string // what is wrong
	Todo    string // what to do about it
	SignIn  bool
}

// fail shows an error as a screen.
func (p *page) fail(w http.ResponseWriter, r *http.Request, err error) {
	code, t := p.troubleIn(r, err)
	t.SignIn = t.SignIn && p.o.SignIn
	p.show(w, r, code, "trouble", p.frame(r, t.Heading+" · mozci", "", t))
}

// troubleIn is troubleOf for the error of a request. It also logs errors that are this service's
// fault.
func (p *page) troubleIn(r *http.Request, err error) (int, trouble) {
	code, t := troubleOf(err)
	if code >= http.StatusInternalServerError {
		p.o.Log.ErrorContext(r.Context(), "a request failed", "path", r.URL.Path, "error", err)
	}
	return code, t
}

// troubleOf turns an error into a status and a screen. For errors of this service the screen does
// not show the text: that is only in the log.
func troubleOf(err error) (int, trouble) {
	code, reason := statusOf(err)
	return code, troubleWith(code, reason, full(errorText(err)))
}

// troubleWith makes the screen for a status, a reason in one word and a message. Statuses that it
// does not know, such as 400, are for the person to correct.
func troubleWith(code int, reason, message string) trouble {
	t := trouble{Heading: "mozci cannot do this yet", Text: message, Todo: "Go back and correct it."}
	switch code {
	case http.StatusNotFound:
		t.Heading, t.Todo = "Not found", "Look for it in the history, or start from the link of the failing job."
	case http.StatusUnauthorized:
		t.Heading, t.Todo, t.SignIn = "Sign in first", "Then try again.", true
		if reason == "no_credentials" {
			t.Text = "mozci shows and does this only for people who have signed in."
		}
	case http.StatusForbidden:
		t.Heading, t.SignIn = "You may not do this", true
		t.Todo = "Sign in with credentials that have the missing scopes, then try again."
	case http.StatusUnprocessableEntity, http.StatusConflict:
		t.Heading, t.Todo = "Nothing was triggered", "Start from another failure of the same job."
	case http.StatusTooManyRequests:
		t.Heading, t.Todo = "Too many requests", "Wait a moment, then try again. Backfills that are under way go on."
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		t.Heading, t.Todo = "A service did not answer", "Try again in a minute. Backfills that are under way go on."
	case http.StatusMethodNotAllowed:
		t.Heading, t.Todo = "This page works differently", "Start from the link of the failing job."
	}
	// A status above 504 is as much a fault of this service as 500.
	if code == http.StatusInternalServerError || code > http.StatusGatewayTimeout {
		t.Heading, t.Text = "mozci failed", "An error of this service stopped the request."
		t.Todo = "Try again. If it happens again, tell the administrator the time: the log has the reason."
	}
	return t
}

// refused shows a person that the door did not let a request through.
func (p *page) refused(w http.ResponseWriter, r *http.Request, status int, reason, message string) {
	t := troubleWith(status, reason, plain(message))
	t.SignIn = t.SignIn && p.o.SignIn
	p.show(w, r, status, "trouble", p.frame(r, t.Heading+" · mozci", "", t))
}

// nowhere answers addresses that have no screen.
func (p *page) nowhere(w http.ResponseWriter, r *http.Request) {
	t := troubleWith(http.StatusNotFound, "", "mozci has nothing at "+plain(clip.Marked(r.URL.Path, 200))+".")
	t.Heading = "There is no such page"
	p.show(w, r, http.StatusNotFound, "trouble", p.frame(r, t.Heading+" · mozci", "", t))
}

// caller returns who acts. It shows an error when the request has no caller.
func (p *page) caller(w http.ResponseWriter, r *http.Request) (Caller, bool) {
	c, ok := p.who(r)
	if !ok {
		p.fail(w, r, ErrNoCredentials)
	}
	return c, ok
}

// hostName matches a Host header that may go into a link: mozci.example:8787 and [::1]:8787 do, and
// one with a quotation mark does not.
var hostName = regexp.MustCompile(`^[A-Za-z0-9._\[\]:-]{1,255}$`)

// root is the service's address without a slash at its end; empty when it is not known.
func (p *page) root(r *http.Request) string {
	if p.o.Root != "" {
		return p.o.Root
	}
	if !hostName.MatchString(r.Host) {
		return ""
	}
	scheme := "http"
	// Anybody can send this header, so it decides only how a link in a text begins.
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// outside makes a link safe to follow: only http, https, and paths of this service are kept. A CI's
// answer may contain any text, such as javascript:…; then there is no link.
//
//	/backfills/b7         stays
//	https://h.example/x   stays
//	//evil.example        → ""   (a browser takes it for another host)
//	/\evil.example        → ""   (so does it with this)
//	https://u:p@h.example → ""
func outside(t Text) string {
	s := string(t)
	u, err := url.Parse(s)
	switch {
	case err != nil, len(s) > 4000, u.User != nil, plain(s) != s:
		return ""
	case u.Scheme == "" && u.Host == "" && len(s) > 0 && s[0] == '/' && (len(s) == 1 || s[1] != '/' && s[1] != '\\'):
		return s
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return s
	}
	return ""
}

// plain is a CI's text with its control characters made visible.
func plain[T ~string](s T) string { return job.Visible(string(s)) }

// brief is plain, cut to a maximum number of bytes. What was cut off is marked with "…".
func brief[T ~string](s T, most int) string { return job.Visible(clip.Marked(string(s), most)) }

// first is the first of a list; the zero value when it is empty.
func first[T any](list []T) (zero T) {
	if len(list) == 0 {
		return zero
	}
	return list[0]
}
