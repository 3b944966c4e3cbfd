package server

import "time"

// Caller is who asks.
type Caller struct {
	Name    string
	Scopes  []string
	Expires time.Time
	Via     string
}
