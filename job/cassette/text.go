package cassette

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// secretWords are the words in names of secrets, in lower case and without - and _.
var secretWords = []string{
	"token", "secret", "password", "passwd", "passphrase", "apikey", "privatekey", "accesskey", "signature",
	"credential", "certificate", "bewit", "authorization", "cookie", "sessionid", "xamz", "xgoog",
}

// notSecret are names with such a word that are not secrets: they only say where the next
// page of a list begins.
var notSecret = []string{"continuationtoken", "nexttoken", "pagetoken"}

var plainName = strings.NewReplacer("-", "", "_", "", ".", "", " ", "")

// secretName reports whether a header, a parameter or a JSON member of this name holds a
// secret. A name with a slash is taken for data, such as the label of a job.
func secretName(name string) bool {
	if strings.Contains(name, "/") {
		return false
	}
	name = plainName.Replace(strings.ToLower(name))
	for _, n := range notSecret {
		if strings.Contains(name, n) {
			return false
		}
	}
	for _, w := range secretWords {
		if strings.Contains(name, w) {
			return true
		}
	}
	return name == "sig" || name == "jwt" || name == "pwd"
}

// secretAll reports whether everything in an object or an array of this name is secret, as in
// "tokens": ["a", "b"]. In "credentials" the names of the members decide, because some of
// these, such as a client id, are not secret.
func secretAll(name string) bool {
	name = strings.TrimSuffix(plainName.Replace(strings.ToLower(name)), "s")
	return !strings.HasSuffix(name, "credential") && secretName(name) &&
		slices.ContainsFunc(secretWords, func(w string) bool { return strings.HasSuffix(name, w) })
}

// body removes the secrets that names show from the body of a request or an answer, which is
// JSON, a form, or text.
func (s *scrubber) body(text string) string {
	if isForm(text) {
		return s.pairs(text)
	}
	return s.text(text)
}

// isForm reports whether a text looks like a form, application/x-www-form-urlencoded.
func isForm(text string) bool { return strings.Contains(text, "=") && form.MatchString(text) }

var form = regexp.MustCompile(`^[\w.~%+*()$!-]+=[\w.~%+*()$!:@/,;-]*(&[\w.~%+*()$!-]+=[\w.~%+*()$!:@/,;-]*)*$`)

var (
	address  = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>\\]+`)
	userInfo = regexp.MustCompile(`^((?:[^:/?#]+:)?//)([^/?#]*)@`)
	// privateKey matches a private key in PEM; its end may be missing.
	privateKey = regexp.MustCompile(
		`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)
	webToken = regexp.MustCompile(`\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*`)
	// headerLine matches a header within a text, with the indented lines that continue it.
	headerLine = regexp.MustCompile(
		`(?i)\b((?:proxy-|server-)?authorization|(?:set-)?cookie)(\\?["']?\s*[:=]\s*)([^\r\n]+(?:\r?\n[ \t]+[^\r\n]+)*)`)
	// assignment matches a name that ends in the word of a secret, a colon or an equals sign,
	// and a value: in quotes, in escaped quotes, or without.
	assignment = regexp.MustCompile(
		`(?i)([\w%.-]*(?:token|secret|password|passwd|passphrase|key|signature|credentials?|certificate|bewit|` +
			`session[_-]?id|\bsig|\bpwd|\bjwt))(\\*["']?\s*[:=]\s*)` +
			`(\\+"(?:[^"\\]|\\[^"])*(?:\\+")?|"(?:[^"\\]|\\.)*"?|'[^'\n]*'?|[^\s"'&;,<>\\]+)`)
)

// text removes the secrets from a text that names in it show. It learns a value after a header
// or a name only if it looks like a secret: "password: none" must not remove every "none".
func (s *scrubber) text(text string) string {
	if len(text) < 5 {
		return text
	}
	if clean, ok := s.json(text); ok {
		return clean
	}
	text = privateKey.ReplaceAllStringFunc(text, s.redact)
	text = webToken.ReplaceAllStringFunc(text, s.redact)
	text = address.ReplaceAllStringFunc(text, s.url)
	text = headerLine.ReplaceAllStringFunc(text, func(line string) string {
		m := headerLine.FindStringSubmatch(line)
		if value := strings.Join(strings.Fields(m[3]), " "); looksSecret(value) {
			s.authorization(strings.Trim(value, `"'\`))
		}
		return m[1] + m[2] + redacted
	})
	return assignment.ReplaceAllStringFunc(text, func(pair string) string {
		m := assignment.FindStringSubmatch(pair)
		if !secretName(m[1]) {
			return pair
		}
		value := strings.Trim(m[3], `\"'`)
		return m[1] + m[2] + strings.Replace(m[3], value, s.guess(value), 1)
	})
}

// guess is redact for a value that may be an ordinary word: it is learned only if it looks like
// a secret.
func (s *scrubber) guess(value string) string {
	if looksSecret(value) {
		s.redact(value)
	}
	return redacted
}

// looksSecret reports whether a value is hardly a word of a text: it has 12 bytes or more, and
// a digit.
func looksSecret(value string) bool {
	return len(value) >= 2*shortest && strings.ContainsAny(value, "0123456789")
}

// url removes the user and password from a URL, or from the beginning of one, and the values of
// parameters with the names of secrets.
func (s *scrubber) url(raw string) string {
	raw = userInfo.ReplaceAllStringFunc(raw, func(in string) string {
		m := userInfo.FindStringSubmatch(in)
		if _, password, ok := strings.Cut(m[2], ":"); ok {
			s.redact(password)
		} else {
			s.redact(m[2])
		}
		return m[1] + redacted + "@"
	})
	raw, fragment, hasFragment := strings.Cut(raw, "#")
	place, query, hasQuery := strings.Cut(raw, "?")
	if hasQuery {
		place += "?" + s.pairs(query)
	}
	if hasFragment {
		place += "#" + s.pairs(fragment)
	}
	return place
}

// pairs removes secrets from the names and values of a query or a form. A value that contains
// secrets, such as a URL with a token, is cleaned and escaped again; all others stay as they
// are written.
func (s *scrubber) pairs(text string) string {
	all := strings.Split(text, "&")
	for i, p := range all {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			continue
		}
		if secretName(unescaped(name)) {
			all[i] = name + "=" + s.redact(value)
			continue
		}
		plain := unescaped(value)
		if clean := s.text(plain); clean != plain {
			all[i] = name + "=" + url.QueryEscape(clean)
		}
	}
	return strings.Join(all, "&")
}

func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
