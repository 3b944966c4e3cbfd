package buildbot

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/mozci/mozci/internal/flight"
	"github.com/mozci/mozci/internal/rest"
	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// session is who the client is to the master: nobody, a user who signs in when it
// is needed, or a session that the caller brings.
type session struct {
	base           string
	rest           *rest.Client // follows no redirect: a cookie comes with it
	user, password string
	token          string

	begins *flight.Cache[int, nothing] // signing in under way, by how often it was done before

	mu      sync.Mutex        // not held while the master is asked
	begun   int               // how many times it was begun
	cookies map[string]string // by name: the master's, and those of servers in front of it
	front   bool              // a server in front of the master wants the password with each request
	brought bool              // the caller's cookie
}

func newSession(base string, o Options) (*session, error) {
	still := *o.HTTP
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := &session{
		base: base, user: o.User, password: o.Password, token: o.Token, cookies: map[string]string{},
		begins: flight.New[int, nothing](0),
		// a master without sign-in says 501
		rest: rest.New(&rest.Options{HTTP: &still, Logger: o.Logger, Retries: 1}),
	}
	if o.Cookie != "" {
		text := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(o.Cookie), "Cookie:"))
		if !strings.Contains(text, "=") {
			text = sessionCookie + "=" + text
		}
		all, err := http.ParseCookie(text)
		if err != nil {
			// No secret in the text.
			return nil, errors.New("the cookie: expected NAME=VALUE, as the browser's Cookie header has it")
		}
		for _, c := range all {
			s.cookies[c.Name] = c.Value
		}
		s.brought = true
	}
	return s, nil
}

// sessionCookie begins the name of the cookie that signs requests: with TLS it is
// TWISTED_SECURE_SESSION, and below another path more follows.
const sessionCookie = "TWISTED_SESSION"

func isSession(name string) bool {
	return strings.HasPrefix(name, sessionCookie) || strings.HasPrefix(name, "TWISTED_SECURE_SESSION")
}

// canBegin reports whether there is a user to sign in.
func (s *session) canBegin() bool { return s.user != "" }

// sign adds to a request what says who asks.
func (s *session) sign(h http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s.cookies)) {
		all = append(all, name+"="+s.cookies[name])
	}
	if len(all) > 0 {
		h.Set("Cookie", strings.Join(all, "; "))
	}
	switch {
	case s.token != "":
		h.Set("Authorization", "Bearer "+s.token)
	case s.front:
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(s.user+":"+s.password)))
	}
}

// begin signs in, or does nothing where that was done; anew signs in again, as
// when the master does not know the session any more. Buildbot signs in at
// /auth/login with UserPasswordAuth; with RemoteUserAuth a server in front does,
// and the master's own pages begin the session.
func (s *session) begin(ctx context.Context, op string, anew bool) error {
	s.mu.Lock()
	was := s.begun
	s.mu.Unlock()
	if was > 0 && !anew {
		return nil
	}
	_, err := s.begins.Do(ctx, was, func(ctx context.Context) (nothing, bool, error) {
		s.mu.Lock()
		now := s.begun
		s.mu.Unlock()
		if now > was { // by another caller, meanwhile
			return nothing{}, false, nil
		}
		return nothing{}, false, s.signIn(ctx, op)
	})
	return job.Wrap(op, "", err)
}

// signIn asks the pages that begin sessions, one after the other.
func (s *session) signIn(ctx context.Context, op string) error {
	var first error
	for _, path := range []string{"/auth/login", "/"} {
		ok, err := s.at(ctx, path)
		if err != nil && !notThere(err) {
			return wrap(op, "signing in as "+s.user, err)
		}
		if ok {
			s.mu.Lock()
			s.begun++
			s.mu.Unlock()
			return nil
		}
		first = cmp.Or(first, err)
	}
	err := fmt.Errorf("%w: no session came from /auth/login or from /: "+
		"does this master sign in with UserPasswordAuth or RemoteUserAuth? %s", job.ErrDenied, bring)
	if first != nil {
		err = fmt.Errorf("%w: %w", err, first)
	}
	return job.Wrap(op, "signing in as "+s.user, err)
}

// bring says what helps where a master does not sign in by user and password.
const bring = "For one that does so through GitHub, Google or the like, set BUILDBOT_COOKIE to the " +
	"Cookie header of a browser that is signed in, or BUILDBOT_TOKEN to a token"

// notThere reports whether a sign-in page says that it is none: Buildbot answers
// 403 at /auth/login where a server in front of it signs in, 501 without sign-in.
func notThere(err error) bool {
	var e *rest.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case http.StatusForbidden, http.StatusNotFound, http.StatusNotImplemented, http.StatusInternalServerError:
		return true
	}
	return false
}

// at asks one page with the password and keeps the cookies that come with it. It
// reports whether a session of the master's is among them that is the user's.
func (s *session) at(ctx context.Context, path string) (bool, error) {
	sign := func(r *http.Request) error { r.SetBasicAuth(s.user, s.password); return nil }
	res, err := s.rest.Do(ctx, rest.Call{
		Method: http.MethodGet, URL: s.base + path, Sign: sign, Header: http.Header{"Accept": {"text/html"}},
	})
	if err != nil {
		return false, err
	}
	found := false
	s.mu.Lock()
	defer s.mu.Unlock()
	// Two cookies of one name come: the anonymous session's, then the one signed in.
	for _, k := range (&http.Response{Header: res.Header}).Cookies() {
		s.cookies[k.Name] = k.Value
		found = found || isSession(k.Name)
	}
	return found, nil
}

// challenged notes that a server in front of the master wants the password with
// each request: the master itself never asks for it.
func (s *session) challenged(err error) {
	var e *rest.Error
	if errors.As(err, &e) && e.Status == http.StatusUnauthorized && basic(e.Header) {
		s.mu.Lock()
		s.front = true
		s.mu.Unlock()
	}
}

func basic(h http.Header) bool {
	return slices.ContainsFunc(h.Values("WWW-Authenticate"),
		func(v string) bool { return strings.Contains(strings.ToLower(v), "basic") })
}

// explain is the error of a request that was refused, with what to set.
func (s *session) explain(ctx context.Context, err error) error {
	var e *rest.Error
	errors.As(err, &e)
	auth, anonymous := s.who(ctx)
	var says string
	switch {
	case s.token != "":
		says = "the token of BUILDBOT_TOKEN was not accepted, or its owner may not do this"
	case s.user != "" && anonymous:
		says = "the master did not take the user " + s.user + ". " + bring
	case s.user != "":
		says = "signed in as " + s.user + ", who may not do this"
	case s.brought:
		says = "the session of BUILDBOT_COOKIE is not known any more, or its user may not do this"
	case e != nil && basic(e.Header):
		says = "nobody is signed in: set BUILDBOT_USER and BUILDBOT_PASSWORD"
	case signsElsewhere(auth):
		says = "nobody is signed in: set BUILDBOT_COOKIE to the Cookie header of a browser that is, " +
			"or BUILDBOT_TOKEN to a token"
	default:
		says = "nobody is signed in: set BUILDBOT_USER and BUILDBOT_PASSWORD. " + bring
	}
	if auth != "" {
		says += "; this master signs in with " + auth
	}
	return &refusal{says, err}
}

// signsElsewhere reports whether a master's sign-in is another site's.
func signsElsewhere(auth string) bool {
	for _, name := range []string{"OAuth", "GitHub", "Google", "GitLab", "Bitbucket"} {
		if strings.Contains(auth, name) {
			return true
		}
	}
	return false
}

// who is the name of the master's way to sign in, or nothing, and whether the
// master says that nobody is signed in.
func (s *session) who(ctx context.Context) (auth string, anonymous bool) {
	h := http.Header{"Accept": {"application/json"}}
	s.sign(h)
	res, err := s.rest.Do(ctx, rest.Call{URL: s.base + "/config", Header: h})
	if err != nil {
		return "", false
	}
	config, err := configs.Decode(contract.Asked{URL: s.base + "/config"}, res.Body)
	if err != nil {
		return "", false
	}
	return config.Auth.Name, config.User.Anonymous
}

// refusal is an exchange that was refused, and what to do about it.
type refusal struct {
	says string
	err  error
}

func (r *refusal) Error() string { return fmt.Sprintf("%v (%s)", r.err, r.says) }

func (r *refusal) Unwrap() error { return r.err }
