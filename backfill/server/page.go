package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"

	"github.com/mozci/mozci/internal/clip"
	"github.com/mozci/mozci/job"
)

// pageOptions are what the page can be told. All may be left out.
type pageOptions struct {
	// Root is the address of the service as people reach it, such as
	// https://backfill.example.org, for links that leave it. Default: what the browser
	// asked for.
	Root string
	// Example is a link of a job for people who want to see what it is like.
	Example string
	// SignIn says that people can sign in, by POST /signin with token and next.
	SignIn bool
	// Done ends the streams when the service is to end.
	Done <-chan struct{}
	Log  *slog.Logger // default: discards
}

// page serves everything that people read: HTML and what belongs to it.
type page struct {
	backend backend
	who     func(*http.Request) (Caller, bool)
	o       pageOptions
	files   *assets
	screens screens
	parts   partCache
}

// servePages registers the page on a mux. who tells whose a request is, and whether it is
// anybody's. The page acts only by POST; whoever serves it keeps other sites' forms away,
// and asks browsers to run and to show nothing but what comes from here.
func servePages(mux *http.ServeMux, b backend, who func(*http.Request) (Caller, bool), o *pageOptions) {
	p := &page{backend: b, who: who, files: loadAssets()}
	if o != nil {
		p.o = *o
	}
	if p.o.Log == nil {
		p.o.Log = slog.New(slog.DiscardHandler)
	}
	p.screens = loadScreens(p.files)
	mux.HandleFunc("GET /{$}", p.start)
	mux.HandleFunc("GET /backfill", p.preview)
	mux.HandleFunc("GET /backfills", p.history)
	mux.HandleFunc("POST /backfills", p.act)
	mux.HandleFunc("GET /backfills/{id}", p.one)
	mux.HandleFunc("GET /backfills/{id}/stream", p.stream)
	mux.HandleFunc("GET /backfills/{id}/bug", p.bug)
	mux.HandleFunc("POST /backfills/{id}/cancel", p.cancel)
	mux.HandleFunc("GET /page/{file}", p.files.serve)
	mux.HandleFunc("/", p.nowhere)
}

// frame is what every screen has around what it shows.
type frame struct {
	Title string // of the window: what is most important first
	Nav   string // which entry of the navigation is this one
	Me    string // who is signed in; empty for nobody
	// Here is where the browser is to be after signing in.
	Here   string
	SignIn bool
	// Autopilot says that there is one.

	Autopilot bool
	Body      any
}

func (p *page) frame(r *http.Request, title, nav string, body any) frame {
	f := frame{Title: title, Nav: nav, Body: body, SignIn: p.o.SignIn, Here: "/"}
	if r.Method == http.MethodGet {
		f.Here = r.URL.RequestURI()
	}
	if c, ok := p.who(r); ok {
		f.Me = plain(c.Name)
	}
	return f
}

// show writes a screen. It is made in full before anything is sent, so that a fault in it
// is an error page and not half a screen.
func (p *page) show(w http.ResponseWriter, r *http.Request, code int, screen string, f frame) {
	var out bytes.Buffer
	if err := p.screens[screen].ExecuteTemplate(&out, "layout", f); err != nil {
		p.o.Log.ErrorContext(r.Context(), "a screen could not be made", "screen", screen, "error", err)
		http.Error(w, "mozci could not make this page. The administrator finds the reason in the log.",
			http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-cache")
	w.WriteHeader(code)
	_, _ = w.Write(out.Bytes()) // a browser that went away is not our fault
}

// trouble is the screen of an error.
type trouble struct {
	Heading string
	Text    string // what is wrong
	Todo    string // what to do about it
	SignIn  bool
}

// fail shows an error as a screen, with what to do.
func (p *page) fail(w http.ResponseWriter, r *http.Request, err error) {
	code, t := troubleOf(err)
	if code >= http.StatusInternalServerError {
		p.o.Log.ErrorContext(r.Context(), "a request failed", "path", r.URL.Path, "error", err)
	}
	if _, ok := p.who(r); ok || !p.o.SignIn {
		t.SignIn = false
	}
	p.show(w, r, code, "trouble", p.frame(r, t.Heading+" · mozci", "", t))
}

// troubleOf says of an error what it is, and what to do. What went wrong inside is told to
// the log, not to people.
func troubleOf(err error) (int, trouble) {
	text := upper(sentence(plain(clip.Marked(err.Error(), 600))))
	switch {
	case errors.Is(err, job.ErrNotFound):
		return http.StatusNotFound, trouble{
			"Not found", text, "Look for it in the history, or start from the link of the failing job.", false,
		}
	case errors.Is(err, job.ErrInvalid):
		return http.StatusBadRequest, trouble{"This cannot be done as it stands", text, "Go back and change it.", false}
	case errors.Is(err, errNobody):
		return http.StatusUnauthorized, trouble{
			"Sign in first", "Reading is open to everybody; acting is not.", "Sign in, then try again.", true,
		}
	case errors.Is(err, job.ErrDenied):
		return http.StatusForbidden, trouble{
			"You may not do this", text, "Sign in with credentials that have what is missing, then try again.", true,
		}
	case errors.Is(err, job.ErrRefused), errors.Is(err, job.ErrNoLine), errors.Is(err, job.ErrNotScheduled):
		return http.StatusUnprocessableEntity, trouble{
			"Nothing was triggered", text, "Start from another failure of the same job.", false,
		}
	case errors.Is(err, job.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, trouble{
			"A service did not answer", text, "Try again in a minute. Backfills that are under way go on.", false,
		}
	}
	return http.StatusInternalServerError, trouble{
		"mozci failed", "Something went wrong in this service. Nothing was triggered because of it.",
		"Try again. If it happens again, tell the administrator the time: the log has the reason.", false,
	}
}

// errNobody is the error of an act without a caller.
var errNobody = errors.New("nobody is signed in")

// nowhere is what addresses without a screen give.
func (p *page) nowhere(w http.ResponseWriter, r *http.Request) {
	t := trouble{
		"There is no such page", "mozci has nothing at " + plain(clip.Marked(r.URL.Path, 200)) + ".",
		"Look for it in the history, or start from the link of the failing job.", false,
	}
	p.show(w, r, http.StatusNotFound, "trouble", p.frame(r, t.Heading+" · mozci", "", t))
}

// caller is who acts; it shows the error where nobody is signed in.
func (p *page) caller(w http.ResponseWriter, r *http.Request) (Caller, bool) {
	c, ok := p.who(r)
	if !ok {
		p.fail(w, r, errNobody)
	}
	return c, ok
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9._\[\]:-]{1,255}$`)

// root is the address of this service without a slash at its end; empty where it is not
// known.
func (p *page) root(r *http.Request) string {
	if p.o.Root != "" {
		return p.o.Root
	}
	if !hostName.MatchString(r.Host) {
		return ""
	}
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// outside is a link that may be followed: to http or https, or within this service. What
// comes from a CI may say anything; anything else gives no link at all.
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

// plain is a text of a CI as people may see it.
func plain[T ~string](s T) string { return job.Visible(string(s)) }

// brief is plain, and no longer than anybody reads.
func brief[T ~string](s T, most int) string { return job.Visible(clip.Marked(string(s), most)) }

func first[T any](list []T) (zero T) {
	if len(list) == 0 {
		return zero
	}
	return list[0]
}
