package pulse

import "log/slog"

// Secret is a text that logs, errors and JSON show as REDACTED. string(s) is the text itself.
type Secret string

const redacted = "REDACTED"

// String hides it.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides it.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// LogValue hides it.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
