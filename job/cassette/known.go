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

// What is shorter is not looked for: it is found in words, too; and what is a number
// is found in times and ids.
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

// redact learns a secret, and returns what stands in its place.
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

// forget takes all secrets that were learned out of a text.
func (s *scrubber) forget(text string) string {
	s.mu.Lock()
	if s.replacer == nil {
		s.replacer = replacer(slices.Sorted(maps.Keys(s.secrets)))
	}
	r := s.replacer
	s.mu.Unlock()
	return r.Replace(text)
}

// replacer replaces secrets in all their spellings, the longest first.
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

// spellings are a secret as it is, escaped as in JSON, HTML and URLs and as JSON in a
// form, in hex, and in base64.
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

// lowerEscapes is a text with %3d in place of %3D.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == '%' && i+2 < len(b) {
			copy(b[i:], strings.ToLower(string(b[i:i+3])))
		}
	}
	return string(b)
}

// base64s are what a secret leaves in the base64 of a text that it is part of, by
// where in a group of three bytes it begins. The digits that other bytes have a part
// in are left out.
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
