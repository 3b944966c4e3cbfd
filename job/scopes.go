package job

import (
	"context"
	"slices"
)

// scopesKey is the key of the scopes in a context.
type scopesKey struct{}

// WithScopes keeps what is done with the context to somebody's scopes: a Scheduler that
// is a [TriggerScoper] or a [CancelScoper] does nothing that needs others, and answers
// ErrDenied. Others do not look at them. No scopes at all allow nothing.
func WithScopes(ctx context.Context, scopes []string) context.Context {
	return context.WithValue(ctx, scopesKey{}, slices.Clone(scopes))
}

// Scopes are those of WithScopes; limited is false for a context that was not kept to
// any.
func Scopes(ctx context.Context) (scopes []string, limited bool) {
	scopes, limited = ctx.Value(scopesKey{}).([]string)
	return scopes, limited
}
