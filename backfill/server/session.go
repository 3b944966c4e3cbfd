package server

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mozci/mozci/job"
)

// sessions are the page's sign-in. The cookie says which token it stands for and when it ends, and
// is signed. So it is valid in every instance that has the same key, also after a restart, and the
// service stores only the sessions that were signed out. A session also ends when its token's line
// leaves the file. ended has the ids of those. life is how long a new session lasts.
type sessions struct {
	tokens *Tokens
	key    [sha256.Size]byte
	life   time.Duration
	ended  Nonces
	secure func(*http.Request) bool // whether a request came by https
}

// The names of the cookie. Browsers accept a name that begins with __Host- only if the cookie is
// Secure, has no Domain and has the path /, so no other host can set it.
const (
	secureCookie = "__Host-mozci"
	plainCookie  = "mozci"
)

// A session has 16 bytes of random id, 8 bytes of its end in seconds since 1970 (big endian), 32
// bytes that name the token, and 32 bytes of signature (HMAC-SHA-256) over all before it: 88 bytes,
// in base64url 118 characters.
//
//	offset  0  16        24        56         88
//	        id | end    | token   | signature |
const (
	sessionID     = 16
	sessionTime   = 8
	sessionLength = sessionID + sessionTime + 2*sha256.Size
)

// newSessions makes the sessions. An empty key is replaced by a random one.
func newSessions(
	t *Tokens, key []byte, life time.Duration, ended Nonces, secure func(*http.Request) bool,
) (*sessions, error) {
	s := &sessions{tokens: t, life: life, ended: ended, secure: secure}
	switch {
	case len(key) == 0:
		_, _ = rand.Read(s.key[:]) // crypto/rand never fails
	case len(key) < sha256.Size:
		return nil, fmt.Errorf("%w: the session key has %d bytes; expected 32 or more", job.ErrInvalid, len(key))
	default: // derive a key, so that the same secret can be used for another purpose elsewhere
		copy(s.key[:], sign(key, []byte("mozci session key 1")))
	}
	return s, nil
}

func sign(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write(text)
	return h.Sum(nil)
}

// which identifies a token in a cookie without revealing its hash. The hash is part of it, so that
// a name with a new token in the file does not keep the old session alive.
func (s *sessions) which(t Token) []byte {
	return sign(s.key[:], append([]byte("token "+t.Name+"\x00"), t.Hash[:]...))
}

// begin returns the cookie value of a new session.
func (s *sessions) begin(t Token, now time.Time) string {
	b := make([]byte, 0, sessionLength)
	// b has exactly the 16 bytes of the id now, which Read fills.
	b = append(b, make([]byte, sessionID)...)
	_, _ = rand.Read(b)
	b = binary.BigEndian.AppendUint64(b, uint64(now.Add(s.life).Unix())) //nolint:gosec // it is after 1970
	b = append(b, s.which(t)...)
	return base64.RawURLEncoding.EncodeToString(append(b, sign(s.key[:], b)...))
}

// read takes a cookie value apart. ok is false when the signature is wrong, or the session has
// ended. id is the key under which ended knows it; left is how long it still lasts.
func (s *sessions) read(value string, now time.Time) (id string, which []byte, left time.Duration, ok bool) {
	if len(value) != base64.RawURLEncoding.EncodedLen(sessionLength) {
		return "", nil, 0, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return "", nil, 0, false
	}
	text, signature := b[:sessionLength-sha256.Size], b[sessionLength-sha256.Size:]
	// Nothing of the text is looked at before its signature is known to be right.
	if !hmac.Equal(sign(s.key[:], text), signature) {
		return "", nil, 0, false
	}
	end := time.Unix(int64(binary.BigEndian.Uint64(text[sessionID:])), 0) //nolint:gosec // it is signed: our own
	left = end.Sub(now)
	id = "session " + base64.RawURLEncoding.EncodeToString(text[:sessionID])
	return id, text[sessionID+sessionTime:], left, left > 0
}

// caller returns whose session a request has. Without a session, or with one that has ended, it
// returns ErrNoCredentials. A request can have several cookies of this name; the first valid one
// counts.
func (s *sessions) caller(ctx context.Context, r *http.Request) (Caller, error) {
	for _, value := range s.cookies(r) {
		id, which, _, ok := s.read(value, time.Now())
		if !ok {
			continue
		}
		if ended, err := s.ended.Used(ctx, id); err != nil {
			return Caller{}, fmt.Errorf("%w: %w", ErrCannotCheck, err)
		} else if ended {
			continue
		}
		s.tokens.mu.Lock()
		list, err := s.tokens.current()
		s.tokens.mu.Unlock()
		if err != nil {
			return Caller{}, fmt.Errorf("%w: the file of tokens cannot be used", ErrCannotCheck)
		}
		for _, t := range list {
			if hmac.Equal(s.which(t), which) {
				return t.caller(), nil
			}
		}
	}
	return Caller{}, ErrNoCredentials
}

// end ends the sessions of a request in every instance. They are remembered until they would have
// ended anyway, and a minute longer.
func (s *sessions) end(ctx context.Context, r *http.Request) error {
	for _, value := range s.cookies(r) {
		if id, _, left, ok := s.read(value, time.Now()); ok {
			if _, err := s.ended.Use(ctx, id, left+time.Minute); err != nil {
				return err
			}
		}
	}
	return nil
}

// cookies are the values of a request's session cookies.
func (s *sessions) cookies(r *http.Request) []string {
	var out []string
	for _, c := range r.CookiesNamed(cookieName(s.secure(r))) {
		out = append(out, c.Value)
	}
	return out
}

func cookieName(secure bool) string {
	if secure {
		return secureCookie
	}
	return plainCookie
}

// cookie makes the cookie with a value; an empty value deletes it. MaxAge is in seconds; -1 makes
// the browser delete it at once. SameSite Lax keeps it out of forms on other sites, and lets it
// come with a link from there.
func cookie(value string, secure bool, life time.Duration) *http.Cookie {
	c := &http.Cookie{ //nolint:gosec // it is not Secure only where the service stays on this machine
		Name: cookieName(secure), Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: secure, MaxAge: int(life.Seconds()),
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// localPath returns where to go after signing in: path if it belongs to this service, else "/". A
// browser would take "//evil.example" or "/\evil.example" as another site.
//
//	/backfills?x=1 → /backfills?x=1
//	//evil.example → /
//	/a b           → /
func localPath(path string) string {
	ok := strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") && len(path) < 2000
	for _, r := range path {
		ok = ok && r > ' ' && r != '\\' && r != 0x7f
	}
	if !ok {
		return "/"
	}
	return path
}
