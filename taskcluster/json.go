package taskcluster

import (
	v2 "github.com/go-json-experiment/json"
)

// plainJSON is JSON without the escapes that are for HTML. Of equal values the
// texts are equal.
func plainJSON(v any) ([]byte, error) { return v2.Marshal(v, v2.Deterministic(true)) }
