package cassette

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The minimum lengths of secrets that are removed by value, in bytes. Shorter ones would be
// found within words, and shorter numbers within times and ids.
const (
	shortest       = 6
	shortestNumber = 16
)

func isLong(secret string) bool {
	if strings.Trim(secret, "0123456789") == "" {
		return len(secret) >= shortestNumber
	}
	return len(secret) >= shortest && secret != redacted
}

// redact learns a secret, and returns the text to put in its place.
func (s *scrubber) redact(secret string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range append([]string{secret, unescaped(secret)}, strings.Split(secret, "\n")...) {
		if v = strings.TrimSpace(v); isLong(v) && !s.secrets[v] {
			s.secrets[v], s.replacer = true, nil
		}
	}
	return redacted
}

// forget removes all secrets that were learned from a text.
func (s *scrubber) forget(text string) string {
	s.mu.Lock()
	if s.replacer == nil {
		s.replacer = replacer(slices.Sorted(maps.Keys(s.secrets)))
	}
	r := s.replacer
	s.mu.Unlock()
	return r.Replace(text)
}

// replacer replaces secrets in all their spellings. Longer spellings come first, so that a
// secret that contains another one is replaced as a whole.
func replacer(secrets []string) *strings.Replacer {
	spelled := map[string]bool{}
	for _, secret := range secrets {
		for _, s := range spellings(secret) {
			spelled[s] = len(s) >= shortest
		}
	}
	byLength := slices.SortedFunc(maps.Keys(spelled), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	var pairs []string
	for _, s := range byLength {
		if spelled[s] {
			pairs = append(pairs, s, redacted)
		}
	}
	return strings.NewReplacer(pairs...)
}

// spellings are the forms in which a secret can come again: as it is; escaped as in JSON,
// HTML, URLs, and JSON within a form; every byte percent-encoded; in hex; and in base64.
func spellings(secret string) []string {
	bytes := fmt.Sprintf("% x", secret)
	percent := "%" + strings.ReplaceAll(bytes, " ", "%")
	json, ascii := quoted(secret), strconv.QuoteToASCII(secret)
	json, ascii = json[1:len(json)-1], ascii[1:len(ascii)-1]
	query, path, inForm := url.QueryEscape(secret), url.PathEscape(secret), url.QueryEscape(json)
	out := []string{
		secret, json, ascii, html.EscapeString(secret), query, lowerEscapes(query), path, lowerEscapes(path), inForm,
		lowerEscapes(inForm),
		percent, strings.ToUpper(percent),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
	}
	return append(append(out, base64s(base64.RawStdEncoding, secret)...), base64s(base64.RawURLEncoding, secret)...)
}

// lowerEscapes changes the escapes of a URL to lower case: %3D to %3d.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == '%' && i+2 < len(b) {
			copy(b[i:], strings.ToLower(string(b[i:i+3])))
		}
	}
	return string(b)
}

// base64s are the three forms of a secret within the base64 of a longer text, depending on
// where in a group of three bytes it begins. Each character has six bits, so at both ends
// there can be characters that depend on the bytes beside the secret too. These are left out.
//
// For example, for a secret after one other byte: of the first group, character 0 has bits of
// the other byte alone and character 1 has bits of both, so the form begins at character 2.
// After two other bytes, it begins at character 3.
func base64s(e *base64.Encoding, secret string) []string {
	var out []string
	for before, others := range []int{0, 2, 3} {
		text := e.EncodeToString([]byte(strings.Repeat("\x00", before) + secret))
		last := len(text)
		if (before+len(secret))%3 != 0 {
			last--
		}
		out = append(out, text[others:last])
	}
	return out
}
