package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mozci/mozci/internal/scope"
	"github.com/mozci/mozci/job"
)

// The ways in which callers come, for Caller.Via.
const (
	ViaToken       = "token"       // a token of the token file
	ViaTaskcluster = "taskcluster" // credentials of a Taskcluster deployment
	ViaAutopilot   = "autopilot"   // the service itself, without a caller
)

// Caller is the person or program that sent a request. It holds no secret and can be stored with
// the backfill: work that is done hours later in the caller's name is still checked against the
// caller's scopes.
type Caller struct {
	// Name is the name of the token in the file, or the Taskcluster client id. It is for people and
	// for rate limits, and gives no rights.
	Name string `json:"name"`
	// Via says how the caller came: ViaToken, ViaTaskcluster or ViaAutopilot.
	Via string `json:"via"`
	// Scopes are what the caller may do, as in Taskcluster: "prefix*" stands for every scope with
	// that prefix, so "*" is everything that this service can do. No scopes mean no rights.
	Scopes []string `json:"scopes,omitempty"`
	// Expires is when the caller's credentials end; zero means never.
	Expires time.Time `json:"expires,omitzero"`
}

// Ended reports whether the caller's credentials have ended at now.
func (c Caller) Ended(now time.Time) bool { return !c.Expires.IsZero() && !now.Before(c.Expires) }

// Lacks returns the scopes that the caller lacks for an act. need is what job.TriggerNeeds
// returned: of each of its groups the caller must have one. A group of which the caller has
// none is reported by its first scope.
func (c Caller) Lacks(need [][]string) []string { return scope.Missing(c.Scopes, need) }

// String is the name, and how the caller came: "ci-robot (token)".
func (c Caller) String() string { return c.Name + " (" + c.Via + ")" }

// Authenticator finds out who sent a request.
type Authenticator interface {
	// Authenticate returns who sent the request r with this body. Its errors wrap ErrNoCredentials
	// when the request has no credentials of the kind that this Authenticator knows, and ErrWrong,
	// ErrExpired, ErrReplayed or ErrCannotCheck when it has some. The texts are shown to the caller
	// and hold no secret. It is safe for concurrent use.
	Authenticate(ctx context.Context, r *http.Request, body []byte) (Caller, error)
}

// The errors of an Authenticator. The door answers 503 to ErrCannotCheck and 401 to the others.
var (
	ErrNoCredentials = errors.New("no credentials")                        // none of this Authenticator's kind
	ErrWrong         = errors.New("the credentials are not valid")         // an unknown token, a wrong signature
	ErrExpired       = errors.New("the credentials have expired")          // or the signature is too old
	ErrReplayed      = errors.New("the request was sent before")           // the same signed request arrived twice
	ErrCannotCheck   = errors.New("the credentials cannot be checked now") // a service or a file cannot be read
)

// ScopeError says which scopes a caller lacks for an act. It is a job.ErrDenied.
type ScopeError struct {
	Caller  string
	Missing []string // scopes that the caller lacks, each once; never empty
}

// Error names every missing scope.
func (e *ScopeError) Error() string {
	return fmt.Sprintf("%v: %s lacks %s", job.ErrDenied, e.Caller, strings.Join(e.Missing, ", "))
}

// Unwrap makes it a job.ErrDenied.
func (e *ScopeError) Unwrap() error { return job.ErrDenied }

// callerKey is the key of the Caller in a request's context.
type callerKey struct{}

// CallerOf returns who sent the request that ctx belongs to, as the door found out; false when
// the request has no credentials.
func CallerOf(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

func withCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}
