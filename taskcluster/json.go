package taskcluster

import (
	v2 "github.com/go-json-experiment/json"
)

// plainJSON encodes a value as JSON, without escapes for HTML and with the members of objects
// sorted. Equal values have equal texts, so that texts can be compared.
func plainJSON(v any) ([]byte, error) { return v2.Marshal(v, v2.Deterministic(true)) }
