package server

import (
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The addresses for signing in and out.
const (
	signInPath  = "/signin"
	signOutPath = "/signout"
)

// signIn exchanges a token for a session. The form has the fields token and next, the path to go to
// afterwards. It shares its limit of wrong tokens with the Authorization header, or one of the two
// would be the way to guess.
func (v *visit) signIn() {
	kind, _, err := mime.ParseMediaType(v.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		v.fail(http.StatusUnsupportedMediaType, "invalid", "Send a form (application/x-www-form-urlencoded).")
		return
	}
	form, err := url.ParseQuery(string(v.body))
	if err != nil {
		v.fail(http.StatusBadRequest, "invalid", "The form cannot be read.")
		return
	}
	key := addressKey(v.addr)
	if wait := v.d.attempts.take(key); wait > 0 {
		v.later(wait)
		return
	}
	token, err := v.d.o.Tokens.ofToken(strings.TrimSpace(form.Get("token")))
	if err == nil || errors.Is(err, ErrCannotCheck) {
		v.d.attempts.put(key)
	}
	if err != nil {
		v.refuse(err)
		return
	}
	c := token.caller()
	v.who = &c
	Audit(v.r.Context(), slog.String("what", "signed in"))
	value := v.d.sessions.begin(token, time.Now())
	http.SetCookie(v.w, cookie(value, v.d.secure(v.r), v.d.o.SessionLife))
	v.leave(localPath(form.Get("next")))
}

// signOut ends the session in every instance and deletes the cookie. When the end cannot be stored
// the cookie stays, so that the person can try again.
func (v *visit) signOut() {
	Audit(v.r.Context(), slog.String("what", "signed out"))
	if err := v.d.sessions.end(v.r.Context(), v.r); err != nil {
		v.refuse(errors.Join(ErrCannotCheck, err))
		return
	}
	http.SetCookie(v.w, cookie("", v.d.secure(v.r), 0))
	v.leave("/")
}

// leave redirects the browser to another page of this service.
func (v *visit) leave(path string) {
	v.w.Header().Set("Cache-Control", "no-store")
	v.w.Header().Set("Location", path)
	v.w.WriteHeader(http.StatusSeeOther)
}
