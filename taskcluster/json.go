package taskcluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// plainJSON is JSON without the escapes that are for HTML.
func plainJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(out.Bytes()), err
}

// tolerant decodes what may hold a task: what has another shape where anybody may write
// anything is left out, and an error elsewhere.
func tolerant(decode func(any) error, into any) error {
	err := decode(into)
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		for _, open := range []string{"extra.", "payload.", "tags", "extra", "payload"} {
			if f := strings.TrimPrefix(kind.Field, "task."); f == open || strings.HasPrefix(f, open) {
				return nil
			}
		}
	}
	return err
}

// members reads an object: value must read the member's value.
func members(dec *json.Decoder, value func(name string) error) error {
	if err := delim(dec, '{'); err != nil {
		return err
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		if err := value(t.(string)); err != nil { // the decoder gives strings here
			return err
		}
	}
	return delim(dec, '}')
}

// array reads an array: element must read the element.
func array(dec *json.Decoder, element func() error) error {
	if err := delim(dec, '['); err != nil {
		return err
	}
	for dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return delim(dec, ']')
}

// delim reads a brace or a bracket.
func delim(dec *json.Decoder, want json.Delim) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if t != want {
		return notJSON{fmt.Errorf("expected %s, got %v", want, t)}
	}
	return nil
}

// skip reads a value without keeping it.
func skip(dec *json.Decoder) error {
	depth := 0
	for {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// malformed says of a decoder's error what it means.
func malformed(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &kind) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return notJSON{err}
	}
	return err
}

// notJSON is an answer that is not the JSON that it should be.
type notJSON struct{ error }

func (notJSON) Malformed() bool { return true }
func (n notJSON) Unwrap() error { return n.error }
