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

// The ways in which callers come: Caller.Via.
const (
	ViaToken       = "token"       // a line of the file of tokens
	ViaTaskcluster = "taskcluster" // credentials of a Taskcluster deployment
	ViaAutopilot   = "autopilot"   // nobody: this service itself
)

// Caller is who asks. It is a value that can be kept, so that what is done later in the
// caller's name is still checked; it holds no secret.
type Caller struct {
	// Name is who: of a token its name in the file, of Taskcluster the client id. It is
	// for people and for limits, and gives nobody any right.
	Name string `json:"name"`
	// Via is how they came: ViaToken, ViaTaskcluster or ViaAutopilot.
	Via string `json:"via"`
	// Scopes are what the caller may do. None is nothing; "*" is all that this service can.
	Scopes []string `json:"scopes,omitempty"`
	// Expires is when the caller's credentials end; zero for never.
	Expires time.Time `json:"expires,omitzero"`
}

// Ended reports whether the caller's credentials are over.
func (c Caller) Ended(now time.Time) bool { return !c.Expires.IsZero() && !now.Before(c.Expires) }

// Lacks are the scopes that the caller lacks of those that are needed, which are as
// job.TriggerNeeds tells them.
func (c Caller) Lacks(need [][]string) []string { return scope.Missing(c.Scopes, need) }

// String is who, and how they came.
func (c Caller) String() string { return c.Name + " (" + c.Via + ")" }

// Authenticator finds out who sent a request.
type Authenticator interface {
	// Authenticate returns who sent the request, whose body is this. Errors wrap one of
	// ErrNoCredentials, for a request without any of the kind that this Authenticator
	// knows, ErrWrong, ErrExpired, ErrReplayed and ErrCannotCheck. Their texts are for the
	// caller to read, and hold no secret. It is safe for concurrent use.
	Authenticate(ctx context.Context, r *http.Request, body []byte) (Caller, error)
}

// What an Authenticator's errors wrap. The door answers 401, but to ErrCannotCheck 503.
var (
	ErrNoCredentials = errors.New("no credentials")
	ErrWrong         = errors.New("the credentials are not valid")
	ErrExpired       = errors.New("the credentials have expired")
	ErrReplayed      = errors.New("the request was sent before")
	ErrCannotCheck   = errors.New("the credentials cannot be checked now")
)

// ScopeError says that a caller may not do what was asked for. It is a job.ErrDenied.
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

// CallerOf is who sent the request that a context is of, as the door has found out; false
// for nobody.
func CallerOf(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

func withCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}
