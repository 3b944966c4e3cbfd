// Package lax decodes JSON whose fields are whatever somebody put there: what is
// not of the wanted type is as good as absent, and the rest of the object stands.
// It is for logs and for properties that people set; answers of services are
// decoded strictly.
package lax

import "encoding/json"

// Text is a string; anything else is empty.
type Text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *Text) UnmarshalJSON(b []byte) error {
	*t = ""
	if first(b) == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	return nil
}

// Word is a string, or the digits of a number; anything else is empty.
type Word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *Word) UnmarshalJSON(b []byte) error {
	if number(b) {
		*w = Word(b)
		return nil
	}
	return (*Text)(w).UnmarshalJSON(b)
}

// Texts is an array, of which strings are kept as they are and everything else is
// empty; anything but an array is none.
type Texts []Text

// UnmarshalJSON implements json.Unmarshaler.
func (t *Texts) UnmarshalJSON(b []byte) error {
	*t = nil
	if first(b) == '[' {
		return json.Unmarshal(b, (*[]Text)(t))
	}
	return nil
}

// Number is a number; anything else is 0.
type Number float64

// UnmarshalJSON implements json.Unmarshaler.
func (n *Number) UnmarshalJSON(b []byte) error {
	*n = 0
	if number(b) {
		return json.Unmarshal(b, (*float64)(n))
	}
	return nil
}

// Flag is true; anything else is false.
type Flag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *Flag) UnmarshalJSON(b []byte) error {
	*f = string(b) == "true"
	return nil
}

// first is the byte by which a value's type is known; encoding/json passes values
// without the space around them.
func first(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func number(b []byte) bool { return first(b) == '-' || first(b) >= '0' && first(b) <= '9' }
