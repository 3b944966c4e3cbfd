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

// session is the client's identity towards the master: anonymous, a user who signs in when
// that is needed, or a session or token that the caller gave.
//
//	given               sign adds
//	nothing             no header
//	User, Password      the cookies of the sign-in; Basic too, once a server in front has required it
//	Cookie              the cookie
//	Token               Bearer
type session struct {
	base           string       // as in Client
	rest           *rest.Client // follows no redirects, as the cookie comes with the redirect
	user, password string
	token          string

	begins *flight.Cache[int, nothing] // sign-ins under way, by the value of begun before

	mu      sync.Mutex        // not held during requests
	begun   int               // how many times it has signed in
	cookies map[string]string // by name: the master's, and those of servers in front of it
	front   bool              // a server in front of the master requires the password on each request
	brought bool              // the caller gave a cookie
}

// newSession makes the session that the options ask for. A cookie may be given in three forms:
//
//	Cookie: TWISTED_SESSION=ab12; theme=dark     both cookies, as copied with the header's name
//	TWISTED_SESSION=ab12                         that one
//	ab12                                         TWISTED_SESSION=ab12
func newSession(base string, o Options) (*session, error) {
	still := *o.HTTP
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := &session{
		base: base, user: o.User, password: o.Password, token: o.Token, cookies: map[string]string{},
		begins: flight.New[int, nothing](0),
		// Few retries: a master without sign-in answers 501, which looks like a fault.
		rest: rest.New(&rest.Options{HTTP: &still, Logger: o.Logger, Retries: 1}),
	}
	if o.Cookie != "" {
		text := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(o.Cookie), "Cookie:"))
		if !strings.Contains(text, "=") {
			text = sessionCookie + "=" + text
		}
		all, err := http.ParseCookie(text)
		if err != nil {
			// The text must not show the cookie, which is a secret.
			return nil, errors.New("the cookie cannot be read: expected NAME=VALUE, as in the browser's Cookie header")
		}
		for _, c := range all {
			s.cookies[c.Name] = c.Value
		}
		s.brought = true
	}
	return s, nil
}

// sessionCookie is how the name of the session's cookie begins. More follows when the master
// is below a path; with TLS the name begins with TWISTED_SECURE_SESSION.
const sessionCookie = "TWISTED_SESSION"

func isSession(name string) bool {
	return strings.HasPrefix(name, sessionCookie) || strings.HasPrefix(name, "TWISTED_SECURE_SESSION")
}

// canBegin reports whether there is a user who can sign in.
func (s *session) canBegin() bool { return s.user != "" }

// sign adds the credentials to a request: cookies, and a token or the password.
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

// begin signs in, unless that was done before. again signs in once more, for when the master
// no longer knows the session. Callers that do so at the same time share one sign-in. With
// UserPasswordAuth the page /auth/login begins a session; with RemoteUserAuth a server in front
// checks the password, and any page of the master begins one.
//
// begun tells whether the session that a caller found refused is still the current one. Two
// callers with was = 1 share one sign-in; one that comes a moment later with was = 1 finds begun
// = 2, and uses the new session.
func (s *session) begin(ctx context.Context, op string, again bool) error {
	s.mu.Lock()
	was := s.begun
	s.mu.Unlock()
	if was > 0 && !again {
		return nil
	}
	_, err := s.begins.Do(ctx, was, func(ctx context.Context) (nothing, bool, error) {
		s.mu.Lock()
		now := s.begun
		s.mu.Unlock()
		if now > was { // another caller has just signed in
			return nothing{}, false, nil
		}
		return nothing{}, false, s.signIn(ctx, op)
	})
	return job.Wrap(op, "", err)
}

// signIn tries the pages that can begin a session, one after the other.
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
	err := fmt.Errorf("%w: neither /auth/login nor / began a session: "+
		"does this master sign in with UserPasswordAuth or RemoteUserAuth? %s", job.ErrDenied, bring)
	if first != nil {
		err = fmt.Errorf("%w: %w", err, first)
	}
	return job.Wrap(op, "signing in as "+s.user, err)
}

// bring says what to do when a master does not sign in by user and password.
const bring = "If it signs in through GitHub, Google or the like, set BUILDBOT_COOKIE to the " +
	"Cookie header of a browser that is signed in, or BUILDBOT_TOKEN to a token"

// notThere reports whether the answer of a sign-in page means that the master does not use it.
// At /auth/login Buildbot answers 403 when a server in front of it signs in, and 501 when there
// is no sign-in at all.
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

// at requests one page with the password, and keeps the cookies of the answer. It reports
// whether one of them is a session of the master.
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
	// The answer has two cookies of the same name: first that of an anonymous session, then
	// that of the user's. The last one stays.
	for _, k := range (&http.Response{Header: res.Header}).Cookies() {
		s.cookies[k.Name] = k.Value
		found = found || isSession(k.Name)
	}
	return found, nil
}

// challenged looks at a refusal. When it asks for HTTP Basic, a server in front of the master
// requires the password on each request; the master itself never asks for it.
func (s *session) challenged(err error) {
	var e *rest.Error
	if errors.As(err, &e) && e.Status == http.StatusUnauthorized && basic(e.Header) {
		s.mu.Lock()
		s.front = true
		s.mu.Unlock()
	}
}

// basic reports whether a header asks for HTTP Basic, as `WWW-Authenticate: Basic realm="ci"`.
func basic(h http.Header) bool {
	return slices.ContainsFunc(h.Values("WWW-Authenticate"),
		func(v string) bool { return strings.Contains(strings.ToLower(v), "basic") })
}

// explain adds to the error of a refused request why it may have been refused, and what to set.
func (s *session) explain(ctx context.Context, err error) error {
	var e *rest.Error
	errors.As(err, &e)
	auth, anonymous := s.who(ctx)
	var says string
	switch {
	case s.token != "":
		says = "the token of BUILDBOT_TOKEN was not accepted, or its owner may not do this"
	case s.user != "" && anonymous:
		says = "the master did not accept the user " + s.user + ". " + bring
	case s.user != "":
		says = "you are signed in as " + s.user + ", who may not do this"
	case s.brought:
		says = "the session of BUILDBOT_COOKIE has ended, or its user may not do this"
	case e != nil && basic(e.Header):
		says = "you are not signed in: set BUILDBOT_USER and BUILDBOT_PASSWORD"
	case signsElsewhere(auth):
		says = "you are not signed in: set BUILDBOT_COOKIE to the Cookie header of a browser that is, " +
			"or BUILDBOT_TOKEN to a token"
	default:
		says = "you are not signed in: set BUILDBOT_USER and BUILDBOT_PASSWORD. " + bring
	}
	if auth != "" {
		says += "; this master signs in with " + auth
	}
	return &refusal{says, err}
}

// signsElsewhere reports whether a master signs in through another site, by the name of its
// authentication class.
func signsElsewhere(auth string) bool {
	for _, name := range []string{"OAuth", "GitHub", "Google", "GitLab", "Bitbucket"} {
		if strings.Contains(auth, name) {
			return true
		}
	}
	return false
}

// who asks the master how it signs in (the name of a class, such as UserPasswordAuth), and
// whether it takes this client for anonymous. When it does not say, auth is "".
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

// refusal is the error of a refused exchange with advice on what to do.
type refusal struct {
	says string
	err  error
}

func (r *refusal) Error() string { return fmt.Sprintf("%v (%s)", r.err, r.says) }

func (r *refusal) Unwrap() error { return r.err }
