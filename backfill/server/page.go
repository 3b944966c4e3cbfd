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

// pageOptions are what the page can be told. All may be left out.
type pageOptions struct {
	// Root is the address of the service as people reach it, such as
	// https://backfill.example.org, for links that leave it. Default: what the browser
	// asked for.
	Root string
	// Example is a link of a job for people who want to see what it is like.
	Example string
	// Robot is the autopilot whose days are shown; nil for none.
	Robot Robotics
	// SignIn says that people can sign in, by POST /signin with token and next.
	SignIn bool
	// Chooser lets people choose among all that can run on a push; nil for none.
	Chooser *chooser
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
	parts   *flight.Cache[partKey, *rendered]
}

// newPage makes the page. who tells whose a request is, and whether it is anybody's.
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

// register adds the page to a mux. It acts only by POST; whoever serves it keeps other
// sites' forms away, and asks browsers to run and to show nothing but what comes from here.
func (p *page) register(mux *http.ServeMux) {
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

// frame is what every screen has around what it shows.
type frame struct {
	Title string // of the window: what is most important first
	Nav   string // which entry of the navigation is this one
	Me    string // who is signed in; empty for nobody
	// Here is where the browser is to be after signing in.
	Here   string
	SignIn bool
	// Autopilot and Chooser say that there is one.
	Autopilot, Chooser bool
	Body               any
}

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
	code, t := p.troubleIn(r, err)
	t.SignIn = t.SignIn && p.o.SignIn
	p.show(w, r, code, "trouble", p.frame(r, t.Heading+" · mozci", "", t))
}

// troubleIn is troubleOf for the error of a request, which the log is told where it is ours.
func (p *page) troubleIn(r *http.Request, err error) (int, trouble) {
	code, t := troubleOf(err)
	if code >= http.StatusInternalServerError {
		p.o.Log.ErrorContext(r.Context(), "a request failed", "path", r.URL.Path, "error", err)
	}
	return code, t
}

// troubleOf says of an error what it is, and what to do. What went wrong inside is told to
// the log, not to people.
func troubleOf(err error) (int, trouble) {
	code, reason := statusOf(err)
	return code, troubleWith(code, reason, full(errorText(err)))
}

// troubleWith is the screen of an error with a status, a reason in one word and a message.
func troubleWith(code int, reason, message string) trouble {
	t := trouble{Heading: "This cannot be done as it stands", Text: message, Todo: "Go back and change it."}
	switch code {
	case http.StatusNotFound:
		t.Heading, t.Todo = "Not found", "Look for it in the history, or start from the link of the failing job."
	case http.StatusUnauthorized:
		t.Heading, t.Todo, t.SignIn = "Sign in first", "Then try again.", true
		if reason == "no_credentials" {
			t.Text = "mozci shows this, and does this, only for people whom it knows."
		}
	case http.StatusForbidden:
		t.Heading, t.SignIn = "You may not do this", true
		t.Todo = "Sign in with credentials that have what is missing, then try again."
	case http.StatusUnprocessableEntity, http.StatusConflict:
		t.Heading, t.Todo = "Nothing was triggered", "Start from another failure of the same job."
	case http.StatusTooManyRequests:
		t.Heading, t.Todo = "Too many requests", "Wait a moment, then try again. Backfills that are under way go on."
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		t.Heading, t.Todo = "A service did not answer", "Try again in a minute. Backfills that are under way go on."
	case http.StatusMethodNotAllowed:
		t.Heading, t.Todo = "That is not how this page works", "Start from the link of the failing job."
	}
	if code == http.StatusInternalServerError || code > http.StatusServiceUnavailable {
		t.Heading, t.Text = "mozci failed", "Something went wrong in this service. Nothing was triggered because of it."
		t.Todo = "Try again. If it happens again, tell the administrator the time: the log has the reason."
	}
	return t
}

// refused shows a person that a request was not let through.
func (p *page) refused(w http.ResponseWriter, r *http.Request, status int, reason, message string) {
	t := troubleWith(status, reason, plain(message))
	t.SignIn = t.SignIn && p.o.SignIn
	p.show(w, r, status, "trouble", p.frame(r, t.Heading+" · mozci", "", t))
}

// nowhere is what addresses without a screen give.
func (p *page) nowhere(w http.ResponseWriter, r *http.Request) {
	t := troubleWith(http.StatusNotFound, "", "mozci has nothing at "+plain(clip.Marked(r.URL.Path, 200))+".")
	t.Heading = "There is no such page"
	p.show(w, r, http.StatusNotFound, "trouble", p.frame(r, t.Heading+" · mozci", "", t))
}

// caller is who acts; it shows the error where nobody is signed in.
func (p *page) caller(w http.ResponseWriter, r *http.Request) (Caller, bool) {
	c, ok := p.who(r)
	if !ok {
		p.fail(w, r, ErrNoCredentials)
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
