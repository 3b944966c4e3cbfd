// Package lax has field types for JSON that people and programs fill in as they like. A value
// of the wrong type becomes the zero value, and the rest of the object is still decoded:
//
//	var line struct {
//		Message lax.Text   `json:"message"`
//		Time    lax.Number `json:"time"`
//	}
//	err := json.Unmarshal([]byte(`{"message": 7, "time": 12}`), &line)
//	// line.Message is "", line.Time is 12, err is nil.
//
// Use it for logs and for properties that people set. Answers of services are decoded
// strictly, by package job/contract.
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

// Texts is an array. Its strings are kept and every other element is empty, so that indices
// stay: ["a", 1, "b"] is "a", "", "b". Anything but an array is nil.
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

// first is the first byte of a value, which shows its type. encoding/json passes values
// without the blanks around them.
func first(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func number(b []byte) bool { return first(b) == '-' || first(b) >= '0' && first(b) <= '9' }
