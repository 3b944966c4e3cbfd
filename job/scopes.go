package job

import (
	"context"
	"slices"
)

// scopesKey is the key of the scopes in a context.
type scopesKey struct{}

// WithScopes limits the acts done with the context to these scopes. A Scheduler that is a
// [TriggerScoper] or a [CancelScoper] answers ErrDenied to an act that needs any other
// scope, and does nothing. Other Schedulers ignore the limit. An empty list allows nothing
// that needs a scope.
func WithScopes(ctx context.Context, scopes []string) context.Context {
	return context.WithValue(ctx, scopesKey{}, slices.Clone(scopes))
}

// Scopes returns the scopes that WithScopes set; limited is false where it set none.
func Scopes(ctx context.Context) (scopes []string, limited bool) {
	scopes, limited = ctx.Value(scopesKey{}).([]string)
	return scopes, limited
}
